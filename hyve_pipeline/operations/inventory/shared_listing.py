"""Lists a large bucket by several processes at the same time, also on other machines: each lists some ranges.

inventories/<side>/<id>/order.json   the ranges; in progress until the inventory's manifest <id>.json is written
"""

from collections.abc import Iterator

from hyve_pipeline.core.base.ids import order_of
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.inventory import SIDES, KeyRange, Side
from hyve_pipeline.core.runtime.progress import end, report
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.list_range import ListedRange, list_range
from hyve_pipeline.operations.workers.shared_parts import ORDER, SharedParts
from hyve_pipeline.s3.connection.connection import Connection

# The number of objects of a range, by the earlier inventory: some seconds of work.
SHARED_RANGE_OBJECTS = 500_000


class ListingOrder(Frozen):
    """A listing in which any process may take part.

    Attributes:
        id: the id of the inventory.
        side: which side of the sync is listed.
        place: the bucket, its prefix and server.
        headers: headers of each request.
        ranges: the ranges, which tile the key space.
        cuts: keys at which to cut the ranges at first.
    """

    id: str
    side: Side
    place: Place
    headers: tuple[tuple[str, str], ...]
    ranges: tuple[KeyRange, ...]
    cuts: tuple[str, ...]


def list_together(
    context: SyncContext, order: ListingOrder, connection: Connection, activity: str
) -> list[ListedRange]:
    """List all ranges of an order, beside the processes that take part, and wait for theirs.

    Raises:
        BucketError: the bucket can't be listed.
        IncompleteInventoryError: a range can't be proved complete.
    """
    return _parts(context, order, connection, activity).lead(order)


def help_listings(context: SyncContext) -> int:
    """Do the free ranges of the sync's listings that are in progress.

    Returns:
        How many ranges were listed here.

    Raises:
        HyveError: see `list_together`.
    """
    done = 0
    for order in _orders(context):
        with context.connect(order.place) as connection:
            activity = f"list {order.side}"
            listed = _parts(context, order, connection, activity).help()
            if listed:
                end(activity)
            done += listed
    return done


def _orders(context: SyncContext) -> Iterator[ListingOrder]:
    for side in SIDES:
        folder = context.inventories(side).folder
        entries = folder.entries()
        complete = {entry.name.removesuffix(".json") for entry in entries if not entry.is_folder}
        for name in sorted((entry.name for entry in entries if entry.is_folder), key=order_of, reverse=True):
            if name in complete:
                break  # older ones were given up
            if folder.exists(f"{name}/{ORDER}"):
                yield folder.read_manifest(f"{name}/{ORDER}", ListingOrder)


def _parts(
    context: SyncContext, order: ListingOrder, connection: Connection, activity: str
) -> SharedParts[ListedRange]:
    def do(number: int, folder: str) -> ListedRange:
        return list_range(
            context,
            connection,
            order.ranges[number],
            f"{folder}/rows.parquet",
            cuts=order.cuts,
            headers=order.headers,
            activity=activity,
        )

    def note(listed: ListedRange) -> None:
        report(activity, listed.objects, listed.bytes)

    folder = f"inventories/{order.side}/{order.id}"
    return SharedParts(context, folder, len(order.ranges), ListedRange, do, note_of_others=note)
