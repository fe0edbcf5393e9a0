"""Inventories and journals of buckets that do not exist, for measurements without any server."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa

from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA, Inventory, KeyRange, RangeEnd, RangeProof, Side
from hyve_pipeline.core.model.journal import AttemptSummary, JournalRow, Outcome, OutcomeCounter, to_table
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import cut_ranges
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.model.verification import DIFFERENCE_SCHEMA, Verification
from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import open_inventory
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.plan.freeze import read_shard
from hyve_pipeline.state.ended import mark_ended
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.journals import AttemptBegun
from hyve_pipeline.state.parquet import writing_parquet
from hyve_pipeline.state.plans import next_id

# As listings write them.
_ROW_GROUP_ROWS = 50_000

_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)

# Of each thousand keys: those that only the source has, those that only the store has, and those that changed.
_NEW, _DUPLICATE, _MODIFIED = 10, 5, 10

_SETTINGS = """
[sync.images]
apply = "all"
[sync.images.source]
bucket = "made-up-source"
region = "us-east-1"
endpoint_url = "http://127.0.0.1:9"
[sync.images.store]
bucket = "made-up-store"
region = "us-east-1"
endpoint_url = "http://127.0.0.1:9"
[sync.images.options]
max_deletes = "100%"
"""


def make_home(path: Path, options: str = "") -> SyncContext:
    """A home with one sync between two buckets that do not exist; `options` are more lines of its options."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "hyve.toml").write_text(f"{_SETTINGS}{options}\n")
    return open_home(path)


def open_home(path: Path) -> SyncContext:
    """The sync of a home that was made."""
    return SyncContext.choose(Home(path), "images")


def make_inventories(
    context: SyncContext, objects: int, *, is_store_empty: bool = False, has_random_names: bool = False
) -> None:
    """Write an inventory of each side with about so many keys.

    Args:
        context: the sync.
        objects: how many.
        is_store_empty: whether the store has none, so that everything is new.
        has_random_names: whether the keys contain random digits, as names made from hashes do, and not only numbers.
    """
    with ExitStack() as stack:
        writers = {side: stack.enter_context(closing(_InventoryWriter(context, side))) for side in ("source", "store")}
        for source, store in _tables(objects, has_random_names=has_random_names):
            writers["source"].write(source)
            writers["store"].write(store.slice(0, 0) if is_store_empty else store)


def newest_inventories(context: SyncContext) -> tuple[Inventory, Inventory]:
    """The inventories of source and store that were made."""
    source, store = context.inventories("source").newest(), context.inventories("store").newest()
    if source is None or store is None:
        raise SystemExit(f"{context.home.path}: there are no inventories yet")
    return source, store


class _InventoryWriter:
    def __init__(self, context: SyncContext, side: Side) -> None:
        self._context = context
        self._side: Side = side
        self._shelf = context.inventories(side)
        self._id = next_id(context.state, datetime.now(UTC))
        self._file = self._shelf.file_name(self._id)
        self._stack = ExitStack()
        self._writer = self._stack.enter_context(
            writing_parquet(context.state, self._file, INVENTORY_SCHEMA, repetitive=["storage_class", "restored_until"])
        )
        self._objects = self._bytes = 0
        self._first: str | None = None
        self._last: str | None = None

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        if not table.num_rows:
            return
        self._writer.write_table(table, row_group_size=_ROW_GROUP_ROWS)
        keys = table.column("key")
        self._first = self._first or keys[0].as_py()
        self._last = keys[-1].as_py()
        self._objects += table.num_rows
        self._bytes += sum(table.column("size").to_pylist())

    def close(self) -> None:
        """Complete the file, and write the manifest."""
        self._stack.close()
        now = datetime.now(UTC)
        proof = RangeProof(
            range=KeyRange(),
            first_key=self._first,
            last_key=self._last,
            keys=self._objects,
            pages=max(1, -(-self._objects // 1_000)),
            end=RangeEnd.END_OF_LISTING,
        )
        inventory = Inventory(
            id=self._id,
            side=self._side,
            place=self._context.located(self._side),
            files=(self._file,),
            started=now,
            ended=now,
            objects=self._objects,
            bytes=self._bytes,
            oldest=_BEGIN if self._objects else None,
            newest=_BEGIN if self._objects else None,
            proof=(proof,),
        )
        self._shelf.save(inventory)


def _tables(objects: int, *, has_random_names: bool) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Rows of both sides in key order: names as of photos, sizes and ETags without any pattern."""
    chance = random.Random(1)  # noqa: S311 - it has to be the same each time
    for begin in range(0, objects, _ROW_GROUP_ROWS):
        numbers = range(begin, min(begin + _ROW_GROUP_ROWS, objects))
        count = len(numbers)
        digits = [chance.randbytes(10).hex() if has_random_names else "" for _ in numbers]
        keys = [
            f"albums/{number // 500:08d}/photo-{number:012d}{random}.jpg"
            for number, random in zip(numbers, digits, strict=True)
        ]
        text = chance.randbytes(16 * count).hex()
        etags = [text[place : place + 32] for place in range(0, 32 * count, 32)]
        draws = [int.from_bytes(chance.randbytes(3)) for _ in numbers]
        sizes = [20_000 + draw % 2_000_000 for draw in draws]
        times = [_BEGIN + timedelta(seconds=draw) for draw in draws]
        source = [number for number, draw in enumerate(draws) if not _NEW <= draw % 1_000 < _NEW + _DUPLICATE]
        store = [number for number, draw in enumerate(draws) if draw % 1_000 >= _NEW]
        table = _table(keys, sizes, times, etags)
        # A copy is later than what was copied, unless the source has changed since.
        day = timedelta(days=1)
        is_modified = [500 <= draw % 1_000 < 500 + _MODIFIED for draw in draws]
        copied = [time - day if modified else time + day for time, modified in zip(times, is_modified, strict=True)]
        yield table.take(source), _table(keys, sizes, copied, etags).take(store)


def _table(keys: list[str], sizes: list[int], times: list[datetime], etags: list[str]) -> pa.Table:
    rows = {
        "key": keys,
        "size": sizes,
        "last_modified": times,
        "etag": etags,
        "storage_class": ["STANDARD"] * len(keys),
        "restored_until": [None] * len(keys),
    }
    return pa.Table.from_pydict(rows, INVENTORY_SCHEMA)


def make_verification(context: SyncContext, plan: Plan) -> None:
    """Verify a plan that is done: the store has the source's objects."""
    source, _ = newest_inventories(context)
    with closing(open_inventory(context.state, source)) as rows, closing(_InventoryWriter(context, "store")) as writer:
        for key_range in cut_ranges(rows.chunks, _ROW_GROUP_ROWS):
            writer.write(rows.read(key_range))
    _, store = newest_inventories(context)
    path = f"verifications/{plan.id}/{store.id}"
    with writing_parquet(context.state, f"{path}.parquet", DIFFERENCE_SCHEMA):
        pass
    verification = Verification(
        sync=context.name,
        plan=plan.id,
        ended=datetime.now(UTC),
        objects=store.objects,
        differences={},
        examples=(),
        inventory=store.id,
        file=f"{path}.parquet",
        attempts=plan_status(context, plan).attempts,
    )
    context.state.write_manifest(f"{path}.json", verification)


def make_journal(context: SyncContext, plan: Plan) -> None:
    """Journal every object of a plan as done, shard by shard, without doing anything or waiting for the disk."""
    with patch("os.fsync"):
        for shard in plan.shards:
            _journal_shard(context.state, plan, shard, read_shard(context, plan, shard))


def _journal_shard(state: Folder, plan: Plan, shard: Shard, objects: pa.Table) -> None:
    now = datetime.now(UTC)
    folder = f"journals/{plan.id}/{shard.number:04d}/0001"
    state.write_manifest(f"{folder}/begun.json", AttemptBegun(attempt=1, run_id="made up", started=now))
    counter = OutcomeCounter()
    columns = (objects.column(name).to_pylist() for name in ("key", "size", "source_etag"))
    rows = [
        JournalRow(key, shard.action, Outcome.DONE, now, size, etag_after=etag)
        for key, size, etag in zip(*columns, strict=True)
    ]
    for row in rows:
        counter.add(row)
    table = to_table(rows)
    with writing_parquet(state, f"{folder}/000001.parquet", table.schema) as writer:
        writer.write_table(table)
    summary = AttemptSummary(**dict(counter.outcomes()), attempt=1, run_id="made up", started=now, ended=now)
    state.write_manifest(f"{folder}/summary.json", summary)
    mark_ended(state, plan.id, shard.number, summary)
