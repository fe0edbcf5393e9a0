"""Journals on disk.

    journals/<plan>/<shard>/<attempt>/begun.json, 000001.parquet, 000002.parquet, …, summary.json
    journals/<plan>/ended/…                              see `state.ended`

The folder of an attempt has the number of its claim, whose files are there too, see `claims`.

Every batch of rows is a file that is created atomically, so a journal can be read while it is written, and a process
that is killed loses at most the rows in its memory.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

import pyarrow as pa

from hyve_pipeline.core.base.errors import ObjectsFailedError, RefusedError, StateError
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.core.model.journal import (
    JOURNAL_SCHEMA,
    AttemptSummary,
    JournalRow,
    Outcome,
    ShardState,
    count_outcomes,
    merged_row,
    to_table,
)
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.state.claims import CLAIM_FILES, Claim, numbered, numbers_of, take_claim
from hyve_pipeline.state.ended import mark_ended
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.heartbeat import ClaimTimes
from hyve_pipeline.state.parquet import ParquetReader, writing_parquet
from hyve_pipeline.state.storage.storage import Entry

_BEGUN = "begun.json"
_SUMMARY = "summary.json"


class AttemptBegun(Frozen):
    """The record that an attempt has started, and by which run."""

    attempt: int
    run_id: str
    started: datetime


class AttemptWriter:
    """Appends rows to the journal of one attempt, and flushes them at the end of its block, even after an error.

    Files are written on a separate thread: a flush to the disk may take long, and the requests in flight must not
    wait for it.

    Args:
        folder: the attempt's folder.
        begun: the record of its start.
        batch_rows: a batch is written when it has so many rows,
        batch_seconds: or when its first row is so many seconds old.
        most_rows: while a batch is being written, at most so many rows are buffered; then the work waits.
    """

    def __init__(
        self,
        folder: Folder,
        begun: AttemptBegun,
        *,
        batch_rows: int = 2_000,
        batch_seconds: float = 2.0,
        most_rows: int = 10_000,
    ) -> None:
        self.begun = begun
        self._folder = folder
        self._batch_rows = batch_rows
        self._batch_seconds = batch_seconds
        self._most_rows = most_rows
        # Rows are kept in memory until their file is complete, so an interrupt loses none. At worst some rows are
        # written twice.
        self._rows: list[JournalRow] = []
        self._writing: tuple[int, Future[None]] | None = None
        self._batches = 0
        self._due = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")

    def __enter__(self) -> "AttemptWriter":
        self._folder.write_manifest(_BEGUN, self.begun)
        return self

    def __exit__(self, *_: object) -> None:
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
            self._due = now + self._batch_seconds
        self._rows.append(row)
        if len(self._rows) >= self._batch_rows or now > self._due:
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
            self._folder.write_manifest(_SUMMARY, summary)

    def _write_behind(self, now: float) -> None:
        """Start to write the buffered rows, unless the previous batch is still being written and there is room."""
        if self._writing is not None:
            count, done = self._writing
            if not done.done() and len(self._rows) - count < self._most_rows:
                return
            self._settle()
        if len(self._rows) >= self._batch_rows or now > self._due:
            self._begin_batch()
            self._due = now + self._batch_seconds

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
        self._state = state
        self._plan_id = plan_id
        self._shard = shard.number
        self._path = f"journals/{plan_id}/{shard.number:04d}"
        self._folder = state.below(self._path)
        self._name = f"shard {plan_id}-{shard.number:04d}"

    def claim(self, actor: Actor, *, attempt: int | None = None, times: ClaimTimes | None = None) -> Claim | None:
        """Claim this shard; None where another process has it.

        Args:
            actor: the command or run that does it.
            attempt: only if this is still the newest attempt.
            times: see `take_claim`.

        Raises:
            StateError: it can't be claimed.
        """

        def is_wanted(entries: Sequence[Entry]) -> bool:
            return attempt is None or max(_attempts(entries), default=0) == attempt

        return take_claim(self._folder, actor, name=self._name, is_wanted=is_wanted, times=times)

    def claimed(self, actor: Actor, times: ClaimTimes | None = None) -> Claim:
        """Claim this shard, see `claim`.

        Raises:
            RefusedError: another process is working on the shard.
            StateError: it can't be claimed.
        """
        claim = self.claim(actor, times=times)
        if claim is None:
            raise RefusedError("one_at_a_time", f"another process is working on {self._name}")
        return claim

    def newest_attempt(self) -> int:
        """The number of the newest attempt; 0 when there is none."""
        return max(_attempts(self._entries()), default=0)

    def begin(self, claim: Claim, run_id: str, now: datetime) -> AttemptWriter:
        """A writer for the next attempt, whose number is that of the claim."""
        begun = AttemptBegun(attempt=claim.number, run_id=run_id, started=now)
        return AttemptWriter(self._folder.below(numbered(claim.number)), begun)

    def last_run(self) -> str | None:
        """The run of the last attempt; None when there is none, or its start could not be recorded.

        Raises:
            StateError: it is damaged.
        """
        entries = self._entries()
        path = f"{numbered(max(_attempts(entries), default=0))}/{_BEGUN}"
        if path not in {entry.name for entry in entries}:
            return None
        return self._folder.read_manifest(path, AttemptBegun).run_id

    def summary(self, attempt: int) -> AttemptSummary:
        """The summary of a completed attempt.

        Raises:
            StateError: it is missing or damaged.
        """
        return self._folder.read_manifest(f"{numbered(attempt)}/{_SUMMARY}", AttemptSummary)

    def latest(self) -> tuple[ShardState, AttemptSummary | None]:
        """The shard's state, and the summary of its last attempt if that completed."""
        entries = self._entries()
        attempts = _attempts(entries)
        if not attempts:
            return ShardState.PENDING, None
        if f"{numbered(attempts[-1])}/{_SUMMARY}" not in {entry.name for entry in entries}:
            return ShardState.STARTED, None
        summary = self.summary(attempts[-1])
        return summary.state, summary

    def files(self) -> list[str]:
        """The files with the rows of all attempts, in their order, below the sync's state."""
        return [f"{self._path}/{batch.name}" for batch in sorted(_batches(self._entries()), key=_order)]

    def tables(self) -> Iterator[pa.Table]:
        """All rows of all attempts: those of an earlier attempt first, and then in the order of writing."""
        for batch in sorted(_batches(self._entries()), key=_order):
            reader = ParquetReader(self._folder, batch.name)
            yield from reader.tables()
            reader.close()

    def last_rows(self) -> dict[str, JournalRow]:
        """The row of each key that counts, see `merged_row`."""
        rows: dict[str, JournalRow] = {}
        for table in self.tables():
            for row in table.to_pylist():
                row["outcome"] = Outcome(row["outcome"])
                rows[row["key"]] = merged_row(rows.get(row["key"]), JournalRow(**row))
        return rows

    def finish(self, claim: Claim, writer: AttemptWriter, summary: AttemptSummary) -> AttemptSummary:
        """Record that an attempt completed.

        Args:
            claim: its claim.
            writer: its writer.
            summary: totals by the rows that were there when it began, and its own.

        Returns:
            The summary as it was written. Where an attempt before may have written rows meanwhile, its totals are those
            of all rows.

        Raises:
            ClaimLostError: another process may have taken over.
            StateError: it can't be written.
        """
        writer.flush()
        claim.check()
        if not claim.takes_over:
            writer.finish(summary)
            return summary
        while True:
            read = _sizes(self._entries())
            summary = self._recounted(summary)
            writer.finish(summary)
            if _sizes(self._entries()) == read:
                return summary

    def mark_ended(self, summary: AttemptSummary) -> None:
        """Write the marker of an attempt that completed, after its event: one without a marker may have no event.

        Raises:
            StateError: it can't be written.
        """
        with _after_changes():
            mark_ended(self._state, self._plan_id, self._shard, summary)

    def recount(self) -> None:
        """Write the summary of the newest attempt again, if it completed, by all rows that are there now.

        An attempt that lost its claim does this when it has written its last rows.

        Raises:
            StateError: it can't be read or written.
        """
        state, summary = self.latest()
        if summary is not None and state in (ShardState.FINISHED, ShardState.FAILED):
            with _after_changes():
                recounted = self._recounted(summary)
                self._folder.write_manifest(f"{numbered(summary.attempt)}/{_SUMMARY}", recounted)

    def _recounted(self, summary: AttemptSummary) -> AttemptSummary:
        return summary.model_copy(update=dict(count_outcomes(self.last_rows().values())))

    def _entries(self) -> list[Entry]:
        return self._folder.entries(recursive=True)


def _attempts(entries: Sequence[Entry]) -> list[int]:
    """The numbers of the attempts that have begun, in order; a claim alone is none."""
    return numbers_of([entry for entry in entries if entry.name.rpartition("/")[2] not in CLAIM_FILES])


def _batches(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.name.endswith(".parquet")]


def _sizes(entries: Sequence[Entry]) -> dict[str, int]:
    return {batch.name: batch.size for batch in _batches(entries)}


def _order(batch: Entry) -> tuple[int, str]:
    attempt, _, name = batch.name.partition("/")
    return int(attempt), name


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
