"""Journals as they lie on disk.

    journals/<plan>/<shard>/<attempt>/begun.json, 000001.parquet, 000002.parquet, …, summary.json

Every batch of rows is a whole file from the moment it has its name, so a journal can be read while it is
written, and a process that dies loses at most the batch that it still held.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType

import pyarrow as pa
from filelock import FileLock, Timeout

from hyve_pipeline.core.errors import RefusedError
from hyve_pipeline.core.journal import (
    JOURNAL_SCHEMA,
    AttemptSummary,
    JournalRow,
    Outcome,
    ShardState,
    to_table,
)
from hyve_pipeline.core.manifest import Frozen
from hyve_pipeline.core.plan import Plan, Shard
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import ParquetReader, writing_parquet

# A batch is written when it has this many rows or when its first row is this many seconds old.
_BATCH_ROWS = 2_000
_BATCH_SECONDS = 2.0


class AttemptBegun(Frozen):
    """Says that an attempt has begun, and whose it is."""

    attempt: int
    run_id: str
    started: datetime


class AttemptWriter:
    """Appends rows to the journal of one attempt. Flushes what it holds when its block ends, however it ends."""

    def __init__(self, folder: Folder, begun: AttemptBegun) -> None:
        self.begun = begun
        self._folder = folder
        self._rows: list[JournalRow] = []
        self._batches = 0
        self._oldest = 0.0

    def __enter__(self) -> "AttemptWriter":
        self._folder.write_manifest("begun.json", self.begun)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()

    def append(self, row: JournalRow) -> None:
        """Take in one object's outcome."""
        if not self._rows:
            self._oldest = time.monotonic()
        self._rows.append(row)
        if len(self._rows) >= _BATCH_ROWS or time.monotonic() - self._oldest > _BATCH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is held as one more file."""
        if not self._rows:
            return
        # Rows leave memory only when their file is complete: an interrupt in between loses none, and
        # writes none twice, because the same rows go to the same name.
        with writing_parquet(self._folder, f"{self._batches + 1:06d}.parquet", JOURNAL_SCHEMA) as writer:
            writer.write_table(to_table(self._rows))
        self._batches += 1
        self._rows = []

    def finish(self, summary: AttemptSummary) -> None:
        """Say that the attempt came to its end."""
        self.flush()
        self._folder.write_manifest("summary.json", summary)


class ShardJournal:
    """The journal of one shard: its attempts in order."""

    def __init__(self, state: Folder, plan_id: str, shard: Shard) -> None:
        self._folder = state.below(f"journals/{plan_id}/{shard.number:04d}")
        self._name = f"shard {plan_id}-{shard.number:04d}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from working on this shard. The lock ends with its owner, however that ends.

        Raises:
            RefusedError: another process is working on the shard.
        """
        path = Path(self._folder.path_of("lock"))
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise RefusedError("one_at_a_time", f"another process is working on {self._name}") from error
        try:
            yield
        finally:
            lock.release()

    def _attempts(self) -> list[int]:
        return sorted(int(name) for name in self._folder.names() if name.isdecimal())

    def begin(self, run_id: str, now: datetime) -> AttemptWriter:
        """A writer for the next attempt."""
        number = max(self._attempts(), default=0) + 1
        begun = AttemptBegun(attempt=number, run_id=run_id, started=now)
        return AttemptWriter(self._folder.below(f"{number:04d}"), begun)

    def latest(self) -> tuple[ShardState, AttemptSummary | None]:
        """How far the shard came, and the summary of its last attempt when that came to its end."""
        attempts = self._attempts()
        if not attempts:
            return ShardState.PENDING, None
        path = f"{attempts[-1]:04d}/summary.json"
        if not self._folder.exists(path):
            return ShardState.STARTED, None
        summary = self._folder.read_manifest(path, AttemptSummary)
        return summary.state, summary

    def tables(self) -> Iterator[pa.Table]:
        """All rows of all attempts, in the order they were written."""
        for attempt in self._attempts():
            for name in self._folder.names(f"{attempt:04d}"):
                if name.endswith(".parquet"):
                    reader = ParquetReader(self._folder.uri_of(f"{attempt:04d}/{name}"))
                    yield from reader.tables()
                    reader.close()

    def last_rows(self) -> dict[str, JournalRow]:
        """The row that counts for each key: its last one."""
        rows: dict[str, JournalRow] = {}
        for table in self.tables():
            for row in table.to_pylist():
                row["outcome"] = Outcome(row["outcome"])
                rows[row["key"]] = JournalRow(**row)
        return rows


def shard_journals(state: Folder, plan: Plan) -> Iterator[tuple[Shard, ShardJournal]]:
    """Every shard of a plan with its journal."""
    for shard in plan.shards:
        yield shard, ShardJournal(state, plan.id, shard)
