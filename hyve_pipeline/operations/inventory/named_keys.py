"""Takes inventories that are restricted to some keys: each is looked at by HEAD, and the bucket must answer for each.

Where the keys are so many that a listing of the whole bucket costs less, it is listed, see `restricted`. Nothing is
known of any other key, so a plan of these inventories can copy and delete none.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Event
from typing import Any

import pyarrow as pa

from hyve_pipeline.core.base.errors import ConfigurationError, IncompleteInventoryError, StateError
from hyve_pipeline.core.model.inventory import (
    INVENTORY_SCHEMA,
    Inventory,
    KeyRange,
    RangeEnd,
    Side,
)
from hyve_pipeline.core.model.named_keys import NAMED_KEYS_SCHEMA, NamedBy, NamedKeys
from hyve_pipeline.core.runtime.interruption import interrupted_by
from hyve_pipeline.core.runtime.progress import end, expect, report
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.operations.apply.listing_check import just_before
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.list_range import RowGroups
from hyve_pipeline.operations.inventory.restricted import is_cheaper_by_listing, restrict
from hyve_pipeline.operations.inventory.take import take_inventory
from hyve_pipeline.operations.inventory.versioning import versioning_of
from hyve_pipeline.operations.requests.in_flight import Reply, run_in_flight
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.bucket_listing import BucketListing
from hyve_pipeline.s3.listing.pages import is_usable_etag
from hyve_pipeline.s3.listing.probe import probe_bucket
from hyve_pipeline.s3.objects.exact_key import is_other_key
from hyve_pipeline.s3.objects.head import ObjectHead, head_object
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, S3RequestError, bucket_error
from hyve_pipeline.state.parquet import ParquetReader, digest, writing_parquet
from hyve_pipeline.state.plans import named_keys_file, next_id

# Keys that are looked at before their rows are written.
_AT_ONCE = 10_000

# With these HEAD may be refused for an object that a listing has: its owner encrypts it with a key of his own, or
# nobody may read it. It is listed then, and a copy of it is skipped or fails as in a plan of all keys.
_REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN)

_Row = dict[str, Any]


def keep_named_keys(context: SyncContext, keys: Iterable[str], by: NamedBy) -> NamedKeys:
    """Write the keys that inventories are to be restricted to.

    Args:
        context: the sync.
        keys: the keys below the prefix, in any order; one that is there twice counts once.
        by: who names them.

    Raises:
        StateError: they can't be written.
    """
    ordered = sorted(set(keys))
    named_id = next_id(context.state, datetime.now(UTC))
    file = named_keys_file(named_id)
    with writing_parquet(context.state, file, NAMED_KEYS_SCHEMA, repetitive=[]) as writer:
        for start in range(0, len(ordered), _AT_ONCE):
            writer.write_table(pa.table({"key": ordered[start : start + _AT_ONCE]}, NAMED_KEYS_SCHEMA))
    return NamedKeys(id=named_id, by=by, keys=len(ordered), file=file, digest=digest(context.state, [file]))


def take_named_inventories(context: SyncContext, sides: Sequence[Side], named: NamedKeys) -> dict[Side, Inventory]:
    """Look at some keys of some sides at the same time, and keep what is there as inventories.

    Args:
        context: the sync.
        sides: which buckets.
        named: the keys, see `keep_named_keys`.

    Raises:
        ConfigurationError: the state belongs to other buckets, or the sync is of all versions or has a mapping.
        BucketError: a bucket can't be reached.
        IncompleteInventoryError: a bucket did not say of a key whether it is there; nothing is kept.
        StateError: the keys are missing or damaged, or a file can't be written.
    """
    if context.settings.options.versions == "all":
        raise ConfigurationError('a plan of some keys can\'t be combined with versions = "all"')
    if context.settings.mapping:
        raise ConfigurationError(
            "a plan of some keys can't be combined with mapping: some keys of two names do not show whether source and "
            "store are one bucket"
        )
    context.check_pair()
    stop = Event()

    def take(side: Side) -> Inventory:
        with interrupted_by(stop):
            return _take(context, side, named)

    with ThreadPoolExecutor(len(sides), thread_name_prefix="inventory") as pool:
        futures: dict[Side, Future[Inventory]] = {side: pool.submit(take, side) for side in sides}
        try:
            return {side: future.result() for side, future in futures.items()}
        except BaseException:
            stop.set()  # one side failed, or the user interrupted: stop the other
            raise


def _take(context: SyncContext, side: Side, named: NamedKeys) -> Inventory:
    if is_cheaper_by_listing(named.keys, _known_objects(context, side)):
        return restrict(context, take_inventory(context, side), named)
    with context.connect(context.place(side)) as connection:
        try:
            return _look(context, side, connection, named)
        except S3RequestError as error:
            raise bucket_error(error, connection.place) from error


def _look(context: SyncContext, side: Side, connection: Connection, named: NamedKeys) -> Inventory:
    place, activity = connection.place, f"look at {side}"
    expect(activity, named.keys, 0)
    # HEAD answers alike for a missing object and a missing bucket. It is also known then whether the bucket is empty.
    is_empty = not _has_object(connection)
    started = datetime.now(UTC)
    shelf = context.inventories(side)
    inventory_id = next_id(context.state, started)
    file = shelf.named_file_name(inventory_id)
    concurrency = context.settings.options.concurrency
    looked_at = 0
    with (
        writing_parquet(context.state, file, INVENTORY_SCHEMA, repetitive=["storage_class"]) as writer,
        closing(ParquetReader(context.state, named.file)) as keys,
    ):
        rows = RowGroups(writer, place.uri)
        for table in keys.tables():
            found: dict[str, _Row | None] = {}
            whole = [place.key_of(key) for key in table.column("key").to_pylist()]
            works = (_look_at(connection, key, found) for key in whole)
            run_in_flight(works, concurrency, lambda _: report(activity, 1, 0))
            looked_at += len(found)
            there = [row for key in whole if (row := found[key]) is not None]
            if there:
                rows.add(pa.Table.from_pylist(there, INVENTORY_SCHEMA))
        rows.flush()
        if looked_at != named.keys:
            uri = context.state.uri_of(named.file)
            raise StateError(f"{uri}: damaged: it has {looked_at} keys, its inventories are of {named.keys}")
        proof = rows.prove(max(looked_at, 1), RangeEnd.ALL_NAMED)
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
        bucket_objects=0 if is_empty else max(_known_objects(context, side), rows.objects, 1),
    )
    shelf.save(inventory)
    end(activity, inventory.objects, inventory.bytes)
    return inventory


def _has_object(connection: Connection) -> bool:
    return bool(probe_bucket(connection).answer.page.keys)


def _known_objects(context: SyncContext, side: Side) -> int:
    """How many objects a bucket had by its newest whole inventory; 0 if there is none."""
    try:
        newest = context.inventories(side).newest()
    except StateError:
        return 0
    return newest.objects if newest is not None and context.is_place(side, newest.place) else 0


async def _look_at(connection: Connection, key: str, found: dict[str, _Row | None]) -> None:
    """Look at one whole key.

    Raises:
        S3RequestError: the bucket did not answer.
        IncompleteInventoryError: the answer does not say what is there.
    """
    tries = Tries()
    try:
        head = await tries.answer(lambda: head_object(connection, key, needs_size=True))
        if head is not None and connection.place.server != AWS:
            # Servers that store files may have found an object of a similar key.
            head = None if await tries.answer(lambda: is_other_key(connection, key)) else head
    except S3RequestError as error:
        if error.status not in _REFUSED and error.code != INVALID_RESPONSE:
            raise
        found[key] = await Reply(connection.workers.submit(_list_one, connection, key))
        return
    found[key] = None if head is None else _row(connection, key, head)


def _row(connection: Connection, key: str, head: ObjectHead) -> _Row:
    if head.size is None:
        raise IncompleteInventoryError(f"{connection.place.uri}: the server does not say how large {key!r} is")
    return {
        "key": key,
        "size": head.size,
        "last_modified": head.last_modified,
        "etag": head.etag if is_usable_etag(head.etag) else "",
        "storage_class": head.storage_class,
        "restored_until": head.restored_until,
    }


def _list_one(connection: Connection, key: str) -> _Row | None:
    """What a listing has of one key; None if nothing.

    Raises:
        BucketError, IncompleteInventoryError: it can't be listed.
    """
    span = KeyRange(after=just_before(key), until=key)
    for _, page in BucketListing(connection, key_range=span, ceiling=1, stop=connection.closing):
        for row in page.table.to_pylist():
            if row["key"] == key:
                return row
    return None


def drop_named(context: SyncContext, inventories: Iterable[Inventory]) -> None:
    """Remove inventories of some keys, and these keys, of which no plan is made.

    Raises:
        StateError: a file can't be removed.
    """
    for inventory in inventories:
        for name in {*inventory.files, *(() if inventory.named is None else (inventory.named.file,))}:
            context.state.remove(name)
        context.inventories(inventory.side).drop_named(inventory.id)
