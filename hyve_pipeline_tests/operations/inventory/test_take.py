"""Taking inventories of real buckets: complete with a proof, or not at all."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError, HyveError, IncompleteInventoryError
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA, Inventory, Side, check_proof
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.take import take_inventories, take_inventory
from hyve_pipeline.state.parquet import ParquetReader, open_dataset
from hyve_pipeline_tests.faults import FaultyServer, restoring
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer, listing, listing_entry, listing_of
from hyve_pipeline_tests.syncs import MakePair, Pair


def _rows(context: SyncContext, inventory: Inventory) -> list[dict[str, object]]:
    table = open_dataset(context.state, inventory.files).to_table()
    assert table.schema.equals(INVENTORY_SCHEMA)
    return table.to_pylist()


def _kept(pair: Pair, side: Side = "source") -> list[str]:
    """Names of all files that belong to inventories of a side, finished or not."""
    return pair.state_files(f"inventories/{side}")


def _is_second_page(received: Received) -> bool:
    return bool({"continuation-token", "start-after", "marker"} & set(received.query))


def test_an_inventory_is_what_the_bucket_lists(pair: Pair) -> None:
    pair.source.put({f"img/{number}": b"x" * number for number in range(20)}, StorageClass="STANDARD_IA")
    pair.source.put(dict.fromkeys(ODD_KEYS, b"odd"))
    inventory = take_inventory(pair.context(), "source")
    listed = pair.source.listing()
    assert [
        (row["key"], row["last_modified"], f'"{row["etag"]}"', row["size"]) for row in _rows(pair.context(), inventory)
    ] == [(key, *listed[key]) for key in sorted(listed, key=str.encode)]
    assert {row["storage_class"] for row in _rows(pair.context(), inventory) if str(row["key"]).startswith("img/")} == {
        "STANDARD_IA"
    }
    assert (inventory.objects, inventory.bytes) == (len(listed), sum(size for _, _, size in listed.values()))
    assert (inventory.oldest, inventory.newest) == (
        min(time for time, _, _ in listed.values()),
        max(time for time, _, _ in listed.values()),
    )
    check_proof(inventory.proof, len(listed), inventory.place.uri)
    assert inventory.started <= inventory.ended
    assert inventory.place == pair.context().located("source")
    context = pair.context()
    assert context.inventories("source").load(inventory.id) == inventory


@pytest.mark.parametrize(("versioned", "state"), [(True, "enabled"), (False, "never enabled")])
def test_a_store_says_whether_it_keeps_versions(versioned: bool, state: str, make_pair: MakePair) -> None:
    pair = make_pair(versioned=versioned)
    assert take_inventory(pair.context(), "store").versioning == state
    assert take_inventory(pair.context(), "source").versioning is None


@pytest.mark.parametrize(
    "answer", [error_answer(501, "NotImplemented"), error_answer(403, "AccessDenied"), error_answer(503, "SlowDown")]
)
def test_a_store_that_does_not_say_whether_it_keeps_versions_is_listed(
    answer: Answer, make_pair: MakePair, faulty: FaultyServer
) -> None:
    pair = make_pair(through=faulty)
    pair.store.put({"a": b"1"})
    faulty.fault = lambda received: answer if "versioning" in received.query else None
    inventory = take_inventory(pair.context(), "store")
    assert (inventory.objects, inventory.versioning) == (1, None)


def test_a_source_says_what_was_restored_and_a_store_is_not_asked(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    for bucket in (pair.source, pair.store):
        bucket.put({f"{number}": b"1" for number in range(9)}, StorageClass="GLACIER")
    faulty.page_keys = 4
    faulty.fault = restoring(faulty, "2030-01-02T03:04:05.000Z")
    taken = take_inventories(pair.context(), ["source", "store"])
    until = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert [row["restored_until"] for row in _rows(pair.context(), taken["source"])] == [until] * 9
    assert [row["restored_until"] for row in _rows(pair.context(), taken["store"])] == [None] * 9
    asked = {one.path: one.headers.get("x-amz-optional-object-attributes") for one in faulty.received}
    assert asked == {f"/{pair.source.name}": "RestoreStatus", f"/{pair.store.name}": None}


def test_a_source_that_refuses_to_be_asked_is_listed_all_the_same(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number}": b"1" for number in range(9)})
    faulty.page_keys = 4
    faulty.fault = lambda received: (
        error_answer(501, "NotImplemented") if "x-amz-optional-object-attributes" in received.headers else None
    )
    assert take_inventory(pair.context(), "source").objects == 9


def test_an_empty_bucket_has_an_inventory_too(pair: Pair) -> None:
    inventory = take_inventory(pair.context(), "store")
    assert (inventory.objects, inventory.bytes, inventory.oldest, inventory.newest) == (0, 0, None, None)
    assert _rows(pair.context(), inventory) == []
    check_proof(inventory.proof, 0, inventory.place.uri)


def test_only_what_is_below_the_prefix_is_listed(make_pair: MakePair) -> None:
    pair = make_pair(prefixes=("img/", ""))
    pair.source.put(dict.fromkeys(["img", "img/a", "img/b/c", "img0", "imga/x", "a"], b"1"))
    inventory = take_inventory(pair.context(), "source")
    assert [row["key"] for row in _rows(pair.context(), inventory)] == ["img/a", "img/b/c"]


def test_pages_become_row_groups_without_loss(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    faulty.page_keys = 3
    keys = [f"{number:02d}" for number in range(25)]
    pair.source.put(dict.fromkeys(keys, b"1"))
    inventory = take_inventory(replace(pair.context(), bounds=WorkBounds(row_group_rows=7)), "source")
    assert [row["key"] for row in _rows(pair.context(), inventory)] == keys
    assert sum(walk.pages for walk in inventory.proof) >= 9
    assert sum(walk.keys for walk in inventory.proof) == inventory.objects == 25
    assert sum(ParquetReader(pair.state, file).row_groups for file in inventory.files) > 1


def _torn(answer: Answer) -> Answer:
    return Answer(answer.body[: len(answer.body) // 2], answer.status, {})


@pytest.mark.parametrize(
    "answer",
    [
        error_answer(503, "SlowDown"),
        error_answer(500, "InternalError"),
        error_answer(403, "AccessDenied"),
        error_answer(404, "NoSuchBucket"),
        Answer(b""),
        Answer(b"<html>please log in</html>"),
        _torn(listing_of("99", truncated=False)),
        Answer(listing([listing_entry("00"), listing_entry("01")], elements="<KeyCount>2</KeyCount>")),
        listing_of("99", truncated=None),
        Answer(hang_up=True),
    ],
    ids=["503", "500", "403", "404", "empty", "html", "torn", "goes back", "does not say", "hangs up"],
)
def test_a_page_that_fails_leaves_no_inventory(answer: Answer, make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number:02d}": b"1" for number in range(9)})
    faulty.page_keys = 4
    faulty.fault = lambda received: answer if _is_second_page(received) else None
    with pytest.raises(HyveError) as raised:
        take_inventory(pair.context(), "source")
    assert isinstance(raised.value, IncompleteInventoryError | BucketError)
    assert raised.value.exit_code == 4
    message = str(raised.value)
    assert f"s3://{pair.source.name}/" in message
    assert "\n" not in message
    assert _kept(pair) == []


@pytest.mark.parametrize("side", ["source", "store"])
def test_one_side_that_fails_is_no_pair(side: Side, make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    bucket = getattr(pair, side)
    faulty.fault = lambda received: (
        error_answer(403, "AccessDenied") if received.path.startswith(f"/{bucket.name}") else None
    )
    with pytest.raises(BucketError, match=bucket.name) as raised:
        take_inventories(pair.context(), ["source", "store"])
    assert "AccessDenied" in str(raised.value)
    assert _kept(pair, side) == []


def test_both_sides_together(pair: Pair) -> None:
    pair.source.put({"a": b"1"})
    pair.store.put({"b": b"22", "c": b"333"})
    taken = take_inventories(pair.context(), ["source", "store"])
    assert {side: (inventory.side, inventory.objects, inventory.bytes) for side, inventory in taken.items()} == {
        "source": ("source", 1, 1),
        "store": ("store", 2, 5),
    }


def test_a_missing_bucket_is_told_by_name(pair: Pair) -> None:
    pair.source.client.delete_bucket(Bucket=pair.source.name)
    with pytest.raises(BucketError, match=f"there is no bucket '{pair.source.name}'"):
        take_inventory(pair.context(), "source")
    assert _kept(pair) == []


def test_an_unknown_profile_is_told_by_name(pair: Pair) -> None:
    context = pair.context()
    place = context.settings.source.model_copy(update={"profile": "nobody"})
    changed = context.settings.model_copy(update={"source": place})
    with pytest.raises(ConfigurationError, match="nobody"):
        take_inventory(type(context)(context.home, changed), "source")


@pytest.mark.local_state
def test_a_home_that_can_not_be_written_is_told(pair: Pair) -> None:
    pair.source.put({"a": b"1"})
    state = pair.home / "state"
    state.write_text("a file where a folder is wanted")
    with pytest.raises(HyveError, match=str(state)):
        take_inventory(pair.context(), "source")
    assert Path(state).read_text() == "a file where a folder is wanted"
