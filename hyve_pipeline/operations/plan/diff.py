"""Compares two inventories range by range, and stores the differences as Parquet files and as text lists."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

from hyve_pipeline.core.base.arrow_columns import with_prefix
from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.ids import number_of
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import LIST_NAMES, SKIPPED_EXAMPLES, ChangeSet, Diff, sets_of, sets_with_list
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.key_lists import write_list
from hyve_pipeline.core.model.memory import Memory
from hyve_pipeline.core.model.ranges import cut_ranges
from hyve_pipeline.core.runtime.progress import estimate
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import open_inventory
from hyve_pipeline.operations.plan.compare_range import ALL_KEYS, COMPARE, ComparedRange, compare_range, end_comparison
from hyve_pipeline.operations.plan.future_dates import find_future_dates
from hyve_pipeline.operations.plan.memory import update_memory
from hyve_pipeline.operations.plan.one_bucket import find_shared_keys
from hyve_pipeline.operations.plan.shared_comparison import SHARED_ROWS, ComparisonOrder, compare_together
from hyve_pipeline.state.parquet import ParquetReader, digest
from hyve_pipeline.state.plans import next_id

# The sets whose lists name objects of the store.
_OF_STORE = (ChangeSet.DUPLICATE, ChangeSet.ALTERED)


def diff_inventories(
    context: SyncContext, source: Inventory, store: Inventory, *, shared_rows: int = SHARED_ROWS
) -> Diff:
    """Compare two inventories and store the result.

    What is remembered of earlier copies is brought up to date first, as it goes before the rule. Where the source is of
    an earlier time, the rule is ``content``.

    Writes the Parquet files, then replaces ``new.txt``, ``modified.txt`` and ``duplicate_stores.txt``
    in the sync's ``out`` folder, unless events named the keys. The lists contain whole keys, prefix included: of the
    source for new and modified, of the store for duplicates. If the options compare properties, there is
    ``drifted.txt`` too, with keys of the source, and ``altered.txt``, with keys of the store, if there are any. With a
    mapping, all of them are of the store.

    Args:
        context: the sync.
        source: the inventory of the source.
        store: the inventory of the store.
        shared_rows: rows of both inventories in a range that a process compares, where several do.

    Raises:
        BucketError: the properties or tags of an object were to be compared, and could not be read.
        StateError: an inventory's file is damaged or can't be read.
        ConfigurationError: an inventory is of another place than the sync's, of other versions, or of other keys than
            the other one.
    """
    _check_comparable(context, source, store)
    if source.as_of is not None:
        # Times say nothing of an earlier version: the store's copy of a later one is newer, and so is that of this one.
        context = context.overridden(compare="content")
    created = datetime.now(UTC)
    filters = context.settings.options.filter
    # What a duration means later is another time: the plan says which objects took part.
    context = context.overridden(filter=None if filters is None else filters.at(created))
    options = context.settings.options
    diff_id = next_id(context.state, created)
    estimate(COMPARE, max(source.objects, store.objects))
    memory = update_memory(context, source.place, store.place, number=number_of(diff_id))
    parts = _compare(context, source, store, memory, created, diff_id, shared_rows)
    lists = [
        name
        for name in sets_with_list(options)
        if name is not ChangeSet.ALTERED or any(name in part.counts for part in parts)
    ]
    files = {name: tuple(part.files[name] for part in parts) for name in lists}
    changes = tuple(part.changes for part in parts)
    uncompared = sum((Counter(part.uncompared) for part in parts), start=Counter[str]())
    compares_times = options.compare != "size" and options.versions == "current"
    diff = Diff(
        id=diff_id,
        sync=context.name,
        created=created,
        options=options,
        source=source,
        store=store,
        counts=_counts(parts, options, source, store),
        uncompared=dict(uncompared),
        unpinned=sum(part.unpinned for part in parts),
        newer=sum(part.newer for part in parts),
        hidden=sum(part.hidden for part in parts),
        skipped_examples=tuple(example for part in parts for example in part.skipped_examples)[:SKIPPED_EXAMPLES],
        shared=find_shared_keys(context, _as_listed(context, source), _as_listed(context, store)),
        future=find_future_dates(context.state, source, created) if compares_times else None,
        memory=None if memory is None else memory.id,
        changes=changes,
        digest=digest(context.state, changes),
        files=files,
    )
    # Those of the plan that the user looks at stay, whatever comes by events.
    is_by_events = source.named is not None and source.named.by == "events"
    if not is_by_events:
        _write_lists(context, files)
    context.diffs.save(diff)
    end_comparison(options, sum(count.objects for part in parts for count in part.counts.values()))
    for name in LIST_NAMES.keys() - set(lists) if not is_by_events else ():
        # A list of an earlier plan must not stay beside those of this one.
        context.lists.remove(f"{LIST_NAMES[name]}.txt")
    return diff


def _check_comparable(context: SyncContext, source: Inventory, store: Inventory) -> None:
    """Make sure that two inventories are of what the sync is now.

    Raises:
        ConfigurationError: one of them is of another place, of other versions, mapping or keys.
    """
    for inventory in (source, store):
        if not context.is_place(inventory.side, inventory.place):
            raise ConfigurationError(
                f"the inventory of the {inventory.side} is of {inventory.place.uri} at {inventory.place.shown_server}, "
                f"and the {inventory.side} is another place now: take both inventories again, by 'hyve dryrun'"
            )
        if inventory.versions != context.settings.options.versions:
            raise ConfigurationError(
                f'the inventory of the {inventory.side} was taken with versions = "{inventory.versions}", which is now '
                f"\"{context.settings.options.versions}\": take both inventories again, by 'hyve dryrun'"
            )
        if inventory.rules != context.settings.mapping:
            raise ConfigurationError(
                f"the inventory of the {inventory.side} was taken with another mapping than that of the sync now: take "
                "both inventories again, by 'hyve dryrun'"
            )
    if source.named != store.named:
        raise ConfigurationError(
            "the inventories of source and store are not of the same keys, so what one of them lacks says nothing: "
            "take both again, by 'hyve dryrun'"
        )


def _as_listed(context: SyncContext, inventory: Inventory) -> Inventory:
    """The inventory with the keys that the bucket has; one of some keys as it is."""
    if inventory.named is not None or inventory.mapped is None or inventory.mapped.whole is None:
        return inventory
    return context.inventories(inventory.side).load(inventory.mapped.whole)


def _counts(parts: Sequence[ComparedRange], options: Options, *inventories: Inventory) -> dict[ChangeSet, Count]:
    """Objects and bytes of each set; among the excluded ones are those that no rule of the mapping is about."""
    counts = {name: sum((part.counts.get(name, Count()) for part in parts), start=Count()) for name in sets_of(options)}
    left_out = (one.mapped.left_out for one in inventories if one.mapped is not None)
    counts[ChangeSet.EXCLUDED] = sum(left_out, start=counts[ChangeSet.EXCLUDED])
    return counts


def _compare(
    context: SyncContext,
    source: Inventory,
    store: Inventory,
    memory: Memory | None,
    created: datetime,
    diff_id: str,
    shared_rows: int,
) -> list[ComparedRange]:
    """Compare all keys; many of them together with other processes."""
    if context.state.local_path is None and source.objects + store.objects >= 2 * shared_rows:
        with (
            open_inventory(context.state, source) as one,
            open_inventory(context.state, store) as two,
        ):
            ranges = tuple(cut_ranges([*one.chunks, *two.chunks], shared_rows))
        order = ComparisonOrder(
            id=diff_id,
            source=source.id,
            store=store.id,
            memory=None if memory is None else memory.id,
            created=created,
            options=context.settings.options,
            ranges=ranges,
        )
        return compare_together(context, order, source, store)
    return [compare_range(context, source, store, memory, created, ALL_KEYS, f"diffs/{diff_id}")]


def _write_lists(context: SyncContext, files: Mapping[ChangeSet, Sequence[str]]) -> None:
    """Replace the text lists by the keys of these files, prefix included."""
    with ExitStack() as stack:
        for name, parts in files.items():
            is_of_store = name in _OF_STORE or context.settings.mapping
            prefix = context.place("store" if is_of_store else "source").prefix
            stream = stack.enter_context(context.lists.writing(f"{LIST_NAMES[name]}.txt"))
            for part in parts:
                with ParquetReader(context.state, part) as reader:
                    for number in range(reader.row_groups):
                        keys = reader.read([number], ["key"]).column("key")
                        write_list(stream, [with_prefix(prefix, keys)])
