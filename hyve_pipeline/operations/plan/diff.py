"""Compares two inventories range by range, and keeps what differs as Parquet and as the three text lists."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from hyve_pipeline.core.base.arrow_columns import rows_with, with_prefix
from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import (
    CHANGE_SCHEMA,
    LIST_NAMES,
    NO_ETAG,
    SKIPPED_EXAMPLES,
    ChangeSet,
    Diff,
    Differ,
    RangeDiff,
    planned_sets,
    sets_of,
)
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.key_lists import write_list
from hyve_pipeline.core.model.ranges import cut_ranges
from hyve_pipeline.core.runtime.progress import report
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import open_inventory
from hyve_pipeline.operations.plan.future_dates import find_future_dates
from hyve_pipeline.operations.plan.one_bucket import find_shared_keys
from hyve_pipeline.operations.plan.undone import UndoneRows
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import digest, writing_parquet
from hyve_pipeline.state.plans import next_id

if TYPE_CHECKING:
    from hyve_pipeline.operations.plan.property_drift import PropertyComparer

# Rows of both inventories that one range of the diff takes into memory.
_RANGE_ROWS = 100_000


def diff_inventories(context: SyncContext, source: Inventory, store: Inventory) -> Diff:
    """Compare two inventories and keep the outcome.

    Writes the Parquet files, then replaces ``new.txt``, ``modified.txt`` and ``duplicate_stores.txt``
    in the sync's ``out`` folder. The lists hold whole keys, prefix included: of the source for new and
    modified, of the store for duplicates. Where the options ask for the comparison of properties, there is
    ``drifted.txt`` too, with keys of the source.

    Raises:
        BucketError: the properties of an object were to be compared, and could not be read.
        StateError: an inventory's file is damaged or can't be read.
        ConfigurationError: an inventory is of another place than the sync's.
    """
    for inventory in (source, store):
        if not context.is_place(inventory.side, inventory.place):
            raise ConfigurationError(
                f"the inventory of the {inventory.side} is of {inventory.place.uri} at {inventory.place.shown_server}, "
                f"and the {inventory.side} is another place now: take both inventories again, by 'hyve dryrun'"
            )
    options = context.settings.options
    lists = {name: LIST_NAMES[name] for name in planned_sets(options)}
    created = datetime.now(UTC)
    diff_id = next_id(context.state, created)
    folder = context.diffs.folder_of(diff_id)
    counts: Counter[ChangeSet] = Counter()
    sizes: Counter[ChangeSet] = Counter()
    skipped = _Skipped()
    with ExitStack() as stack:
        changes = stack.enter_context(writing_parquet(folder, "changes.parquet", CHANGE_SCHEMA))
        outputs = {name: _SetOutput(context, folder, name, stack) for name in lists}
        comparer = _property_comparer(context, source, store, stack)
        for compared in _range_diffs(context, source, store, created):
            found = compared if comparer is None else comparer.refine(compared)
            changes.write_table(found.rows)
            skipped.add(found.rows)
            for name, output in outputs.items():
                output.write(rows_with(found.rows, "set", [name.value]))
            for name, count in found.counts.items():
                counts[name] += count.objects
                sizes[name] += count.bytes
    diff = Diff(
        id=diff_id,
        sync=context.name,
        created=created,
        options=options,
        source=source,
        store=store,
        counts={name: Count(objects=counts[name], bytes=sizes[name]) for name in sets_of(options)},
        uncompared={} if comparer is None else dict(comparer.uncompared),
        unpinned=skipped.unpinned,
        skipped_examples=tuple(skipped.examples),
        shared=find_shared_keys(context, source, store),
        future=find_future_dates(context.state, source, created) if options.compare != "size" else None,
        changes=(f"diffs/{diff_id}/changes.parquet",),
        digest=digest(folder, "changes.parquet"),
        files={name: (f"diffs/{diff_id}/{file}.parquet",) for name, file in lists.items()},
    )
    context.diffs.save(diff)
    for name in LIST_NAMES.keys() - lists.keys():
        # A list of an earlier plan beside those of this one would be taken for its own.
        context.lists.remove(f"{LIST_NAMES[name]}.txt")
    return diff


def _property_comparer(
    context: SyncContext, source: Inventory, store: Inventory, stack: ExitStack
) -> "PropertyComparer | None":
    if not context.settings.options.compare_properties:
        return None
    # Imported late: whoever only reads plans need not load an S3 library.
    from hyve_pipeline.operations.plan.property_drift import PropertyComparer

    return PropertyComparer(context, source.place, store.place, stack)


def _range_diffs(context: SyncContext, source: Inventory, store: Inventory, compared: datetime) -> Iterator[RangeDiff]:
    options = context.settings.options
    readers = open_inventory(context.state, source), open_inventory(context.state, store)
    chunks = [chunk for reader in readers for chunk in reader.chunks]
    undone = UndoneRows(context, store.place)
    differ = Differ(
        options.compare,
        Filters(options.include, options.exclude),
        source_prefix=source.place.prefix,
        store_prefix=store.place.prefix,
        compared=compared,
        gives_unchanged=options.compare_properties,
    )
    try:
        for key_range in cut_ranges(chunks, _RANGE_ROWS):
            rows = [reader.read(key_range) for reader in readers]
            found = differ.diff(rows[0], rows[1], key_range, undone.read(key_range))
            report("compare", sum(count.objects for count in found.counts.values()), 0)
            yield found
    finally:
        differ.close()
        for reader in readers:
            reader.close()


class _Skipped:
    """What a person is told of the objects that are skipped."""

    def __init__(self) -> None:
        self.unpinned = 0
        self.examples: list[tuple[str, str]] = []

    def add(self, found: pa.Table) -> None:
        rows = rows_with(found, "set", [ChangeSet.SKIPPED.value])
        reasons = rows.column("reason").to_pylist()
        self.unpinned += sum(reason.startswith(NO_ETAG) for reason in reasons)
        left = SKIPPED_EXAMPLES - len(self.examples)
        self.examples += list(zip(rows.column("key").to_pylist()[:left], reasons[:left], strict=True))


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
