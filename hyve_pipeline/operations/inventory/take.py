"""Takes inventories: lists a bucket, writes it to Parquet, and keeps the file only with a proof of completeness."""

import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hyve_pipeline.core.base.arrow_columns import bounds, is_ascending, total
from hyve_pipeline.core.base.errors import IncompleteInventoryError, StateError
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA, Inventory, Side, check_proof
from hyve_pipeline.core.runtime.interruption import interrupted_by, stop_event
from hyve_pipeline.core.runtime.progress import report
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.assembly import SortedAssembly
from hyve_pipeline.operations.inventory.missing_etags import MissingEtags
from hyve_pipeline.operations.workers.pool import WorkerProcess, is_worth_two_processes
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.bucket_listing import BucketListing
from hyve_pipeline.s3.listing.probe import probe_bucket, probe_restore_status
from hyve_pipeline.s3.wire.errors import S3RequestError, bucket_error
from hyve_pipeline.s3.wire.messages import Pairs
from hyve_pipeline.state.parquet import writing_parquet
from hyve_pipeline.state.plans import next_id

# Rows of a row group: small enough that a key range of the diff reads little more than it needs, large enough for
# efficient Arrow columns.
_ROW_GROUP_ROWS = 50_000

# An inventory stores some keys, so that the next listing can begin with ranges of equal size. Each range costs one
# page that is not full, so ranges of few pages do not pay off.
_FIRST_SAMPLE_STEP = 1_000
_MOST_SAMPLES = 512
_ROWS_BETWEEN_CUTS = 8_000
_MOST_CUTS = 128


def take_inventories(context: SyncContext, sides: Sequence[Side]) -> dict[Side, Inventory]:
    """List the buckets of some sides at the same time; large ones in a process of their own.

    Raises:
        BucketError: a bucket can't be reached.
        IncompleteInventoryError: a listing failed or can't be proved complete.
    """
    stop = threading.Event()
    with ExitStack() as stack:
        others = stack.enter_context(_processes(context, sides))
        pool = stack.enter_context(ThreadPoolExecutor(len(sides), thread_name_prefix="inventory"))

        def take(side: Side) -> Inventory:
            with interrupted_by(stop):
                if side in others:
                    return others[side].run(take_inventory, context, side)
                return take_inventory(context, side)

        futures: dict[Side, Future[Inventory]] = {side: pool.submit(take, side) for side in sides}
        try:
            inventories: dict[Side, Inventory] = {side: future.result() for side, future in futures.items()}
        except BaseException:
            stop.set()  # one side failed, or the user interrupted: stop the other
            raise
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
    with closing(WorkerProcess(__name__)) as worker:
        yield {sides[1]: worker}


def take_inventory(context: SyncContext, side: Side, activity: str | None = None) -> Inventory:
    """List one side's bucket completely and keep the inventory.

    Args:
        context: the sync.
        side: which bucket.
        activity: the name for progress reports; by default ``list SIDE``.

    Raises:
        BucketError: the bucket can't be reached.
        IncompleteInventoryError: the listing failed, was interrupted or can't be proved complete; nothing is kept.
    """
    with context.connect(context.place(side)) as connection:
        headers = _headers_for(connection, side)
        try:
            return _list_bucket(context, side, connection, headers, activity or f"list {side}")
        except S3RequestError as error:
            raise bucket_error(error, connection.place) from error


def _headers_for(connection: Connection, side: Side) -> Pairs:
    """Check that a bucket can be listed, and return the headers for that."""
    if side == "source":
        # Only the source's objects are read, so only their restore status matters.
        return probe_restore_status(connection)
    probe_bucket(connection)
    return ()


def _list_bucket(context: SyncContext, side: Side, connection: Connection, headers: Pairs, activity: str) -> Inventory:
    started = datetime.now(UTC)
    inventory_id = next_id(context.state, started)
    shelf = context.inventories(side)
    file = shelf.file_name(inventory_id)
    lister = BucketListing(
        connection,
        cuts=_known_cuts(context, side),
        ceiling=context.settings.options.listing_concurrency,
        headers=headers,
        stop=stop_event(),
    )
    with (
        writing_parquet(context.state, file, INVENTORY_SCHEMA, repetitive=["storage_class"]) as writer,
        tempfile.TemporaryDirectory(prefix="hyve-listing-") as folder,
    ):
        rows = _RowGroups(writer, connection.place.uri)
        assembly = SortedAssembly(INVENTORY_SCHEMA, Path(folder), rows.add)
        etags = MissingEtags(connection)
        for walk, page in lister:
            if len(page):
                report(activity, len(page), total(page.table.column("size")))
                assembly.add(walk.range.after, etags.fill(page.table))
            if walk.has_ended:
                assembly.end(walk.range.after, walk.range.until)
        rows.flush()
        # Checked before the file gets its name: no inventory without a proof.
        proof = lister.proof
        check_proof(proof, rows.objects, connection.place.uri)
    inventory = Inventory(
        id=inventory_id,
        side=side,
        place=connection.place,
        files=(file,),
        started=started,
        ended=datetime.now(UTC),
        objects=rows.objects,
        bytes=rows.bytes,
        oldest=rows.oldest,
        newest=rows.newest,
        proof=tuple(proof),
        cuts=tuple(rows.sample.keys),
    )
    shelf.save(inventory)
    return inventory


def _earlier(context: SyncContext, side: Side) -> Inventory | None:
    """The newest inventory of the same place, as a hint."""
    try:
        earlier = context.inventories(side).newest()
    except StateError:
        return None  # only a hint is missing
    return earlier if earlier is not None and context.is_place(side, earlier.place) else None


def _known_cuts(context: SyncContext, side: Side) -> list[str]:
    """Keys at which to split this listing, from an earlier inventory."""
    earlier = _earlier(context, side)
    if earlier is None:
        return []
    wanted = min(len(earlier.cuts), earlier.objects // _ROWS_BETWEEN_CUTS, _MOST_CUTS)
    return [earlier.cuts[number * len(earlier.cuts) // wanted] for number in range(wanted)]


class _KeySample:
    """Every n-th key; n grows so that there are never more than a few hundred."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._step = _FIRST_SAMPLE_STEP
        self._next = self._step
        self._passed = 0

    def add(self, keys: pa.ChunkedArray) -> None:
        while self._next < self._passed + len(keys):
            self.keys.append(keys[self._next - self._passed].as_py())
            self._next += self._step
            if len(self.keys) >= _MOST_SAMPLES:
                self.keys = self.keys[1::2]
                self._step *= 2
                self._next = (len(self.keys) + 1) * self._step
        self._passed += len(keys)


class _RowGroups:
    """Writes rows in key order, and computes the totals for the manifest."""

    def __init__(self, writer: pq.ParquetWriter, place: str) -> None:
        self.objects = 0
        self.bytes = 0
        self.oldest: datetime | None = None
        self.newest: datetime | None = None
        self.sample = _KeySample()
        self._writer = writer
        self._place = place
        self._last_key = ""
        self._tables: list[pa.Table] = []
        self._held = 0

    def add(self, table: pa.Table) -> None:
        self._tables.append(table)
        self._held += table.num_rows
        if self._held >= _ROW_GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the held rows as a row group."""
        if not self._held:
            return
        table = pa.concat_tables(self._tables)
        self._check_order(table.column("key"))
        oldest, newest = bounds(table.column("last_modified"))
        self.oldest = min(filter(None, (self.oldest, oldest)))
        self.newest = max(filter(None, (self.newest, newest)))
        self.objects += table.num_rows
        self.bytes += total(table.column("size"))
        self.sample.add(table.column("key"))
        self._writer.write_table(table)
        self._tables, self._held = [], 0

    def _check_order(self, keys: pa.ChunkedArray) -> None:
        """Check the key order of the next row group, which all later steps depend on."""
        first, last = keys[0].as_py(), keys[-1].as_py()
        if first <= self._last_key or not is_ascending(keys):
            raise IncompleteInventoryError(
                f"the listing of {self._place} is out of order: {first!r} to {last!r} came after {self._last_key!r}; "
                "no plan was made, please report this"
            )
        self._last_key = last
