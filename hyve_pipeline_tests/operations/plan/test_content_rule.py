"""The rule ``content``, and the adoption of a full store: content decides, never a time."""

import pytest

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.adopt import Adoption, adopt
from hyve_pipeline.operations.plan.freeze import read_shard
from hyve_pipeline_tests.operations.applying import CONTENT, planned, put_in_parts
from hyve_pipeline_tests.syncs import MakePair, Pair, next_second

_MIB = 1024**2


@pytest.fixture
def full(make_pair: MakePair) -> Pair:
    """A store that another tool filled before the source was last written, in other parts."""
    pair = make_pair(prefixes=("in/", "out/"))
    pair.store.put({"out/same": b"same", "out/other": b"then", "out/longer": b"then", "out/only here": b"1"})
    put_in_parts(pair.store, "out/parts", [7 * _MIB])
    put_in_parts(pair.store, "out/same parts", [6 * _MIB, 10])
    pair.store.put({"out/other parts": CONTENT[: 7 * _MIB - 1] + b"?"})
    next_second()
    pair.source.put({"in/same": b"same", "in/other": b"now!", "in/longer": b"now, longer", "in/only there": b"1"})
    for key, sizes in (("parts", [6 * _MIB, _MIB]), ("same parts", [6 * _MIB, 10]), ("other parts", [6 * _MIB, _MIB])):
        put_in_parts(pair.source, f"in/{key}", sizes)
    return pair


def reasons(context: SyncContext) -> dict[str, str]:
    plan = planned(context)
    rows = [row for shard in plan.shards_of("copy") for row in read_shard(context, plan, shard).to_pylist()]
    return {row["key"]: row["reason"] for row in rows}


def test_content_decides_where_times_would_copy_everything(full: Pair) -> None:
    assert reasons(full.context()).keys() == {
        *("same", "other", "longer", "only there", "parts", "same parts", "other parts")
    }
    context = full.context(compare="content")
    assert reasons(context) == {
        "other": "ETag differs",
        "longer": "size differs",
        "only there": "missing in store",
        "other parts": "content differs",
    }
    plan = planned(context)
    assert plan.count(ChangeSet.UNCHANGED).objects == 3
    assert plan.count(ChangeSet.UNCHANGED).bytes == len(b"same") + 7 * _MIB + 6 * _MIB + 10
    assert plan.count(ChangeSet.MODIFIED).objects == 3


def test_objects_of_no_bytes_and_new_times_are_equal(make_pair: MakePair) -> None:
    pair = make_pair()
    pair.store.put({"empty": b""})
    next_second()
    pair.source.put({"empty": b""})
    assert reasons(pair.context(compare="content")) == {}


def test_what_is_adopted_is_not_copied(full: Pair) -> None:
    before = full.store.listing()
    context = full.context()
    # Neither server keeps checksums of these.
    assert adopt(context, reads=False) == Adoption(adopted=2, differing=2, unknown=2, only_in_source=1, only_in_store=1)
    assert reasons(context).keys() == {"other", "longer", "only there", "parts", "other parts"}
    assert adopt(context, reads=True) == Adoption(adopted=3, differing=3, only_in_source=1, only_in_store=1)
    assert reasons(context).keys() == {"other", "longer", "only there", "other parts"}
    assert full.store.listing() == before

    # From now on it counts as a copy.
    next_second()
    full.store.put({"out/same": b"SAME"})
    assert planned(context).count(ChangeSet.ALTERED).objects == 1
    full.source.put({"in/same": b"5ame"})
    assert reasons(context)["same"] == "source changed since it was copied"
