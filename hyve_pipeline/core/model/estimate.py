"""What a plan will cost: requests, bytes, charges for early deletion, calls of KMS, money and time.

Money is decimal, in US dollars: what a step costs is computed exactly, and rounded up once to a millionth of a dollar.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from decimal import ROUND_UP, Decimal, localcontext
from enum import StrEnum
from typing import Literal

from pydantic import Field

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.durations import readable_duration
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.base.money import MICRO, in_dollars
from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.model.prices import PriceTable, RestoreTier, Way

# The bucket that a request goes to.
Bucket = Literal["source", "store", "trash"]

RESTORE_OBJECT = "RestoreObject"

_PRECISION = 60
_MINUTE = 60


class Step(StrEnum):
    """A step of a sync."""

    PLAN = "plan"  # both listings, and what was compared; done when there is a plan
    COPY = "copy"
    RESTORE = "restore"
    DELETE = "delete"
    VERIFY = "verify"


# What is still to be spent when a plan is made.
STEPS_TO_COME = (Step.COPY, Step.RESTORE, Step.DELETE, Step.VERIFY)


class RequestCount(Frozen):
    """Some requests of one kind.

    Attributes:
        bucket: which bucket they go to.
        operation: the operation of S3, such as ``CopyObject``.
        storage_class: that of the objects which are read or written; ``STANDARD`` for requests to a bucket.
        count: how many.
    """

    bucket: Bucket
    operation: str
    storage_class: str
    count: int


class RestoreEstimate(Frozen):
    """Archived objects of one storage class that are restored.

    Attributes:
        storage_class: their class.
        tier, days: how fast they are restored, and for how long.
        objects, bytes: how many.
    """

    storage_class: str
    tier: RestoreTier
    days: int
    objects: int
    bytes: int


class StepEstimate(Frozen):
    """One step of a plan.

    Attributes:
        requests: by bucket, operation and storage class.
        bytes: what is copied, by its way.
        retrieved: bytes that are read, by bucket and storage class.
        early_deletion: bytes times days of storage that are charged though the object is overwritten or deleted
            before its class's minimum duration, by storage class of the store.
        kms_calls: calls of KMS by S3.
        restored: what is restored of the source's archived objects.
        cost: US dollars; None without prices for either server.
        seconds: how long it takes at the rate of earlier runs; None where there were none.
    """

    requests: tuple[RequestCount, ...] = ()
    bytes: dict[Way, int] = Field(default_factory=dict)
    retrieved: dict[Bucket, dict[str, int]] = Field(default_factory=dict)
    early_deletion: dict[str, int] = Field(default_factory=dict)
    kms_calls: int = 0
    restored: tuple[RestoreEstimate, ...] = ()
    cost: Decimal | None = None
    seconds: int | None = None

    @property
    def by_operation(self) -> dict[str, int]:
        """The numbers of requests by operation."""
        return count_by_operation([self])

    @property
    def total(self) -> int:
        """The number of all requests."""
        return sum(one.count for one in self.requests)

    def priced(self, prices: PriceTable, charged: Collection[Bucket]) -> Decimal:
        """What it costs.

        Args:
            prices: the prices.
            charged: the buckets on a server that these prices are for.
        """
        with localcontext(prec=_PRECISION):
            return sum(self._items(prices, charged), start=Decimal(0)).quantize(MICRO, ROUND_UP)

    def _items(self, prices: PriceTable, charged: Collection[Bucket]) -> Iterator[Decimal]:
        for one in self.requests:
            # What a restore costs depends on its tier.
            if one.bucket in charged and one.operation != RESTORE_OBJECT:
                yield prices.of_requests(one.operation, one.storage_class, one.count)
        for way, count in self.bytes.items():
            # What another server sends costs nothing here.
            if "source" in charged or way == "within_region":
                yield prices.of_bytes(way, count)
        for bucket, by_class in self.retrieved.items():
            if bucket in charged:
                yield sum((prices.of_retrieval(*pair) for pair in by_class.items()), start=Decimal(0))
        if "source" in charged:
            for one in self.restored:
                yield prices.of_restore(one.storage_class, one.tier, one.objects, one.bytes, one.days)
        if "store" in charged:
            yield sum((prices.of_storage(*pair) for pair in self.early_deletion.items()), start=Decimal(0))
            yield prices.of_kms_calls(self.kms_calls)


class BatchEstimate(Frozen):
    """What copies by jobs of S3 Batch Operations cost more than those by Hyve, if they are asked for.

    The requests of the copies are the same.

    Attributes:
        jobs: how many: one for each storage class.
        objects: the new objects that jobs may copy.
        cost: US dollars; None without prices for the store's server.
    """

    jobs: int
    objects: int
    cost: Decimal | None = None


class PricesUsed(Frozen):
    """The prices that an estimate was made with.

    Attributes:
        date, source, region: as in `PriceTable`.
        file: the user's file; None for the example that is part of Hyve.
    """

    date: date
    source: str
    region: str | None = None
    file: str | None = None

    @property
    def described(self) -> str:
        """The prices in a few words."""
        where = f" of {self.region}" if self.region else ""
        return f"{'prices' if self.file else 'example prices'}{where} of {self.date}"


class Estimate(Frozen):
    """What a plan will cost.

    Attributes:
        steps: by step; what is not done is left out.
        prices: the prices; None where there are none for either server.
        unpriced: the servers without prices, as users know them.
        batch: what copies by jobs cost more, which is not part of the sums; None where the sync has none.
    """

    steps: dict[Step, StepEstimate]
    prices: PricesUsed | None = None
    unpriced: tuple[str, ...] = ()
    batch: BatchEstimate | None = None

    @property
    def to_come(self) -> list[StepEstimate]:
        """The steps that are still to be done."""
        return [self.steps[step] for step in STEPS_TO_COME if step in self.steps]

    @property
    def cost(self) -> Decimal | None:
        """US dollars of what is to come; None without prices."""
        costs = [one.cost for one in self.to_come]
        return None if None in costs else sum(filter(None, costs), start=Decimal(0))

    @property
    def seconds(self) -> int | None:
        """How long it takes; None where that is not known of a step."""
        seconds = [one.seconds for one in self.to_come]
        return None if None in seconds else sum(filter(None, seconds))

    @property
    def by_operation(self) -> dict[str, int]:
        """The numbers of requests to come, by operation."""
        return count_by_operation(self.to_come)

    @property
    def bytes(self) -> dict[Way, int]:
        """The bytes to come, by their way."""
        found: dict[Way, int] = {}
        for one in self.to_come:
            for way, count in one.bytes.items():
                found[way] = found.get(way, 0) + count
        return found


_WAYS: dict[Way, str] = {
    "within_region": "within the region",
    "between_regions": "between regions",
    "through_this_machine": "through this machine",
}


def cost_text(estimate: Estimate) -> str:
    """The money, in a few words."""
    if estimate.cost is None or estimate.prices is None:
        return f"no prices for {' and '.join(estimate.unpriced)}"
    beside = f", without what {' and '.join(estimate.unpriced)} costs" if estimate.unpriced else ""
    return f"about {in_dollars(estimate.cost)} by {estimate.prices.described}{beside}"


def batch_text(estimate: Estimate) -> str | None:
    """What copies by jobs cost more, in a few words; None where none can be made."""
    batch = estimate.batch
    if batch is None or not batch.objects:
        return None
    more = "at a price that is not known" if batch.cost is None else f"{in_dollars(batch.cost)} more"
    return f"by S3 Batch Operations {more}, for {counted(batch.jobs, 'job')} with {counted(batch.objects)}"


def duration_text(estimate: Estimate) -> str:
    """The time, in a few words."""
    if estimate.seconds is None:
        return "duration unknown, as no earlier run shows a rate"
    return f"about {readable_duration(estimate.seconds)}" if estimate.seconds >= _MINUTE else "less than a minute"


def effort_text(estimate: Estimate) -> str:
    """Requests and bytes, in a few words."""
    count = sum(estimate.by_operation.values())
    sizes = [f", {readable_bytes(size)} {_WAYS[way]}" for way, size in estimate.bytes.items() if size]
    return f"{counted(count, 'request')}{''.join(sizes)}"


def estimate_text(estimate: Estimate) -> str:
    """Money, requests, bytes and time, in one line: what is known, and at the end that there are no prices."""
    parts = [cost_text(estimate), effort_text(estimate)]
    if estimate.seconds is not None:
        parts.append(duration_text(estimate))
    by_jobs = batch_text(estimate)
    if by_jobs is not None:
        parts.append(by_jobs)
    return "; ".join(parts if estimate.cost is not None else [*parts[1:], parts[0]])


def count_by_operation(steps: Iterable[StepEstimate]) -> dict[str, int]:
    """The numbers of requests of some steps by operation, the most first."""
    found: dict[str, int] = {}
    for step in steps:
        for one in step.requests:
            found[one.operation] = found.get(one.operation, 0) + one.count
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def merged_counts(counts: Mapping[tuple[Bucket, str, str], int]) -> tuple[RequestCount, ...]:
    """Numbers by bucket, operation and storage class as an estimate has them."""
    return tuple(
        RequestCount(bucket=bucket, operation=operation, storage_class=name, count=count)
        for (bucket, operation, name), count in sorted(counts.items())
        if count
    )
