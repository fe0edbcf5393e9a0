"""Plans of some keys: the same as a plan of all keys says of these, and nothing of any other key."""

import random
from typing import Any

import pytest

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError
from hyve_pipeline.core.model.diff import CHANGE_SCHEMA, ChangeSet
from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.named_keys import keep_named_keys, take_named_inventories
from hyve_pipeline.operations.inventory.take import take_inventories
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.dryrun import take_plan, take_plan_of_keys
from hyve_pipeline.operations.plan.freeze import approve_plan
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline.state.parquet import ParquetReader
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import apply, planned
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import MakePair, Pair

_KEYS = [
    "a",
    "a/",
    "a//b",
    "a+b",
    "100% of it",
    "é",
    "e\u0301",
    " lead",
    "trail ",
    "\U0001f600",
    "x\ny",
    '"q"',
    "../up",
]


def _rows(context: SyncContext, plan: Plan) -> dict[str, dict[str, Any]]:
    """What a plan says of each key that it lists, but for times, of which HEAD has no fractions."""
    columns = [name for name in CHANGE_SCHEMA.names if not name.endswith("last_modified")]
    rows = [row for file in plan.changes for row in ParquetReader(context.state, file).read([0], columns).to_pylist()]
    return {row["key"]: row for row in rows}


@pytest.mark.parametrize("seed", range(3))
def test_a_plan_of_some_keys_is_what_a_plan_of_all_says_of_these(seed: int, make_pair: MakePair) -> None:
    chosen = random.Random(seed)
    pair = make_pair(prefixes=("in/", "out/"))
    for bucket, prefix in ((pair.source, "in/"), (pair.store, "out/")):
        some = [key for key in _KEYS if chosen.random() < 0.6]
        bucket.put({prefix + key: chosen.choice([b"", b"1", b"22"]) for key in some})
    context = pair.context(max_deletes="100%", compare="etag", exclude=["a+*"])
    whole = _rows(context, planned(context))
    named = [key for key in _KEYS if chosen.random() < 0.7]
    plan = take_plan_of_keys(context, [*named, *named], "list")
    assert plan.named is not None
    assert plan.named.keys == len(named)
    assert sum(plan.count(name).objects for name in ChangeSet) <= len(named)
    assert _rows(context, plan) == {key: row for key, row in whole.items() if key in named}
    others = {key: content for key, content in pair.store.read().items() if key.removeprefix("out/") not in named}
    apply(context, plan, "copy", "delete")
    assert verify_plan(context, plan).verified
    before, after = pair.source.read(), pair.store.read()
    assert {key: after.get(key) for key in others} == others
    for key in named:
        if key != "a+b":
            assert after.get(f"out/{key}") == before.get(f"in/{key}")


def test_inventories_of_different_keys_are_never_compared(pair: Pair) -> None:
    pair.source.put({"a": b"1", "b": b"2"})
    pair.store.put({"a": b"1", "b": b"2"})
    context = pair.context()
    whole = take_inventories(context, SIDES)
    one = take_named_inventories(context, SIDES, keep_named_keys(context, ["a"], "list"))
    other = take_named_inventories(context, SIDES, keep_named_keys(context, ["b"], "list"))
    for source, store in (
        (one["source"], whole["store"]),
        (whole["source"], one["store"]),
        (one["source"], other["store"]),
    ):
        with pytest.raises(ConfigurationError, match="not of the same keys"):
            diff_inventories(context, source, store)
    newest = context.inventories("store").newest()
    assert newest is not None
    assert newest.id == whole["store"].id


def test_a_key_without_an_answer_makes_no_plan(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.store.put({"a": b"1", "b": b"2"})
    pair.source.put({"b": b"2"})

    def refuse(received: Received) -> Answer | None:
        return Answer(status=500) if received.path == f"/{pair.source.name}/a" else None

    faulty.fault = refuse
    context = pair.context(patience_seconds=0)
    with pytest.raises(BucketError):
        take_plan_of_keys(context, ["a", "b"], "events")
    assert context.plans.newest() is None


def test_head_that_is_refused_is_no_absence(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.store.put({"a": b"1"})
    pair.source.put({"a": b"1", "a1": b"1"})

    def refuse(received: Received) -> Answer | None:
        return Answer(status=403) if received.path == f"/{pair.source.name}/a" and not received.query else None

    faulty.fault = refuse
    plan = take_plan_of_keys(pair.context(compare="etag"), ["a"], "events")
    assert plan.count(ChangeSet.UNCHANGED).objects == 1


def test_many_small_plans_delete_no_more_than_one_large_plan(make_pair: MakePair) -> None:
    pair = make_pair()
    keys = [f"{number:03d}" for number in range(130)]
    pair.store.put(dict.fromkeys(keys, b"1"))
    pair.source.put({"other": b"1"})
    context = pair.context(max_deletes="10%")
    assert [refusal.rule for refusal in take_plan(context).refusals] == ["max_deletes"]
    first = take_plan_of_keys(context, keys[:60], "events")
    # It counts from when its deletes are begun.
    assert take_plan_of_keys(context, keys[60:], "events").refusals == ()
    apply(context, first, "delete")
    nothing = take_plan_of_keys(context, ["other"], "events")
    apply(context, nothing, "copy")
    last = take_plan_of_keys(context, keys[60:], "events")
    assert [(refusal.rule, refusal.action) for refusal in last.refusals] == [("max_deletes", "delete")]
    assert (
        "130 of the store's 130 objects would be deleted, 60 of them by plans of some keys" in last.refusals[0].detail
    )
    approve_plan(context, last, max_deletes="100%")
    apply(context, last, "delete")
    assert plan_status(context, last).state == "finished"
    assert take_plan(context).figures.duplicate_before == 0


def test_an_empty_source_has_nothing_deleted_by_keys_either(pair: Pair) -> None:
    pair.store.put({"a": b"1"})
    plan = take_plan_of_keys(pair.context(), ["a"], "events")
    assert [refusal.rule for refusal in plan.refusals] == ["empty_source"]
