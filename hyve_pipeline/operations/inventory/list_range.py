"""Lists a range of a bucket into a Parquet file, in key order, with the proof that it is complete."""

import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hyve_pipeline.core.base.arrow_columns import bounds, is_ascending, total
from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.base.manifest import Frozen, StateName
from hyve_pipeline.core.model.inventory import (
    INVENTORY_SCHEMA,
    Inventory,
    KeyRange,
    RangeEnd,
    RangeProof,
    check_proof,
)
from hyve_pipeline.core.runtime.interruption import stop_event
from hyve_pipeline.core.runtime.progress import report
from hyve_pipeline.core.runtime.startup import return_freed_memory
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.assembly import SortedAssembly
from hyve_pipeline.operations.inventory.missing_etags import MissingEtags
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.bucket_listing import BucketListing
from hyve_pipeline.s3.listing.walk import Walk
from hyve_pipeline.s3.wire.messages import Pairs
from hyve_pipeline.state.parquet import writing_parquet

# An inventory stores some keys, so that the next listing can begin with ranges of equal size. Each range costs one
# page that is not full, so ranges of few pages do not pay off.
_FIRST_SAMPLE_STEP = 1_000
MOST_SAMPLES = 512


class ListedRange(Frozen):
    """A range of a listing that was listed completely.

    Attributes:
        file: its Parquet file, columns as in `INVENTORY_SCHEMA`.
        objects, bytes: totals.
        oldest, newest: bounds of `last_modified`; None when empty.
        proof: one entry for each walk, in key order.
        cuts: keys that divide it into ranges of about equal size, in order.
    """

    file: StateName
    objects: int
    bytes: int
    oldest: datetime | None
    newest: datetime | None
    proof: tuple[RangeProof, ...]
    cuts: tuple[str, ...]


def list_range(
    context: SyncContext,
    connection: Connection,
    key_range: KeyRange,
    file: str,
    *,
    cuts: Sequence[str],
    headers: Pairs,
    activity: str,
    make_walk: Callable[..., Walk] | None = None,
    schema: pa.Schema = INVENTORY_SCHEMA,
) -> ListedRange:
    """List a range, and write its objects.

    Args:
        context: the sync.
        connection: the bucket.
        key_range: the range.
        file: the Parquet file to write, below the sync's state.
        cuts: where to cut the range at first; those outside of it do not matter.
        headers: headers of each request.
        activity: the name for progress reports.
        make_walk: makes the walks of a listing of versions.
        schema: the columns of its rows.

    Raises:
        BucketError: the bucket can't be listed.
        IncompleteInventoryError: the listing failed, or can't be proved complete; there is no file then.
    """
    listing = BucketListing(
        connection,
        key_range=key_range,
        cuts=[cut for cut in cuts if key_range.after < cut and (key_range.until is None or cut < key_range.until)],
        ceiling=context.settings.options.listing_concurrency if make_walk is None else 1,
        headers=headers,
        stop=stop_event(),
        make_walk=make_walk or Walk,
    )
    with (
        writing_parquet(context.state, file, schema, repetitive=["storage_class"]) as writer,
        tempfile.TemporaryDirectory(prefix="hyve-listing-") as folder,
    ):
        rows = RowGroups(writer, connection.place.uri, context.bounds)
        assembly = SortedAssembly(schema, Path(folder), rows.add, context.bounds.held_rows, first=key_range.after)
        etags = MissingEtags(connection)
        for walk, page in listing:
            if len(page):
                report(activity, len(page), total(page.table.column("size")))
                assembly.add(walk.range.after, etags.fill(page.table) if make_walk is None else page.table)
            if walk.has_ended:
                assembly.end(walk.range.after, walk.range.until)
        rows.flush()
        # Checked before the file gets its name: no inventory without a proof.
        proof = listing.proof
        check_proof(proof, rows.objects, connection.place.uri, key_range)
    return ListedRange(
        file=file,
        objects=rows.objects,
        bytes=rows.bytes,
        oldest=rows.oldest,
        newest=rows.newest,
        proof=tuple(proof),
        cuts=tuple(rows.sample.keys),
    )


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
            if len(self.keys) >= MOST_SAMPLES:
                self.keys = self.keys[1::2]
                self._step *= 2
                self._next = (len(self.keys) + 1) * self._step
        self._passed += len(keys)


class RowGroups:
    """Writes rows in key order, and computes the totals for the manifest.

    Args:
        writer: the Parquet file.
        place: the bucket, for messages.
        bounds: how many rows a row group has.

    Attributes:
        objects, bytes, oldest, newest, sample: totals of the rows that were written, and keys to cut a listing at.
        first_key, last_key: the first and the last key that was written; None as long as there is none.
    """

    def __init__(self, writer: pq.ParquetWriter, place: str, bounds: WorkBounds) -> None:
        self.objects = 0
        self.bytes = 0
        self.oldest: datetime | None = None
        self.newest: datetime | None = None
        self.sample = _KeySample()
        self._writer = writer
        self._place = place
        self._most = bounds.row_group_rows
        self.first_key: str | None = None
        self.last_key: str | None = None
        self._tables: list[pa.Table] = []
        self._held = 0

    def add(self, table: pa.Table) -> None:
        """Add the next rows; they are written when they are enough for a row group."""
        self._tables.append(table)
        self._held += table.num_rows
        if self._held >= self._most:
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
        del table
        self._tables, self._held = [], 0
        return_freed_memory()

    def _check_order(self, keys: pa.ChunkedArray) -> None:
        """Check the key order of the next row group, which all later steps depend on."""
        first, last = keys[0].as_py(), keys[-1].as_py()
        before = self.last_key or ""
        if first <= before or not is_ascending(keys):
            raise IncompleteInventoryError(
                f"the listing of {self._place} is out of order: {first!r} to {last!r} came after {before!r}; "
                "no plan was made, please report this"
            )
        if self.first_key is None:
            self.first_key = first
        self.last_key = last

    def prove(self, pages: int, end: RangeEnd) -> RangeProof:
        """The proof of all rows that were written, as of one walk through all keys.

        To be made before the file gets its name: no inventory without a proof.

        Args:
            pages: the number of answers that the rows are from.
            end: how it is known that there are no more.

        Raises:
            IncompleteInventoryError: they are not proved complete.
        """
        proof = RangeProof(
            range=KeyRange(),
            first_key=self.first_key,
            last_key=self.last_key,
            keys=self.objects,
            pages=pages,
            end=end,
        )
        check_proof((proof,), self.objects, self._place)
        return proof


def derived_inventory(
    whole: Inventory, inventory_id: str, file: str, rows: RowGroups, proof: RangeProof, **members: Any
) -> Inventory:
    """The manifest of an inventory that was made of another one's rows.

    Args:
        whole: the other one.
        inventory_id: its own id.
        file: the Parquet file of its rows.
        rows: what was written.
        proof: the proof of that.
        members: what else is not as in the other one.
    """
    return whole.model_copy(
        update={
            "id": inventory_id,
            "files": (file,),
            "objects": rows.objects,
            "bytes": rows.bytes,
            "oldest": rows.oldest,
            "newest": rows.newest,
            "proof": (proof,),
            "cuts": (),
            **members,
        }
    )
