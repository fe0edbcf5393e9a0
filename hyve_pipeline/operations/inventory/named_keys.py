"""Takes inventories that are restricted to some keys: each is looked at by HEAD, and the bucket must answer for each.

Where the keys are so many that a listing of the whole bucket costs less, it is listed, see `restricted`. Nothing is
known of any other key, so a plan of these inventories can copy and delete none.

With a mapping the keys are those that plans have, of the store. The source is asked for the one key that becomes each.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pyarrow as pa

from hyve_pipeline.core.base.errors import ConfigurationError, StateError
from hyve_pipeline.core.model.inventory import (
    INVENTORY_SCHEMA,
    Inventory,
    MappedKeys,
    RangeEnd,
    Side,
)
from hyve_pipeline.core.model.named_keys import NAMED_KEYS_SCHEMA, NamedBy, NamedKeys
from hyve_pipeline.core.runtime.progress import end, expect, report
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.both_sides import for_each_side
from hyve_pipeline.operations.inventory.list_range import RowGroups
from hyve_pipeline.operations.inventory.mapped import map_inventory
from hyve_pipeline.operations.inventory.mapped_objects import has_mapped_object
from hyve_pipeline.operations.inventory.object_rows import rows_of_keys
from hyve_pipeline.operations.inventory.restricted import is_cheaper_by_listing, restrict
from hyve_pipeline.operations.inventory.take import take_inventory
from hyve_pipeline.operations.inventory.versioning import versioning_of
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.probe import probe_bucket
from hyve_pipeline.s3.wire.errors import naming_bucket
from hyve_pipeline.state.parquet import ParquetReader, digest, writing_parquet
from hyve_pipeline.state.plans import named_keys_file, next_id


def keep_named_keys(context: SyncContext, keys: Iterable[str], by: NamedBy, left_out: int = 0) -> NamedKeys:
    """Write the keys that inventories are to be restricted to.

    Args:
        context: the sync.
        keys: the keys below the prefix, as plans have them, in any order; one that is there twice counts once.
        by: who names them.
        left_out: how many other keys were named, which no rule of the mapping is about.

    Raises:
        StateError: they can't be written.
    """
    ordered = sorted(set(keys))
    named_id = next_id(context.state, datetime.now(UTC))
    file = named_keys_file(named_id)
    with writing_parquet(context.state, file, NAMED_KEYS_SCHEMA, repetitive=[]) as writer:
        # So many are looked at before their rows are written.
        at_once = context.bounds.keys_looked_at
        for start in range(0, len(ordered), at_once):
            writer.write_table(pa.table({"key": ordered[start : start + at_once]}, NAMED_KEYS_SCHEMA))
    written = digest(context.state, [file])
    return NamedKeys(id=named_id, by=by, keys=len(ordered), file=file, digest=written, left_out=left_out)


def take_named_inventories(context: SyncContext, sides: Sequence[Side], named: NamedKeys) -> dict[Side, Inventory]:
    """Look at some keys of some sides at the same time, and keep what is there as inventories.

    Args:
        context: the sync.
        sides: which buckets.
        named: the keys, see `keep_named_keys`.

    Raises:
        ConfigurationError: the state belongs to other buckets, or the sync is of all versions.
        BucketError: a bucket can't be reached.
        RefusedError: the whole source was listed, and by the mapping two keys would become one.
        IncompleteInventoryError: a bucket did not say of a key whether it is there; nothing is kept.
        StateError: the keys are missing or damaged, or a file can't be written.
    """
    if context.settings.options.versions == "all":
        raise ConfigurationError('a plan of some keys can\'t be combined with versions = "all"')
    context.check_pair()
    return for_each_side(sides, lambda side: _take(context, side, named))


def _take(context: SyncContext, side: Side, named: NamedKeys) -> Inventory:
    if is_cheaper_by_listing(named.keys, _known_objects(context, side), context.bounds.keys_by_head):
        return restrict(context, map_inventory(context, take_inventory(context, side), context.settings.mapping), named)
    with context.connect(context.place(side)) as connection, naming_bucket(connection.place):
        return _look(context, side, connection, named)


def _look(context: SyncContext, side: Side, connection: Connection, named: NamedKeys) -> Inventory:
    place, rules, activity = connection.place, context.settings.mapping, f"look at {side}"
    if rules and side == "source":
        place = place.model_copy(update={"mapping": rules})
    prefix = place.prefix
    expect(activity, named.keys, 0)
    # HEAD answers alike for a missing object and a missing bucket. It is also known then whether the bucket is empty.
    is_empty = not probe_bucket(connection).answer.page.keys
    started = datetime.now(UTC)
    shelf = context.inventories(side)
    inventory_id = next_id(context.state, started)
    file = shelf.named_file_name(inventory_id)
    concurrency = context.settings.options.concurrency
    looked_at = 0
    with (
        writing_parquet(context.state, file, INVENTORY_SCHEMA, repetitive=["storage_class"]) as writer,
        ParquetReader(context.state, named.file) as keys,
    ):
        rows = RowGroups(writer, place.uri, context.bounds)
        for table in keys.tables():
            # The key in the bucket, and the key in the inventory.
            names = {place.key_of(key): prefix + key for key in table.column("key").to_pylist()}
            found = rows_of_keys(connection, [*names], concurrency, lambda: report(activity, 1, 0))
            looked_at += len(found)
            there = [row | {"key": names[key]} for key, row in found.items() if row is not None]
            if there:
                rows.add(pa.Table.from_pylist(there, INVENTORY_SCHEMA))
        rows.flush()
        if looked_at != named.keys:
            uri = context.state.uri_of(named.file)
            raise StateError(f"{uri}: damaged: it has {looked_at} keys, its inventories are of {named.keys}")
        proof = rows.prove(max(looked_at, 1), RangeEnd.ALL_NAMED)
    if rules and side == "source" and not is_empty and rows.objects == 0:
        is_empty = not has_mapped_object(connection, rules)
    inventory = Inventory(
        id=inventory_id,
        side=side,
        place=place,
        files=(file,),
        started=started,
        ended=datetime.now(UTC),
        objects=rows.objects,
        bytes=rows.bytes,
        oldest=rows.oldest,
        newest=rows.newest,
        proof=(proof,),
        versioning=versioning_of(context, place) if side == "store" else None,
        named=named,
        bucket_objects=0 if is_empty else max(_known_own_objects(context, side), rows.objects, 1),
        mapped=MappedKeys(rules=rules) if rules else None,
    )
    shelf.save(inventory)
    end(activity, inventory.objects, inventory.bytes)
    return inventory


def _known_objects(context: SyncContext, side: Side) -> int:
    """How many objects a bucket had by its newest whole inventory; 0 if there is none."""
    try:
        newest = context.inventories(side).newest()
    except StateError:
        return 0
    return newest.objects if newest is not None and context.is_place(side, newest.place) else 0


def _known_own_objects(context: SyncContext, side: Side) -> int:
    """Likewise, but only those that the sync is about: limits are shares of these."""
    rules = context.settings.mapping
    if not rules:
        return _known_objects(context, side)
    try:
        newest = context.inventories(side).newest_mapped()
    except StateError:
        return 0
    is_known = newest is not None and newest.rules == rules and context.is_place(side, newest.place)
    return newest.objects if newest is not None and is_known else 0


def drop_named(context: SyncContext, inventories: Iterable[Inventory]) -> None:
    """Remove inventories of some keys, and these keys, of which no plan is made.

    Raises:
        StateError: a file can't be removed.
    """
    for inventory in inventories:
        for name in {*inventory.files, *(() if inventory.named is None else (inventory.named.file,))}:
            context.state.remove(name)
        context.inventories(inventory.side).drop_named(inventory.id)
