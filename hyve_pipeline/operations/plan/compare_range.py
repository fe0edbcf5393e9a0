"""Compares a range of two inventories, and writes the differences to Parquet files."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hyve_pipeline.core.base.arrow_columns import rows_with
from hyve_pipeline.core.base.manifest import Count, Frozen, StateName
from hyve_pipeline.core.model.diff import (
    CHANGE_SCHEMA,
    LIST_NAMES,
    NEWER,
    NO_ETAG,
    SKIPPED_EXAMPLES,
    ChangeSet,
    RangeDiff,
    sets_with_list,
)
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.history_diff import HIDDEN, HistoryDiffer
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.memory import Memory
from hyve_pipeline.core.model.object_diff import Differ
from hyve_pipeline.core.model.ranges import RelativeRange, cut_ranges
from hyve_pipeline.core.runtime.progress import end, report
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import open_inventory
from hyve_pipeline.operations.plan.memory import MemoryRows
from hyve_pipeline.operations.plan.undone import UndoneRows
from hyve_pipeline.state.parquet import writing_parquet

if TYPE_CHECKING:
    from hyve_pipeline.operations.plan.content_rule import ContentRule
    from hyve_pipeline.operations.plan.property_drift import PropertyComparer
    from hyve_pipeline.operations.plan.tag_filter import TagFilter

ALL_KEYS = RelativeRange("", None)

# The activity, for progress reports: it counts the keys of both buckets, each once.
COMPARE = "compare"


def end_comparison(options: Options, keys: int | None = None) -> None:
    """Report that all ranges were compared.

    Args:
        options: the options in force.
        keys: how many keys there were; None is the sum of those that were compared here.
    """
    end(COMPARE, keys)
    if options.filter is not None and options.filter.tag:
        from hyve_pipeline.operations.plan.tag_filter import READ_TAGS

        end(READ_TAGS)
    if options.compare_properties:
        from hyve_pipeline.operations.plan.property_drift import COMPARE_PROPERTIES

        end(COMPARE_PROPERTIES)
    if options.compare == "content":
        from hyve_pipeline.operations.requests.contents import COMPARE_CONTENT

        end(COMPARE_CONTENT)


class ComparedRange(Frozen):
    """The outcome of the comparison of a range.

    Attributes:
        changes: the Parquet file of all listed sets, in key order, columns as in `CHANGE_SCHEMA`.
        files: the Parquet file of each set that has a list.
        counts: objects and bytes by set.
        uncompared, unpinned, newer, hidden, skipped_examples: as in `core.model.diff.Diff`.
    """

    changes: StateName
    files: dict[ChangeSet, StateName]
    counts: dict[ChangeSet, Count]
    uncompared: dict[str, int]
    unpinned: int
    newer: int = 0
    hidden: int = 0
    skipped_examples: tuple[tuple[str, str], ...]


def compare_range(
    context: SyncContext,
    source: Inventory,
    store: Inventory,
    memory: Memory | None,
    compared: datetime,
    key_range: RelativeRange,
    folder: str,
) -> ComparedRange:
    """Compare a range of two inventories.

    Args:
        context: the sync.
        source: the inventory of the source.
        store: the inventory of the store.
        memory: what is remembered of earlier copies.
        compared: the time of the comparison, for archived objects that are restored for a while.
        key_range: the range.
        folder: the folder of the Parquet files, below the sync's state.

    Raises:
        BucketError: the content, the properties or the tags of an object were to be compared, and could not be read.
        ConfigurationError: tags are to be compared, and the source's server has none.
        StateError: an inventory's file is damaged or can't be read.
    """
    lists = sets_with_list(context.settings.options)
    files = {name: f"{folder}/{LIST_NAMES[name]}.parquet" for name in lists}
    changes_file = f"{folder}/changes.parquet"
    counts: dict[ChangeSet, Count] = {}
    skipped = _Skipped()
    with ExitStack() as stack:

        def writer(file: str) -> pq.ParquetWriter:
            return stack.enter_context(writing_parquet(context.state, file, CHANGE_SCHEMA))

        changes = writer(changes_file)
        writers = {name: writer(file) for name, file in files.items()}
        tags = _tag_filter(context, source, store, stack)
        contents = _content_rule(context, source, store, stack)
        comparer = _property_comparer(context, source, store, stack)
        for compared_range in _range_diffs(context, source, store, memory, compared, key_range):
            found = compared_range if tags is None else tags.refine(compared_range)
            found = found if contents is None else contents.refine(found)
            if comparer is not None:
                found = comparer.refine(found)
                found = found if tags is None else tags.refine(found, [ChangeSet.DRIFTED])
            changes.write_table(found.rows)
            skipped.add(found.rows)
            for name in lists:
                rows = rows_with(found.rows, "set", [name.value])
                if rows.num_rows:
                    writers[name].write_table(rows)
            for name, count in found.counts.items():
                counts[name] = counts.get(name, Count()) + count
    return ComparedRange(
        changes=changes_file,
        files=files,
        counts=counts,
        uncompared={} if comparer is None else dict(comparer.uncompared),
        unpinned=skipped.unpinned,
        newer=skipped.newer,
        hidden=skipped.hidden,
        skipped_examples=tuple(skipped.examples),
    )


def _tag_filter(context: SyncContext, source: Inventory, store: Inventory, stack: ExitStack) -> "TagFilter | None":
    filters = context.settings.options.filter
    if filters is None or not filters.tag:
        return None
    # Imported late, as below.
    from hyve_pipeline.operations.plan.tag_filter import TagFilter

    return TagFilter(context, source, store, stack)


def _content_rule(context: SyncContext, source: Inventory, store: Inventory, stack: ExitStack) -> "ContentRule | None":
    if context.settings.options.compare != "content":
        return None
    # Imported late, as below.
    from hyve_pipeline.operations.plan.content_rule import ContentRule

    return ContentRule(context, source, store, stack)


def _property_comparer(
    context: SyncContext, source: Inventory, store: Inventory, stack: ExitStack
) -> "PropertyComparer | None":
    if not context.settings.options.compare_properties:
        return None
    # Imported late: commands that only read plans need no S3 library.
    from hyve_pipeline.operations.plan.property_drift import PropertyComparer

    return PropertyComparer(context, source, store, stack)


def _range_diffs(
    context: SyncContext,
    source: Inventory,
    store: Inventory,
    memory: Memory | None,
    compared: datetime,
    whole: RelativeRange,
) -> Iterator[RangeDiff]:
    options = context.settings.options
    readers = open_inventory(context.state, source), open_inventory(context.state, store)
    chunks = [chunk for reader in readers for chunk in reader.chunks]
    remembered = MemoryRows(context.state, memory)
    undone = UndoneRows(context, store.place)
    filters = Filters.of(options, compared)
    prefixes = {"source_prefix": source.place.prefix, "store_prefix": store.place.prefix}
    if options.versions == "all":
        differ = HistoryDiffer(filters, **prefixes)
    else:
        differ = Differ(
            options.compare,
            filters,
            **prefixes,
            compared=compared,
            source_as_of=None if source.report is None else source.report.as_of,
            gives_unchanged=options.compare_properties,
            overwrites_altered=options.altered == "overwrite",
        )
    with differ, readers[0], readers[1], remembered:
        for key_range in cut_ranges(chunks, context.bounds.range_rows, whole):
            # No name keeps the rows of this range while those of the next one are read.
            found = differ.diff(
                readers[0].read(key_range),
                readers[1].read(key_range),
                key_range,
                undone.read(key_range),
                remembered.read(key_range),
            )
            report(COMPARE, sum(count.objects for count in found.counts.values()), 0)
            yield found


class _Skipped:
    """What reasons say: how many skipped objects have no ETag or are newer than a report, and how many are hidden."""

    def __init__(self) -> None:
        self.unpinned = 0
        self.newer = 0
        self.hidden = 0
        self.examples: list[tuple[str, str]] = []

    def add(self, found: pa.Table) -> None:
        modified = rows_with(found, "set", [ChangeSet.MODIFIED.value]).column("reason")
        are_hidden = pc.call_function("ends_with", [modified], pc.MatchSubstringOptions(HIDDEN))
        self.hidden += pc.call_function("sum", [are_hidden]).as_py() or 0
        rows = rows_with(found, "set", [ChangeSet.SKIPPED.value])
        reasons = rows.column("reason").to_pylist()
        self.unpinned += sum(reason.startswith(NO_ETAG) for reason in reasons)
        self.newer += sum(reason.startswith(NEWER) for reason in reasons)
        left = SKIPPED_EXAMPLES - len(self.examples)
        self.examples += list(zip(rows.column("key").to_pylist()[:left], reasons[:left], strict=True))
