"""Takes two buckets that are equal into the memory, so that a first plan copies nothing needlessly."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import rows_with, rows_without
from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.diff import CONTENT_UNKNOWN, ChangeSet, RangeDiff
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.inventory import SIDES, Inventory
from hyve_pipeline.core.model.memory import MEMORY_SCHEMA
from hyve_pipeline.core.model.object_diff import Differ
from hyve_pipeline.core.model.ranges import cut_ranges
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import open_inventory
from hyve_pipeline.operations.inventory.take import take_inventories
from hyve_pipeline.operations.plan.content_rule import ContentRule
from hyve_pipeline.operations.plan.memory import add_to_memory


class Adoption(Frozen):
    """What was taken into the memory.

    Attributes:
        adopted: how many keys have equal objects in both buckets, and are remembered.
        differing: how many have objects that differ.
        unknown: how many could not be compared without reading, or are archived.
        only_in_source, only_in_store: how many are in one bucket only.
    """

    adopted: int = 0
    differing: int = 0
    unknown: int = 0
    only_in_source: int = 0
    only_in_store: int = 0


def adopt(context: SyncContext, *, reads: bool) -> Adoption:
    """List both buckets and remember every pair of objects whose contents are equal; change nothing in either bucket.

    Args:
        context: the sync.
        reads: whether to read the objects that neither ETags nor checksums decide; else nothing is remembered of them.

    Raises:
        ConfigurationError: the sync is of all versions.
        BucketError: a bucket can't be reached, or an object can't be compared.
        IncompleteInventoryError: a listing failed or can't be proved complete.
        StateError: a file of the state can't be written or read.
    """
    if context.settings.options.versions == "all":
        raise ConfigurationError('adopt can\'t be combined with versions = "all": a first plan compares all versions')
    taken = take_inventories(context, SIDES, by_listing=True)
    source, store = taken["source"], taken["store"]
    counted = Adoption()

    def pairs(stack: ExitStack) -> Iterator[pa.Table]:
        nonlocal counted
        for found in _compared(context, source, store, stack, reads=reads):
            counted = _added(counted, found)
            yield _remembered(found.unchanged)

    with ExitStack() as stack:
        add_to_memory(context, source.place, store.place, pairs(stack))
    return counted


def _compared(
    context: SyncContext, source: Inventory, store: Inventory, stack: ExitStack, *, reads: bool
) -> Iterator[RangeDiff]:
    options = context.settings.options
    readers = [stack.enter_context(open_inventory(context.state, one)) for one in (source, store)]
    contents = ContentRule(context, source, store, stack, reads=reads)
    differ = Differ(
        "content",
        Filters.of(options),
        source_prefix=source.place.prefix,
        store_prefix=store.place.prefix,
        compared=datetime.now(UTC),
        gives_unchanged=True,
    )
    stack.callback(differ.close)
    for key_range in cut_ranges([chunk for reader in readers for chunk in reader.chunks], context.bounds.range_rows):
        one, two = (reader.read(key_range) for reader in readers)
        yield contents.refine(differ.diff(one, two, key_range))


def _remembered(rows: pa.Table) -> pa.Table:
    columns = ("key", "source_etag", "store_etag", "size")
    return pa.table({name: rows.column(name) for name in columns}).select(MEMORY_SCHEMA.names).cast(MEMORY_SCHEMA)


def _added(before: Adoption, found: RangeDiff) -> Adoption:
    modified = rows_with(found.rows, "set", [ChangeSet.MODIFIED.value])
    differing = rows_without(modified, "reason", [CONTENT_UNKNOWN]).num_rows
    objects = {name: found.counts[name].objects if name in found.counts else 0 for name in ChangeSet}
    adopted = found.unchanged.num_rows
    in_both = objects[ChangeSet.UNCHANGED] + objects[ChangeSet.MODIFIED] + objects[ChangeSet.SKIPPED]
    return Adoption(
        adopted=before.adopted + adopted,
        differing=before.differing + differing,
        unknown=before.unknown + in_both - adopted - differing,
        only_in_source=before.only_in_source + objects[ChangeSet.NEW],
        only_in_store=before.only_in_store + objects[ChangeSet.DUPLICATE],
    )
