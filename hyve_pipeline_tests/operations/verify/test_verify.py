"""Holding the store against a plan: every kind of difference, and nothing else."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hyve_pipeline.core.base.errors import BucketError, IncompleteInventoryError
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.verification import Verification
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.operations.apply.shard import apply_shard
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.verify.read import latest_verification
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline.state.parquet import open_dataset
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import planned
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.s3.scripted import error_answer
from hyve_pipeline_tests.syncs import MakePair, Pair, next_second


def _applied(context: SyncContext) -> Plan:
    plan = planned(context)
    for shard in plan.shards:
        apply_shard(context, plan, shard, "a run")
    return plan


def _rows(context: SyncContext, verification: Verification) -> set[tuple[str, str]]:
    rows = open_dataset(context.state, [verification.file]).to_table().to_pylist()
    assert [row["key"] for row in rows] == sorted(row["key"] for row in rows)
    return {(row["difference"], row["key"]) for row in rows}


@pytest.fixture
def filled(make_pair: MakePair) -> Pair:
    """Something to copy, to overwrite, to delete and to leave, below prefixes and with filters."""
    pair = make_pair(prefixes=("in/", "out/"))
    pair.source.put({"in/new": b"1", "in/changed": b"22", "in/same": b"3", "in/tmp/x": b"4"})
    pair.store.put({"out/changed": b"2", "out/same": b"3", "out/gone": b"5", "out/tmp/y": b"6", "else": b"7"})
    return pair


def _spoil_nothing(pair: Pair) -> None:
    # What the filters leave out and what is not below the prefix is nobody's concern.
    pair.store.put({"out/tmp/z": b"8", "elsewhere": b"9"})


def _spoil_everything(pair: Pair) -> None:
    pair.store.delete("out/new")
    pair.store.put({"out/changed": b"23", "out/same": b"longer", "out/gone": b"5", "out/surprise": b"9"})


@pytest.mark.parametrize(
    ("spoil", "differences", "objects"),
    [
        (_spoil_nothing, set[tuple[str, str]](), 3),
        (
            _spoil_everything,
            {
                ("missing", "new"),
                ("different", "changed"),
                ("different", "same"),
                ("not_deleted", "gone"),
                ("unexpected", "surprise"),
            },
            0,
        ),
    ],
)
def test_differences(
    spoil: Callable[[Pair], None], differences: set[tuple[str, str]], objects: int, filled: Pair
) -> None:
    context = filled.context(exclude=["tmp/*"])
    plan = _applied(context)
    assert latest_verification(context, plan) is None
    spoil(filled)
    verification = verify_plan(context, plan)
    assert _rows(context, verification) == differences
    assert {(kind.value, key) for kind, key in verification.examples} == differences
    assert sum(verification.differences.values()) == len(differences)
    assert verification.verified is (not differences)
    assert (verification.plan, verification.objects) == (plan.id, objects)
    assert latest_verification(context, plan) == verification


def test_before_it_is_applied_a_plan_does_not_hold(filled: Pair) -> None:
    context = filled.context(exclude=["tmp/*"])
    verification = verify_plan(context, planned(context))
    assert _rows(context, verification) == {("missing", "new"), ("different", "changed"), ("not_deleted", "gone")}


def test_a_copy_of_the_right_size_and_another_content_is_different(pair: Pair) -> None:
    pair.source.put({"a": b"12", "b": b"12"})
    context = pair.context()
    plan = _applied(context)
    pair.store.put({"a": b"21"})
    assert _rows(context, verify_plan(context, plan)) == {("different", "a")}


def test_copies_in_parts_hold_by_the_etag_that_they_were_given(make_pair: MakePair) -> None:
    pair = make_pair()
    pair.source.put({"large": bytes(6 * 1024**2)})
    next_second()
    context = pair.context(multipart_threshold=5 * 1024**2, multipart_part_size=5 * 1024**2)
    plan = _applied(context)
    assert verify_plan(context, plan).verified
    pair.store.put({"large": b"1" * 6 * 1024**2})
    assert _rows(context, verify_plan(context, plan)) == {("different", "large")}


def test_ranges_are_compared_like_the_whole(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    faulty.page_keys = 3
    pair.source.put(dict.fromkeys(ODD_KEYS, b"1"))
    pair.store.put({f"{key}!": b"2" for key in ODD_KEYS[::2]} | dict.fromkeys(ODD_KEYS[::5], b"33"))
    context = pair.context(shard_objects=4, max_deletes="100%")
    context = replace(context, bounds=WorkBounds(range_rows=5, row_group_rows=3))
    plan = _applied(context)
    verification = verify_plan(context, plan)
    assert (verification.verified, verification.objects) == (True, len(ODD_KEYS))
    spoilt = ODD_KEYS[3::4]
    pair.store.put(dict.fromkeys(spoilt, b"444"))
    verification = verify_plan(context, plan)
    assert _rows(context, verification) == {("different", key) for key in spoilt}
    assert verification.objects == len(ODD_KEYS) - len(spoilt)


def test_only_the_first_differences_are_examples(pair: Pair) -> None:
    pair.source.put({f"{number:03d}": b"1" for number in range(30)})
    context = pair.context()
    verification = verify_plan(context, planned(context))
    assert [key for _, key in verification.examples] == [f"{number:03d}" for number in range(20)]
    assert sum(verification.differences.values()) == len(_rows(context, verification)) == 30


def test_a_store_that_can_not_be_listed_is_not_verified(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number}": b"1" for number in range(9)})
    context = pair.context(concurrency=8)
    plan = _applied(context)
    faulty.page_keys = 4
    faulty.fault = lambda received: (
        error_answer(403, "AccessDenied") if "continuation-token" in received.query else None
    )
    with pytest.raises(IncompleteInventoryError, match=pair.store.name):
        verify_plan(context, plan)
    faulty.fault = lambda received: error_answer(403, "AccessDenied")
    with pytest.raises(BucketError, match=pair.store.name):
        verify_plan(context, plan)
    assert latest_verification(context, plan) is None


def test_a_plan_with_nothing_to_do_can_be_verified_by_its_own_listing(pair: Pair) -> None:
    pair.source.put({"a": b"1", "b": b"2"})
    pair.store.put({"a": b"1", "b": b"2"})
    plan = planned(pair.context())
    assert not plan.shards
    kept = verify_plan(pair.context(), plan, list_again=False)
    assert (kept.verified, kept.objects, kept.inventory) == (True, 2, plan.store_inventory)
    pair.store.put({"c": b"3"})
    assert verify_plan(pair.context(), plan, list_again=True).differences == {"unexpected": 1}


def test_a_plan_that_does_something_is_always_verified_by_a_new_listing(pair: Pair) -> None:
    pair.source.put({"a": b"1"})
    plan = planned(pair.context())
    outcome = verify_plan(pair.context(), plan, list_again=False)
    assert outcome.inventory != plan.store_inventory
    assert outcome.differences == {"missing": 1}
