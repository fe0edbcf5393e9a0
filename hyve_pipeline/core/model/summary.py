"""The summary by which the user decides on a plan: its objects by prefix, size and age.

It has a fixed number of figures and rows, however large the plan is. Keys are as in the plan: below the
prefix, and not escaped.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import ChangeSet

# The lower bound of each bin of a histogram, and its name. A bin ends where the next one begins; the last has no end.
SIZE_BINS: tuple[tuple[int, str], ...] = (
    (0, "0 B"),
    (1, "1 B"),
    (1_000, "1 kB"),
    (10_000, "10 kB"),
    (100_000, "100 kB"),
    (10**6, "1 MB"),
    (10**7, "10 MB"),
    (10**8, "100 MB"),
    (10**9, "1 GB"),
    (10**10, "10 GB"),
    (10**11, "100 GB"),
    (10**12, "1 TB"),
)

# The first bin also has objects newer than the plan, as clocks differ.
AGE_BINS: tuple[tuple[timedelta, str], ...] = (
    (timedelta(0), "< 1 hour"),
    (timedelta(hours=1), "1 hour"),
    (timedelta(days=1), "1 day"),
    (timedelta(weeks=1), "1 week"),
    (timedelta(days=30), "30 days"),
    (timedelta(days=90), "90 days"),
    (timedelta(days=365), "1 year"),
    (timedelta(days=2 * 365), "2 years"),
    (timedelta(days=5 * 365), "5 years"),
    (timedelta(days=10 * 365), "10 years"),
)


@dataclass(frozen=True)
class PrefixSize:
    """The objects below one top-level prefix; the empty prefix means keys without a ``/``."""

    prefix: str
    count: Count


@dataclass(frozen=True)
class PlannedRow:
    """One object of a plan, for display; fields as the columns of `core.model.diff.CHANGE_SCHEMA`."""

    key: str
    size: int
    reason: str
    source_last_modified: datetime | None
    store_last_modified: datetime | None


@dataclass(frozen=True)
class SetSummary:
    """The summary of one set of a plan.

    Attributes:
        count: all of its objects.
        prefixes: the top-level prefixes with the most bytes, the largest first.
        other_prefixes: the objects below all other prefixes.
        sizes: objects and bytes by size, one entry for each of `SIZE_BINS`.
        ages: objects and bytes by age when the plan was made, one entry for each of `AGE_BINS`: of the
            source's object for copies, of the store's for deletes. An object without a date is not counted.
        first: the first objects by key.
        largest: the largest objects, the largest first, objects of equal size by key.
    """

    count: Count
    prefixes: tuple[PrefixSize, ...]
    other_prefixes: Count
    sizes: tuple[Count, ...]
    ages: tuple[Count, ...]
    first: tuple[PlannedRow, ...]
    largest: tuple[PlannedRow, ...]


@dataclass(frozen=True)
class PlanSummary:
    """The summaries of those of `PLANNED_SETS` that have any objects, in their order."""

    sets: dict[ChangeSet, SetSummary]
    has_histories: bool = False

    def label(self, name: ChangeSet) -> str:
        """A set's name with what becomes of its objects."""
        return name.described(self.has_histories)
