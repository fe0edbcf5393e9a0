"""Takes inventories: lists a bucket, writes it to Parquet, and keeps the file only with a proof of completeness.

Dryruns read a report of S3 Inventory instead where the settings name one, see `from_report`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise

import pyarrow as pa

from hyve_pipeline.core.base.errors import ConfigurationError, StateError
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA, Inventory, KeyRange, Side, check_proof
from hyve_pipeline.core.runtime.progress import end, estimate
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.as_of import EarlierListing
from hyve_pipeline.operations.inventory.both_sides import for_each_side
from hyve_pipeline.operations.inventory.from_report import read_report
from hyve_pipeline.operations.inventory.histories import HistoryListing, check_buckets
from hyve_pipeline.operations.inventory.list_range import MOST_SAMPLES, list_range
from hyve_pipeline.operations.inventory.mapped import map_inventory
from hyve_pipeline.operations.inventory.shared_listing import SHARED_RANGE_OBJECTS, ListingOrder, list_together
from hyve_pipeline.operations.inventory.versioning import versioning_of
from hyve_pipeline.operations.workers.pool import WorkerProcess, is_worth_two_processes
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.probe import probe_bucket, probe_restore_status
from hyve_pipeline.s3.wire.errors import naming_bucket
from hyve_pipeline.s3.wire.messages import Pairs
from hyve_pipeline.state.plans import next_id

# Each range costs one page that is not full, so ranges of few pages do not pay off.
_ROWS_BETWEEN_CUTS = 8_000
_MOST_CUTS = 128


def take_inventories(
    context: SyncContext, sides: Sequence[Side], *, by_listing: bool = False, as_of: datetime | None = None
) -> dict[Side, Inventory]:
    """Take the inventories of some sides at the same time; large ones in a process of their own.

    Args:
        context: the sync; with a mapping, the inventories have the keys of plans.
        sides: which buckets.
        by_listing: whether to list the buckets, although the settings name reports to read instead: for what must be
            known as of now.
        as_of: the time of which the source is listed, by its versions; None for now.

    Raises:
        ConfigurationError: the state belongs to other buckets, it is not known what the source had at that time, or all
            versions are wanted of a bucket that does not keep them.
        BucketError: a bucket can't be reached.
        IncompleteInventoryError: a listing failed, or it or a report can't be proved complete.
        RefusedError: by the mapping two keys would become one.
    """
    context.check_pair()
    if as_of is not None and context.settings.mapping:
        raise ConfigurationError("--as-of can't be combined with mapping: versions are read by the keys of the source")
    if context.settings.options.versions == "all":
        if as_of is not None:
            raise ConfigurationError(
                '--as-of can\'t be combined with options.versions = "all": all versions are copied'
            )
        # Before anything is listed: nothing of a plan can be made if one of them keeps none.
        check_buckets(context, sides)
    for side in sides:
        estimate(f"list {side}", 0)  # begun, in this order
    with _processes(context, sides) as others:
        shared = context.one_of(1 + len(others))

        def take(side: Side) -> Inventory:
            if as_of is not None and side == "source":
                return take_inventory(shared, side, as_of=as_of)
            if side in others:
                return others[side].run(_take, shared, side, by_listing)
            return _take(shared, side, by_listing)

        inventories = for_each_side(sides, take)
    for side, inventory in inventories.items():
        context.note(EventKind.INVENTORY_TAKEN, side=side, inventory=inventory.id)
    # Return the memory of the pages to the system before the comparison allocates its own.
    pa.default_memory_pool().release_unused()
    return inventories


@contextmanager
def _processes(context: SyncContext, sides: Sequence[Side]) -> Iterator[dict[Side, WorkerProcess]]:
    """A worker process for the second side, if that pays off; this process lists the others."""
    options = context.settings.options
    expected = sum(earlier.objects for side in sides if (earlier := _earlier(context, side)) is not None)
    if len(sides) < 2 or not is_worth_two_processes(options, expected):
        yield {}
        return
    with WorkerProcess(__name__) as worker:
        yield {sides[1]: worker}


def _take(context: SyncContext, side: Side, by_listing: bool) -> Inventory:
    reports = None if by_listing else context.place(side).reports
    whole = take_inventory(context, side) if reports is None else read_report(context, side, reports)
    return map_inventory(context, whole, context.settings.mapping)


def take_inventory(
    context: SyncContext,
    side: Side,
    activity: str | None = None,
    *,
    shared_objects: int = SHARED_RANGE_OBJECTS,
    as_of: datetime | None = None,
) -> Inventory:
    """List one side's bucket completely and keep the inventory.

    Args:
        context: the sync.
        side: which bucket.
        activity: the name for progress reports; by default ``list SIDE``.
        shared_objects: objects of a range that a process lists, where several do.
        as_of: the time of which the bucket is listed, by its versions; None for now.

    Raises:
        ConfigurationError: it is not known what the bucket had at that time, or it does not keep versions and all are
            wanted.
        BucketError: the bucket can't be reached.
        IncompleteInventoryError: the listing failed, was interrupted or can't be proved complete; nothing is kept.
    """
    with context.connect(context.place(side)) as connection:
        headers = _headers_for(connection, side)
        with naming_bucket(connection.place):
            versions: EarlierListing | HistoryListing | None = None
            if context.settings.options.versions == "all":
                versions = HistoryListing(connection)
            elif as_of is not None:
                versions = EarlierListing(connection, as_of)
            activity = activity or f"list {side}"
            return _list_bucket(context, side, connection, headers, activity, shared_objects, versions)


def _headers_for(connection: Connection, side: Side) -> Pairs:
    """Check that a bucket can be listed, and return the headers for that."""
    if side == "source":
        # Only the source's objects are read, so only their restore status matters.
        return probe_restore_status(connection)
    probe_bucket(connection)
    return ()


def _list_bucket(
    context: SyncContext,
    side: Side,
    connection: Connection,
    headers: Pairs,
    activity: str,
    shared_objects: int,
    versions: EarlierListing | HistoryListing | None,
) -> Inventory:
    """List a bucket, check that the parts are one complete listing, and write its manifest."""
    started = datetime.now(UTC)
    inventory_id = next_id(context.state, started)
    earlier = _earlier(context, side)
    estimate(activity, 0 if earlier is None else earlier.objects)
    cuts = () if earlier is None else _known_cuts(earlier)
    ranges = (KeyRange(),)
    if earlier is not None and versions is None and context.state.local_path is None:
        ranges = _shared_ranges(earlier, shared_objects)
    if len(ranges) > 1:
        order = ListingOrder(
            id=inventory_id, side=side, place=connection.place, headers=headers, ranges=ranges, cuts=cuts
        )
        parts = list_together(context, order, connection, activity)
    else:
        file = context.inventories(side).file_name(inventory_id)
        parts = [
            list_range(
                context,
                connection,
                KeyRange(),
                file,
                cuts=cuts if versions is None else (),
                headers=headers,
                activity=activity,
                make_walk=None if versions is None else versions.make_walk,
                schema=INVENTORY_SCHEMA if versions is None else versions.schema,
            )
        ]
    proof = tuple(walk for part in parts for walk in part.proof)
    objects = sum(part.objects for part in parts)
    check_proof(proof, objects, connection.place.uri)
    new_cuts = tuple(key for part in parts for key in part.cuts)
    as_of = versions.finish() if isinstance(versions, EarlierListing) else None
    inventory = Inventory(
        id=inventory_id,
        side=side,
        place=connection.place,
        files=tuple(part.file for part in parts),
        started=started,
        ended=datetime.now(UTC),
        objects=objects,
        bytes=sum(part.bytes for part in parts),
        oldest=min((part.oldest for part in parts if part.oldest is not None), default=None),
        newest=max((part.newest for part in parts if part.newest is not None), default=None),
        proof=proof,
        cuts=new_cuts[:: 1 + len(new_cuts) // MOST_SAMPLES],
        versioning=versioning_of(context, connection.place) if side == "store" else None,
        as_of=as_of,
        versions=context.settings.options.versions,
    )
    context.inventories(side).save(inventory)
    end(activity, inventory.objects, inventory.bytes)
    return inventory


def _shared_ranges(earlier: Inventory, objects: int) -> tuple[KeyRange, ...]:
    """The ranges that workers on other machines can list at the same time, of a large bucket; else all keys in one."""
    count = earlier.objects // objects
    if count < 2 or len(earlier.cuts) < count:
        return (KeyRange(),)
    bounds = ["", *_spread(earlier.cuts, count)[1:], None]
    return tuple(KeyRange(after=str(after), until=until) for after, until in pairwise(bounds))


def _known_cuts(earlier: Inventory) -> tuple[str, ...]:
    """Keys at which to split a listing at first, from an earlier inventory."""
    return _spread(earlier.cuts, min(len(earlier.cuts), earlier.objects // _ROWS_BETWEEN_CUTS, _MOST_CUTS))


def _spread(keys: Sequence[str], count: int) -> tuple[str, ...]:
    """So many of these keys, evenly spread, the first included."""
    return tuple(keys[number * len(keys) // count] for number in range(count))


def _earlier(context: SyncContext, side: Side) -> Inventory | None:
    """The newest inventory of the same place, as a hint."""
    try:
        earlier = context.inventories(side).newest()
    except StateError:
        return None  # only a hint is missing
    return earlier if earlier is not None and context.is_place(side, earlier.place) else None
