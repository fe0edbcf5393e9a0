"""Finds objects of equal content that differ in headers, metadata, tags, annotations or storage class."""

import itertools
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import total
from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import ChangeSet, RangeDiff, rows_of_set
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.property_drift import Carried, drift
from hyve_pipeline.core.runtime.progress import expect, report
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.as_of import connect_source
from hyve_pipeline.operations.requests.copy_rules import copy_rules
from hyve_pipeline.operations.requests.in_flight import run_in_flight
from hyve_pipeline.operations.requests.object_properties import ignored_by, read_carried
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.wire.errors import (
    CustomerKeyError,
    ObjectChangedError,
    ObjectUnreadableError,
    S3RequestError,
    bucket_error,
)

# The activity, for progress reports.
COMPARE_PROPERTIES = "compare properties"

# Why an object's properties were not compared.
_ARCHIVED = "archived"
_NO_ETAG = "without an ETag"
_CUSTOMER_KEY = "encrypted by a key that only their owner has"
_CHANGED = "changed since they were listed"


@dataclass(frozen=True, slots=True)
class _Pair:
    """An object of the source and its copy: the number of its row, and its key without prefix."""

    number: int
    key: str
    source_etag: str
    store_etag: str


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The result for one pair: the differences, or why it could not be compared."""

    pair: _Pair
    names: tuple[str, ...] = ()
    uncompared: str | None = None


class PropertyComparer:
    """Compares the properties of the unchanged objects of both buckets, with many requests in flight.

    Args:
        context: the sync.
        source: the inventory of the source.
        store: that of the store.
        stack: closes the connections.

    Attributes:
        uncompared: how many objects could not be compared so far, by reason.
    """

    def __init__(self, context: SyncContext, source: Inventory, store: Inventory, stack: ExitStack) -> None:
        self._source = connect_source(context, source, stack)
        self._store = stack.enter_context(context.connect(store.place))
        self._rules = copy_rules(context.settings.options, self._source, self._store)
        self._window = Window(
            context.settings.options.concurrency, lambda: self._source.throttled + self._store.throttled
        )
        self.uncompared: Counter[str] = Counter()

    def refine(self, found: RangeDiff) -> RangeDiff:
        """Move the drifted objects of a range from the unchanged ones to its listed rows.

        Raises:
            BucketError: a request failed for good, so that an object could not be compared.
        """
        rows = found.unchanged
        archived = found.counts.get(ChangeSet.UNCHANGED, Count()).objects - rows.num_rows
        if archived:
            self.uncompared[_ARCHIVED] += archived
        if not rows.num_rows:
            return found
        names: dict[int, tuple[str, ...]] = {}

        def take(verdict: _Verdict) -> None:
            report(COMPARE_PROPERTIES, 1, 0)
            if verdict.uncompared is not None:
                self.uncompared[verdict.uncompared] += 1
            if verdict.names:
                names[verdict.pair.number] = verdict.names

        expect(COMPARE_PROPERTIES, rows.num_rows, 0)
        columns = (rows.column(name).to_pylist() for name in ("key", "source_etag", "store_etag"))
        # One failure ends it: there will be no plan.
        works = (self._judge(pair) for pair in map(_Pair, itertools.count(), *columns))
        run_in_flight(works, self._window, take)
        return _with_drifted(found, names)

    async def _judge(self, pair: _Pair) -> _Verdict:
        if not pair.source_etag or not pair.store_etag:
            return _Verdict(pair, uncompared=_NO_ETAG)
        tries = Tries()
        carried: list[Carried] = []
        for bucket, etag in ((self._source, pair.source_etag), (self._store, pair.store_etag)):
            key = bucket.place.key_of(pair.key)
            try:
                carried.append((await read_carried(bucket, key, etag, self._rules, tries)).carried)
            except ObjectChangedError:
                return _Verdict(pair, uncompared=_CHANGED)
            except CustomerKeyError:
                return _Verdict(pair, uncompared=_CUSTOMER_KEY)
            except ObjectUnreadableError:
                return _Verdict(pair, uncompared=_ARCHIVED)
            except S3RequestError as error:
                reason = f"the properties of {displayed(key)} are not known, so no plan was made: run it again"
                raise BucketError(f"{bucket_error(error, bucket.place)}; {reason}") from error
        return _Verdict(pair, drift(carried[0], carried[1], ignored_by(self._rules)))


def _with_drifted(found: RangeDiff, names: Mapping[int, tuple[str, ...]]) -> RangeDiff:
    """The range with some of its unchanged objects, by the numbers of their rows, as drifted ones."""
    if not names:
        return found
    numbers = sorted(names)
    reasons = [f"differs: {', '.join(names[number])}" for number in numbers]
    drifted = rows_of_set(found.unchanged.take(numbers), ChangeSet.DRIFTED, reasons)
    count = Count(objects=len(numbers), bytes=total(drifted.column("size")))
    left = found.counts[ChangeSet.UNCHANGED] - count
    return replace(
        found,
        rows=pa.concat_tables([found.rows, drifted]).sort_by("key"),
        counts={**found.counts, ChangeSet.UNCHANGED: left, ChangeSet.DRIFTED: count},
    )
