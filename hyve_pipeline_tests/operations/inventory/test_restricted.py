"""Inventories of some keys by a listing are those by HEAD, and a listing is made where it costs less."""

from dataclasses import replace
from typing import Any

import pytest

from hyve_pipeline.core.model.inventory import SIDES, Inventory
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.named_keys import keep_named_keys, take_named_inventories
from hyve_pipeline.operations.inventory.restricted import is_cheaper_by_listing
from hyve_pipeline.operations.inventory.sorted_rows import open_inventory
from hyve_pipeline.operations.inventory.take import take_inventories
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.syncs import MakePair


@pytest.mark.parametrize(
    ("keys", "objects", "lists"),
    [
        (1_000, 1_000, False),
        (1_001, 80_080, True),
        (1_001, 80_081, False),
        (1_000_000, 80_000_000, True),
        (1_000_000, 80_000_001, False),
        (1_000_000, 0, False),
    ],
)
def test_a_bucket_is_listed_where_that_costs_less(keys: int, objects: int, lists: bool) -> None:
    assert is_cheaper_by_listing(keys, objects) is lists


def _rows(context: SyncContext, inventory: Inventory) -> list[dict[str, Any]]:
    rows = open_inventory(context.state, inventory)
    found = rows.read(RelativeRange("", None)).to_pylist()
    rows.close()
    return [row | {"last_modified": row["last_modified"].replace(microsecond=0)} for row in found]


def test_a_listing_finds_what_heads_find(make_pair: MakePair, faulty: FaultyServer) -> None:
    bounds = WorkBounds(range_rows=5, row_group_rows=3, keys_looked_at=4)
    pair = make_pair(through=faulty, prefixes=("in/", ""))
    pair.source.put({f"in/{key}": b"1" for key in ODD_KEYS[::2]})
    pair.store.put(dict.fromkeys(ODD_KEYS[::3], b"22"))
    context = replace(pair.context(), bounds=bounds)
    named = keep_named_keys(context, [*ODD_KEYS[1:-1], "nowhere"], "list")
    by_head = take_named_inventories(context, SIDES, named)
    whole = take_inventories(context, SIDES)
    before = len(faulty.received)
    by_listing = take_named_inventories(replace(context, bounds=replace(bounds, keys_by_head=0)), SIDES, named)
    assert not [received for received in faulty.received[before:] if received.method == "HEAD"]
    for side in SIDES:
        assert _rows(context, by_listing[side]) == _rows(context, by_head[side])
        assert by_listing[side].objects == by_head[side].objects > 0
        assert by_listing[side].named == named
        assert by_listing[side].bucket_objects == whole[side].objects
        assert by_listing[side].versioning == by_head[side].versioning
