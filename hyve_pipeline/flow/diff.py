"""Compares two inventories range by range, and keeps what differs as Parquet and as the three text lists."""

import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from hyve_pipeline.core.columns import rows_with, with_prefix
from hyve_pipeline.core.diff import (
    CHANGE_SCHEMA,
    ChangeSet,
    Diff,
    Differ,
    RangeDiff,
)
from hyve_pipeline.core.filters import Filters
from hyve_pipeline.core.inventory import Inventory
from hyve_pipeline.core.lists import write_list
from hyve_pipeline.core.manifest import Count
from hyve_pipeline.core.progress import report
from hyve_pipeline.core.ranges import cut_ranges
from hyve_pipeline.flow.context import SyncContext
from hyve_pipeline.flow.rows import open_inventory
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import digest, writing_parquet

# Rows of both inventories that one range of the diff takes into memory.
_RANGE_ROWS = 100_000

# The name of each set's list.
LIST_NAMES = {
    ChangeSet.NEW: "new",
    ChangeSet.MODIFIED: "modified",
    ChangeSet.DUPLICATE: "duplicate_stores",
}


def diff_inventories(context: SyncContext, source: Inventory, store: Inventory) -> Diff:
    """Compare two inventories and keep the outcome.

    Writes the Parquet files, then replaces ``new.txt``, ``modified.txt`` and ``duplicate_stores.txt``
    in the sync's ``out`` folder. The lists hold whole keys, prefix included: of the source for new and
    modified, of the store for duplicates.

    Raises:
        StateError: an inventory's file is damaged or can't be read.
    """
    created = datetime.now(UTC)
    diff_id = f"{created:%Y%m%dT%H%M%S%fZ}-{uuid.uuid4().hex[:8]}"
    folder = context.diffs.folder_of(diff_id)
    counts: Counter[ChangeSet] = Counter()
    sizes: Counter[ChangeSet] = Counter()
    with ExitStack() as stack:
        changes = stack.enter_context(writing_parquet(folder, "changes.parquet", CHANGE_SCHEMA))
        outputs = {name: _SetOutput(context, folder, name, stack) for name in LIST_NAMES}
        for found in _range_diffs(context, source, store):
            changes.write_table(found.rows)
            for name, output in outputs.items():
                output.write(rows_with(found.rows, "set", [name.value]))
            for name, count in found.counts.items():
                counts[name] += count.objects
                sizes[name] += count.bytes
    diff = Diff(
        id=diff_id,
        sync=context.name,
        created=created,
        options=context.settings.options,
        source=source,
        store=store,
        counts={name: Count(objects=counts[name], bytes=sizes[name]) for name in ChangeSet},
        changes=folder.uri_of("changes.parquet"),
        digest=digest(folder, "changes.parquet"),
        uris={name: folder.uri_of(f"{file}.parquet") for name, file in LIST_NAMES.items()},
    )
    context.diffs.save(diff)
    return diff


def _range_diffs(context: SyncContext, source: Inventory, store: Inventory) -> Iterator[RangeDiff]:
    options = context.settings.options
    readers = open_inventory(source), open_inventory(store)
    chunks = [chunk for reader in readers for chunk in reader.chunks]
    with tempfile.TemporaryDirectory(prefix="hyve-diff-") as spill_folder:
        differ = Differ(
            options.compare,
            Filters(options.include, options.exclude),
            source_prefix=source.place.prefix,
            store_prefix=store.place.prefix,
            spill_folder=spill_folder,
        )
        try:
            for key_range in cut_ranges(chunks, _RANGE_ROWS):
                rows = [reader.read(key_range) for reader in readers]
                found = differ.diff(rows[0], rows[1], key_range)
                report("compare", sum(count.objects for count in found.counts.values()), 0)
                yield found
        finally:
            differ.close()
            for reader in readers:
                reader.close()


class _SetOutput:
    """The Parquet file and the text list of one set."""

    def __init__(self, context: SyncContext, folder: Folder, name: ChangeSet, stack: ExitStack) -> None:
        file = LIST_NAMES[name]
        side = "store" if name is ChangeSet.DUPLICATE else "source"
        self._prefix = context.place(side).prefix
        self._writer: pq.ParquetWriter = stack.enter_context(writing_parquet(folder, f"{file}.parquet", CHANGE_SCHEMA))
        self._stream: BinaryIO = stack.enter_context(context.lists.writing(f"{file}.txt"))

    def write(self, rows: pa.Table) -> None:
        if rows.num_rows:
            self._writer.write_table(rows)
            write_list(self._stream, [with_prefix(self._prefix, rows.column("key"))])
