"""What happened to each object of a plan.

A journal is append-only: every attempt at a shard adds rows, one for each object, and none is ever altered.
The last row of a key counts, except that an object that is done stays done, see `merged_row`. An attempt that completed
has a summary beside its rows; one without a summary was interrupted.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import pyarrow as pa
from pydantic import Field

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.core.model.server_lack import ServerLack


class Outcome(StrEnum):
    """The result for one object."""

    DONE = "done"
    SKIPPED = "skipped"  # it changed since the plan, or can't be read; the next plan has it
    FAILED = "failed"


# Hyve's own codes of outcomes; all others are S3's.
ALREADY_DONE = "AlreadyDone"  # done by an earlier attempt that could not write it to the journal
ALREADY_GONE = "AlreadyGone"  # deleted by another program or user
CHANGED = "ChangedSincePlan"  # the object is no longer the planned one
BACK_IN_SOURCE = "BackInSource"  # the source has a key again that the plan deletes
CONTRADICTED = "ListingContradicted"  # the source has keys that its listing lacks: no delete relies on that listing
ARCHIVED = "Archived"  # the source's object must be restored before it can be read
CUSTOMER_KEY = "CustomerKey"  # the source's object can be read only with a customer-provided key (SSE-C)
OTHER_VERSIONS = "OtherVersions"  # the store's versions are not the first ones of the source
NOT_PROVED = "NotProved"  # a job of S3 Batch Operations says that it copied it, and the store does not show the copy
NOT_TRIED = "NotTried"  # a bucket could not be reached any more when its turn came

# Codes of objects that can't be read: a rerun would skip them again.
UNREADABLE = frozenset({ARCHIVED, CUSTOMER_KEY})

# A version or delete marker of the source, and its copy.
VERSION_PAIR = pa.struct([pa.field("source", pa.string()), pa.field("store", pa.string())])

JOURNAL_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False, metadata={"description": "the key below the prefix"}),
        pa.field("action", pa.string(), nullable=False, metadata={"description": "copy or delete"}),
        pa.field("outcome", pa.string(), nullable=False, metadata={"description": "done, skipped or failed"}),
        pa.field("code", pa.string(), metadata={"description": "why it was skipped or failed, as S3 says it"}),
        pa.field("detail", pa.string(), metadata={"description": "the same in a sentence"}),
        pa.field("etag_before", pa.string(), metadata={"description": "the store's ETag before, if known"}),
        pa.field("etag_after", pa.string(), metadata={"description": "the store's ETag after a copy"}),
        pa.field("version_before", pa.string(), metadata={"description": "the store's version id before"}),
        pa.field("version_after", pa.string(), metadata={"description": "the store's version id after"}),
        pa.field("source_version", pa.string(), metadata={"description": "the source's version id that was copied"}),
        pa.field(
            "without", pa.string(), metadata={"description": "what a copy has to do without: the store refuses it"}
        ),
        pa.field(
            "how",
            pa.string(),
            metadata={
                "description": "checksum or composite_checksum, if source and copy were seen to have the same one"
            },
        ),
        pa.field("checksum", pa.string(), metadata={"description": "ALGORITHM:VALUE of that checksum"}),
        # Null but in a sync of all versions.
        pa.field(
            "versions",
            pa.list_(VERSION_PAIR),
            metadata={"description": "of all versions, oldest first: the id in the source and that in the store"},
        ),
        # Likewise. Only what is here does an undo remove.
        pa.field(
            "written",
            pa.list_(VERSION_PAIR),
            metadata={"description": "of those that this attempt is known to have written, likewise"},
        ),
        pa.field("trashed", pa.bool_(), nullable=False, metadata={"description": "kept in the trash before"}),
        pa.field("bytes", pa.int64(), nullable=False, metadata={"description": "bytes copied or freed"}),
        pa.field("attempts", pa.int32(), nullable=False, metadata={"description": "how often it was tried"}),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False, metadata={"description": "when it ended"}),
    ]
)


class JournalRow(NamedTuple):
    """One object's outcome; fields as the columns of `JOURNAL_SCHEMA`."""

    key: str
    action: Action
    outcome: Outcome
    at: datetime
    bytes: int = 0
    attempts: int = 1
    code: str | None = None
    detail: str | None = None
    etag_before: str | None = None
    etag_after: str | None = None
    version_before: str | None = None
    version_after: str | None = None
    source_version: str | None = None
    without: str | None = None
    how: str | None = None
    checksum: str | None = None
    trashed: bool = False
    versions: list[dict[str, str]] | None = None
    written: list[dict[str, str]] | None = None


# Done by another attempt or program: what was in the store before is known only where that was journaled.
_DONE_BEFORE = frozenset({ALREADY_DONE, ALREADY_GONE})


def merged_row(earlier: JournalRow | None, later: JournalRow) -> JournalRow:
    """What counts of two rows of one key.

    An attempt can be paused and taken over by the next one, which then finds that the object has changed, or is gone:
    that was the earlier attempt, and only its row says what an undo has to put back.

    Args:
        earlier: the row of an earlier attempt, or an earlier row of the same; None when there is none.
        later: the row after it.
    """
    merged = _that_counts(earlier, later)
    written = [*(() if earlier is None else earlier.written or ()), *(later.written or ())]
    return merged._replace(written=written) if written else merged


def _that_counts(earlier: JournalRow | None, later: JournalRow) -> JournalRow:
    if earlier is None or earlier.outcome is not Outcome.DONE:
        return later
    if later.outcome is not Outcome.DONE or later.code in _DONE_BEFORE:
        return earlier
    if earlier.code in _DONE_BEFORE:
        return later
    # Done twice: what it was before is what the first found.
    return later._replace(
        etag_before=earlier.etag_before,
        version_before=earlier.version_before,
        trashed=earlier.trashed or later.trashed,
    )


def to_table(rows: Sequence[JournalRow]) -> pa.Table:
    """The rows as an Arrow table with the columns of `JOURNAL_SCHEMA`."""
    places = {name: JournalRow._fields.index(name) for name in JOURNAL_SCHEMA.names}
    return pa.table({name: [row[place] for row in rows] for name, place in places.items()}, JOURNAL_SCHEMA)


@dataclass(frozen=True, slots=True)
class Tally:
    """Numbers of objects by outcome, and the bytes of those that are done."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    bytes: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            done=self.done + other.done,
            skipped=self.skipped + other.skipped,
            failed=self.failed + other.failed,
            bytes=self.bytes + other.bytes,
        )


class Outcomes(Frozen):
    """Totals of some rows of a journal.

    Attributes:
        tally: numbers of objects by outcome.
        failures: how many objects failed, by error code.
        skips: how many objects were skipped, by code.
        without: how many copies lack something that the store refuses, by what that is.
    """

    tally: Tally
    failures: dict[str, int]
    skips: dict[str, int]
    without: dict[str, int] = Field(default_factory=dict)


def count_outcomes(rows: Iterable[JournalRow]) -> Outcomes:
    """Add up rows of different keys."""
    counter = OutcomeCounter()
    for row in rows:
        counter.add(row)
    return counter.outcomes()


class OutcomeCounter:
    """Adds up rows of different keys, one by one."""

    def __init__(self) -> None:
        self._counts: Counter[Outcome] = Counter()
        self._codes: dict[Outcome, Counter[str]] = {outcome: Counter() for outcome in Outcome}
        self._without: Counter[str] = Counter()
        self._bytes = 0

    def add(self, row: JournalRow) -> None:
        """Add one row."""
        self._counts[row.outcome] += 1
        if row.outcome is Outcome.DONE:
            self._bytes += row.bytes
            if row.without is not None:
                self._without[row.without] += 1
        else:
            self._codes[row.outcome][row.code or "unknown"] += 1

    def outcomes(self) -> Outcomes:
        """The totals of the rows so far."""
        return Outcomes(
            tally=Tally(
                done=self._counts[Outcome.DONE],
                skipped=self._counts[Outcome.SKIPPED],
                failed=self._counts[Outcome.FAILED],
                bytes=self._bytes,
            ),
            failures=dict(self._codes[Outcome.FAILED]),
            skips=dict(self._codes[Outcome.SKIPPED]),
            without=dict(self._without),
        )


class ShardState(StrEnum):
    """The progress of a shard."""

    PENDING = "pending"  # no attempt yet
    STARTED = "started"  # an attempt is running, or was interrupted
    FAILED = "failed"  # the last attempt ended with failed objects
    FINISHED = "finished"  # every object is done or skipped


class AttemptSummary(Outcomes):
    """The result of a completed attempt: totals of the whole shard, including earlier attempts.

    Attributes:
        attempt: its number, from 1.
        run_id: the id of the Dagster run, or command, that made it.
        started, ended: when.
        lacks: features that the servers were found to lack.
        requests: how many requests this attempt made.
        retries: how often it sent one of them again.
    """

    attempt: int
    run_id: str
    started: datetime
    ended: datetime
    lacks: tuple[ServerLack, ...] = ()
    requests: int = 0
    retries: int = 0

    @property
    def state(self) -> ShardState:
        """Whether the shard is finished with this attempt."""
        return ShardState.FAILED if self.tally.failed else ShardState.FINISHED
