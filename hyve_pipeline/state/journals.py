"""Journals as they lie on disk.

    journals/<plan>/<shard>/<attempt>/begun.json, 000001.parquet, 000002.parquet, …, summary.json

Every batch of rows is a whole file from the moment it has its name, so a journal can be read while it is
written, and a process that dies loses at most the rows that it still held.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType

import pyarrow as pa
from filelock import FileLock, Timeout

from hyve_pipeline.core.base.errors import ObjectsFailedError, RefusedError, StateError
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.journal import (
    JOURNAL_SCHEMA,
    AttemptSummary,
    JournalRow,
    Outcome,
    ShardState,
    to_table,
)
from hyve_pipeline.core.model.plan import Plan, Shard
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, make_folder
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import ParquetReader, writing_parquet

# A batch is written when it has this many rows or when its first row is this many seconds old.
_BATCH_ROWS = 2_000
_BATCH_SECONDS = 2.0

# While a batch is being written, so many rows may wait behind it before the work has to wait too.
_MOST_ROWS = 10_000


class AttemptBegun(Frozen):
    """Says that an attempt has begun, and whose it is."""

    attempt: int
    run_id: str
    started: datetime


class AttemptWriter:
    """Appends rows to the journal of one attempt. Flushes what it holds when its block ends, however it ends.

    Files are written on a thread of their own: a disk may take long to say that it has them, and the requests
    in flight must not wait for it.
    """

    def __init__(self, folder: Folder, begun: AttemptBegun) -> None:
        self.begun = begun
        self._folder = folder
        # Rows leave memory only when their file is complete: an interrupt in between loses none. At worst it
        # leaves rows that are written again, which says the same twice.
        self._rows: list[JournalRow] = []
        self._writing: tuple[int, Future[None]] | None = None
        self._batches = 0
        self._due = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")

    def __enter__(self) -> "AttemptWriter":
        self._folder.write_manifest("begun.json", self.begun)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.flush()
        finally:
            self._thread.shutdown()

    def append(self, row: JournalRow) -> None:
        """Take in one object's outcome.

        Raises:
            StateError: an earlier batch could not be written.
        """
        now = time.monotonic()
        if not self._rows:
            self._due = now + _BATCH_SECONDS
        self._rows.append(row)
        if len(self._rows) >= _BATCH_ROWS or now > self._due:
            self._write_behind(now)

    def flush(self) -> None:
        """Write what is held, and wait until it is on the disk.

        Raises:
            StateError: it could not be written.
        """
        self._settle()
        if self._rows:
            self._begin_batch()
            self._settle()

    def finish(self, summary: AttemptSummary) -> None:
        """Say that the attempt came to its end."""
        self.flush()
        with _after_changes():
            self._folder.write_manifest("summary.json", summary)

    def _write_behind(self, now: float) -> None:
        """Begin to write what is held, unless the batch before is still being written and may take its time."""
        if self._writing is not None:
            count, done = self._writing
            if not done.done() and len(self._rows) - count < _MOST_ROWS:
                return
            self._settle()
        if len(self._rows) >= _BATCH_ROWS or now > self._due:
            self._begin_batch()
            self._due = now + _BATCH_SECONDS

    def _begin_batch(self) -> None:
        rows = self._rows.copy()
        # The same name until the batch is known to be complete: should the note of it be lost in an interrupt,
        # the next batch holds its rows too and replaces it.
        self._writing = len(rows), self._thread.submit(self._write, f"{self._batches + 1:06d}.parquet", rows)

    def _write(self, name: str, rows: list[JournalRow]) -> None:
        with _after_changes(), writing_parquet(self._folder, name, JOURNAL_SCHEMA) as writer:
            writer.write_table(to_table(rows))

    def _settle(self) -> None:
        """Wait until the batch that is being written is complete."""
        if self._writing is None:
            return
        count, done = self._writing
        try:
            done.result()
        except Exception:
            self._writing = None
            raise
        left = self._rows[count:]
        # In this order: an interrupt after any of these lines leaves no row without a file.
        self._batches += 1
        self._writing = None
        self._rows = left


@contextmanager
def _after_changes() -> Iterator[None]:
    """Let a failure of the block say that something was done before: outcomes are what could not be written."""
    try:
        yield
    except StateError as error:
        error.exit_code = ObjectsFailedError.exit_code
        raise


class ShardJournal:
    """The journal of one shard: its attempts in order."""

    def __init__(self, state: Folder, plan_id: str, shard: Shard) -> None:
        self._folder = state.below(f"journals/{plan_id}/{shard.number:04d}")
        self._name = f"shard {plan_id}-{shard.number:04d}"

    @contextmanager
    def claimed(self) -> Iterator[bool]:
        """Keep others from working on this shard until the block ends; gives False where another process does.

        The lock ends with its owner, however that ends.

        Raises:
            StateError: the lock can't be made.
        """
        path = Path(self._folder.path_of("lock"))
        lock = FileLock(path, mode=FILE_MODE)
        try:
            make_folder(path.parent)
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        except OSError as error:
            raise StateError(f"{path}: can't be locked: {error.strerror or error}") from error
        try:
            yield True
        finally:
            lock.release()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from working on this shard, see `claimed`.

        Raises:
            RefusedError: another process is working on the shard.
            StateError: the lock can't be made.
        """
        with self.claimed() as is_mine:
            if not is_mine:
                raise RefusedError("one_at_a_time", f"another process is working on {self._name}")
            yield

    def _attempts(self) -> list[int]:
        return sorted(int(name) for name in self._folder.names() if name.isdecimal())

    def newest_attempt(self) -> int:
        """The number of the newest attempt, 0 when there was none."""
        return max(self._attempts(), default=0)

    def begin(self, run_id: str, now: datetime) -> AttemptWriter:
        """A writer for the next attempt."""
        number = self.newest_attempt() + 1
        begun = AttemptBegun(attempt=number, run_id=run_id, started=now)
        return AttemptWriter(self._folder.below(f"{number:04d}"), begun)

    def last_run(self) -> str | None:
        """Who began the last attempt; None when there was none, or not even its beginning could be written.

        Raises:
            StateError: it is damaged.
        """
        path = f"{self.newest_attempt():04d}/begun.json"
        return self._folder.read_manifest(path, AttemptBegun).run_id if self._folder.exists(path) else None

    def summary(self, attempt: int) -> AttemptSummary:
        """What an attempt that came to its end says.

        Raises:
            StateError: it is missing or damaged.
        """
        return self._folder.read_manifest(f"{attempt:04d}/summary.json", AttemptSummary)

    def latest(self) -> tuple[ShardState, AttemptSummary | None]:
        """How far the shard came, and the summary of its last attempt when that came to its end."""
        attempts = self._attempts()
        if not attempts:
            return ShardState.PENDING, None
        path = f"{attempts[-1]:04d}/summary.json"
        if not self._folder.exists(path):
            return ShardState.STARTED, None
        summary = self.summary(attempts[-1])
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
