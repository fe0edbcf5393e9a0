"""Shards and partition keys."""

import itertools

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.model.plan import split_partition_key
from hyve_pipeline.core.model.shards import cut_shards


@given(
    st.lists(st.lists(st.integers(0, 100), max_size=15), max_size=6),
    st.integers(1, 10),
    st.integers(1, 300),
)
def test_shards_are_all_rows_in_order_and_within_their_bounds(
    tables: list[list[int]], most_objects: int, most_bytes: int
) -> None:
    sizes = [size for table in tables for size in table]
    shards = [
        shard.column("size").to_pylist()
        for shard in cut_shards(
            (pa.table({"size": pa.array(table, pa.int64())}) for table in tables), most_objects, most_bytes
        )
    ]
    assert [size for shard in shards for size in shard] == sizes
    assert all(0 < len(shard) <= most_objects for shard in shards)
    assert all(sum(shard) <= most_bytes or len(shard) == 1 for shard in shards)
    # None could have taken the first row of the next one.
    for shard, following in itertools.pairwise(shards):
        assert len(shard) == most_objects or sum(shard) + following[0] > most_bytes


def test_a_partition_key_names_plan_and_shard() -> None:
    assert split_partition_key("20260131T020000000Z-1a2b3c4d-0012") == ("20260131T020000000Z-1a2b3c4d", 12)


@pytest.mark.parametrize("key", ["", "0001", "20260131T020000000Z-1a2b3c4d", "plan-"])
def test_other_texts_are_refused_as_partition_keys(key: str) -> None:
    with pytest.raises(ValueError, match="is not a shard"):
        split_partition_key(key)
