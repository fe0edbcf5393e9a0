"""Journals on disk.

    journals/<plan>/<shard>/<attempt>/begun.json, 000001.parquet, 000002.parquet, …, summary.json
    journals/<plan>/ended/…                              see `state.ended`

Every batch of rows is a file that is created atomically, so a journal can be read while it is written, and a process
that is killed loses at most the rows in its memory.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
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
from hyve_pipeline.state.ended import mark_ended
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import ParquetReader, writing_parquet

# A batch is written when it has this many rows, or when its first row is this many seconds old.
_BATCH_ROWS = 2_000
_BATCH_SECONDS = 2.0

# While a batch is being written, at most this many rows are buffered; then the work waits.
_MOST_ROWS = 10_000


class AttemptBegun(Frozen):
    """The record that an attempt has started, and by which run."""

    attempt: int
    run_id: str
    started: datetime


class AttemptWriter:
    """Appends rows to the journal of one attempt, and flushes them at the end of its block, even after an error.

    Files are written on a separate thread: a flush to the disk may take long, and the requests in flight must not
    wait for it.
    """

    def __init__(
        self, folder: Folder, begun: AttemptBegun, mark: Callable[[AttemptSummary], None] | None = None
    ) -> None:
        self.begun = begun
        self._mark = mark
        self._folder = folder
        # Rows are kept in memory until their file is complete, so an interrupt loses none. At worst some rows are
        # written twice.
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
        """Append one object's outcome.

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
        """Write all buffered rows, and wait until they are on the disk.

        Raises:
            StateError: it could not be written.
        """
        self._settle()
        if self._rows:
            self._begin_batch()
            self._settle()

    def finish(self, summary: AttemptSummary) -> None:
        """Record that the attempt completed."""
        self.flush()
        with _after_changes():
            self._folder.write_manifest("summary.json", summary)
            if self._mark is not None:
                self._mark(summary)

    def _write_behind(self, now: float) -> None:
        """Start to write the buffered rows, unless the previous batch is still being written and there is room."""
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
        # The name changes only after the batch is known to be complete: if an interrupt comes before that, the next
        # batch contains its rows too and replaces it.
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
    """Give a failure the exit code for changes that were made: the outcomes of done work could not be written."""
    try:
        yield
    except StateError as error:
        error.exit_code = ObjectsFailedError.exit_code
        raise


class ShardJournal:
    """The journal of one shard: its attempts in order."""

    def __init__(self, state: Folder, plan_id: str, shard: Shard) -> None:
        self._mark = partial(mark_ended, state, plan_id, shard.number)
        self._folder = state.below(f"journals/{plan_id}/{shard.number:04d}")
        self._name = f"shard {plan_id}-{shard.number:04d}"

    @contextmanager
    def claimed(self) -> Iterator[bool]:
        """Lock this shard until the block ends; gives False where another process has the lock.

        The operating system releases the lock when the process ends, even if it is killed.

        Raises:
            StateError: the lock can't be created.
        """
        assert self._folder.local_path is not None  # noqa: S101
        path = self._folder.local_path / "lock"
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
        """Lock this shard, see `claimed`.

        Raises:
            RefusedError: another process is working on the shard.
            StateError: the lock can't be created.
        """
        with self.claimed() as is_mine:
            if not is_mine:
                raise RefusedError("one_at_a_time", f"another process is working on {self._name}")
            yield

    def _attempts(self) -> list[int]:
        return sorted(int(name) for name in self._folder.names() if name.isdecimal())

    def newest_attempt(self) -> int:
        """The number of the newest attempt; 0 when there is none."""
        return max(self._attempts(), default=0)

    def begin(self, run_id: str, now: datetime) -> AttemptWriter:
        """A writer for the next attempt."""
        number = self.newest_attempt() + 1
        begun = AttemptBegun(attempt=number, run_id=run_id, started=now)
        return AttemptWriter(self._folder.below(f"{number:04d}"), begun, self._mark)

    def last_run(self) -> str | None:
        """The run of the last attempt; None when there is none, or its start could not be recorded.

        Raises:
            StateError: it is damaged.
        """
        path = f"{self.newest_attempt():04d}/begun.json"
        return self._folder.read_manifest(path, AttemptBegun).run_id if self._folder.exists(path) else None

    def summary(self, attempt: int) -> AttemptSummary:
        """The summary of a completed attempt.

        Raises:
            StateError: it is missing or damaged.
        """
        return self._folder.read_manifest(f"{attempt:04d}/summary.json", AttemptSummary)

    def latest(self) -> tuple[ShardState, AttemptSummary | None]:
        """The shard's state, and the summary of its last attempt if that completed."""
        attempts = self._attempts()
        if not attempts:
            return ShardState.PENDING, None
        path = f"{attempts[-1]:04d}/summary.json"
        if not self._folder.exists(path):
            return ShardState.STARTED, None
        summary = self.summary(attempts[-1])
        return summary.state, summary

    def tables(self) -> Iterator[pa.Table]:
        """All rows of all attempts, in the order in which they were written."""
        for attempt in self._attempts():
            for name in self._folder.names(f"{attempt:04d}"):
                if name.endswith(".parquet"):
                    reader = ParquetReader(self._folder, f"{attempt:04d}/{name}")
                    yield from reader.tables()
                    reader.close()

    def last_rows(self) -> dict[str, JournalRow]:
        """The last row of each key, which is the one that counts."""
        rows: dict[str, JournalRow] = {}
        for table in self.tables():
            for row in table.to_pylist():
                row["outcome"] = Outcome(row["outcome"])
                rows[row["key"]] = JournalRow(**row)
        return rows


def begun_shards(state: Folder, plan_id: str) -> set[int]:
    """The numbers of the shards of a plan that have a journal.

    Raises:
        StateError: they can't be listed.
    """
    return {int(name) for name in state.names(f"journals/{plan_id}") if name.isdecimal()}


def shard_journals(state: Folder, plan: Plan) -> Iterator[tuple[Shard, ShardJournal]]:
    """Every shard of a plan with its journal."""
    for shard in plan.shards:
        yield shard, ShardJournal(state, plan.id, shard)
