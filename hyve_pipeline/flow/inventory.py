"""Takes inventories: lists a bucket, streams it into Parquet, and keeps it only with a proof of completeness."""

import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa

from hyve_pipeline.core.columns import bounds, total
from hyve_pipeline.core.inventory import INVENTORY_SCHEMA, Inventory, KeyRange, Side, check_proof
from hyve_pipeline.core.progress import report
from hyve_pipeline.flow.context import SyncContext
from hyve_pipeline.s3.connection import Connection
from hyve_pipeline.s3.errors import S3RequestError, bucket_error
from hyve_pipeline.s3.listing import Page, RangeWalk
from hyve_pipeline.s3.probing import probe_bucket
from hyve_pipeline.state.parquet import writing_parquet

# Rows of a row group: small enough that a key range of the diff reads little more than it needs, large
# enough that building Arrow columns pays.
_ROW_GROUP_ROWS = 50_000


def take_inventories(context: SyncContext, sides: Sequence[Side]) -> dict[Side, Inventory]:
    """List the buckets of some sides at the same time.

    Raises:
        BucketError: a bucket can't be reached.
        IncompleteInventoryError: a listing failed or can't be proved complete.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(len(sides), thread_name_prefix="inventory") as pool:
        futures: dict[Side, Future[Inventory]] = {
            side: pool.submit(take_inventory, context, side, stop) for side in sides
        }
        try:
            return {side: future.result() for side, future in futures.items()}
        except BaseException:
            stop.set()  # one side failed, or the user interrupted: the other need not go on
            raise


def take_inventory(
    context: SyncContext, side: Side, stop: threading.Event | None = None, activity: str | None = None
) -> Inventory:
    """List one side's bucket completely and keep the inventory.

    Args:
        context: the sync.
        side: which bucket.
        stop: when set, the listing is given up between two pages.
        activity: what progress is reported as; by default ``list SIDE``.

    Raises:
        BucketError: the bucket can't be reached.
        IncompleteInventoryError: the listing failed or can't be proved complete; nothing is kept.
    """
    place = context.place(side)
    with context.connect(place) as connection:
        probe_bucket(connection)
        try:
            return _list_bucket(context, side, connection, stop or threading.Event(), activity or f"list {side}")
        except S3RequestError as error:
            raise bucket_error(error, place) from error


def _list_bucket(
    context: SyncContext, side: Side, connection: Connection, stop: threading.Event, activity: str
) -> Inventory:
    started = datetime.now(UTC)
    inventory_id = f"{started:%Y%m%dT%H%M%S%fZ}-{uuid.uuid4().hex[:8]}"
    shelf = context.inventories(side)
    path = shelf.parquet_name(inventory_id)
    totals = _Totals()
    pages: list[Page] = []
    held = 0
    with writing_parquet(shelf.folder, path, INVENTORY_SCHEMA) as writer:
        walk = RangeWalk(connection, KeyRange(), stop=stop)
        for page in walk:
            report(activity, len(page.keys), sum(page.sizes))
            pages.append(page)
            held += len(page)
            if held >= _ROW_GROUP_ROWS:
                writer.write_table(totals.add(pages))
                pages, held = [], 0
        if pages:
            writer.write_table(totals.add(pages))
        # Checked before the file gets its name: without a proof there is no inventory.
        check_proof([walk.proof], totals.objects, connection.place.uri)
    inventory = Inventory(
        id=inventory_id,
        side=side,
        place=connection.place,
        uri=shelf.folder.uri_of(path),
        started=started,
        ended=datetime.now(UTC),
        objects=totals.objects,
        bytes=totals.bytes,
        oldest=totals.oldest,
        newest=totals.newest,
        proof=(walk.proof,),
    )
    shelf.save(inventory)
    return inventory


class _Totals:
    """Builds Arrow tables from pages, and adds up what the manifest says of all of them."""

    def __init__(self) -> None:
        self.objects = 0
        self.bytes = 0
        self.oldest: datetime | None = None
        self.newest: datetime | None = None

    def add(self, pages: list[Page]) -> pa.Table:
        columns = {
            "key": [key for page in pages for key in page.keys],
            "size": [size for page in pages for size in page.sizes],
            "last_modified": [time for page in pages for time in page.last_modified],
            "etag": [etag for page in pages for etag in page.etags],
            "storage_class": [name for page in pages for name in page.storage_classes],
        }
        arrays = [pa.array(columns[field.name], field.type) for field in INVENTORY_SCHEMA]
        table = pa.Table.from_arrays(arrays, schema=INVENTORY_SCHEMA)
        if table.num_rows:
            oldest, newest = bounds(table.column("last_modified"))
            self.oldest = min(filter(None, (self.oldest, oldest)))
            self.newest = max(filter(None, (self.newest, newest)))
        self.objects += table.num_rows
        self.bytes += total(table.column("size"))
        return table
