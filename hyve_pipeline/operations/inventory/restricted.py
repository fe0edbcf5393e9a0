"""Inventories that are restricted to some keys, made by listing the whole bucket, where that is cheaper than HEADs."""

from hyve_pipeline.core.base.arrow_columns import rows_with
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA, Inventory, RangeEnd
from hyve_pipeline.core.model.named_keys import NamedKeys
from hyve_pipeline.core.model.ranges import cut_ranges
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.list_range import RowGroups, derived_inventory
from hyve_pipeline.operations.inventory.sorted_rows import SortedRows, open_inventory
from hyve_pipeline.state.parquet import writing_parquet
from hyve_pipeline.state.plans import next_id

# A request that lists 1,000 keys costs as much as this many HeadObject: 0.005 to 0.0004 dollars a thousand.
# https://aws.amazon.com/s3/pricing/
_HEADS_A_PAGE = 12.5
_PAGE_KEYS = 1_000


def is_cheaper_by_listing(keys: int, objects: int, always_by_head: int = WorkBounds.keys_by_head) -> bool:
    """Whether listing a bucket costs less than a HeadObject for each of some keys.

    Args:
        keys: how many keys.
        objects: how many objects the bucket has, by its newest whole inventory; 0 where that is not known.
        always_by_head: for so many keys nothing is listed.
    """
    return keys > always_by_head and 0 < objects / _PAGE_KEYS * _HEADS_A_PAGE <= keys


def restrict(context: SyncContext, whole: Inventory, named: NamedKeys) -> Inventory:
    """Keep of a whole inventory the rows of some keys, as an inventory of its own.

    Args:
        context: the sync.
        whole: the inventory, which was proved complete.
        named: the keys.

    Raises:
        StateError: a file is damaged, or can't be written.
    """
    shelf = context.inventories(whole.side)
    inventory_id = next_id(context.state, whole.started)
    file = shelf.named_file_name(inventory_id)
    prefix = whole.place.prefix
    with (
        SortedRows(context.state, [named.file]) as keys,
        open_inventory(context.state, whole) as listed,
        writing_parquet(context.state, file, INVENTORY_SCHEMA, repetitive=["storage_class"]) as writer,
    ):
        rows = RowGroups(writer, whole.place.uri, context.bounds)
        for key_range in cut_ranges([*keys.chunks, *listed.chunks], context.bounds.range_rows):
            wanted = [
                prefix + key
                for key in keys.read(key_range).column("key").to_pylist()
                if key_range.first <= key and (key_range.end is None or key < key_range.end)
            ]
            if not wanted:
                continue
            found = rows_with(listed.read(key_range), "key", wanted).select(INVENTORY_SCHEMA.names)
            if found.num_rows:
                rows.add(found)
        rows.flush()
        proof = rows.prove(sum(walk.pages for walk in whole.proof), RangeEnd.ALL_NAMED)
    inventory = derived_inventory(whole, inventory_id, file, rows, proof, named=named, bucket_objects=whole.objects)
    shelf.save(inventory)
    return inventory
