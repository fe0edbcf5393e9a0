"""Plans of events are dropped by a rule of their own, and what is kept has all that it needs."""

from datetime import UTC, datetime

import pytest

from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.apply.loop import apply_plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.dryrun import take_plan, take_plan_of_keys
from hyve_pipeline.operations.retention import KeepRules, drop_plans, plans_to_drop
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair


@pytest.fixture
def pair(make_pair: MakePair) -> Pair:
    """A sync whose store keeps versions, so that plans can be undone."""
    return make_pair(versioned=True)


def _applied(context: SyncContext, plan: Plan) -> Plan:
    apply_plan(context, plan, "copy")
    apply_plan(context, plan, "delete")
    assert verify_plan(context, plan).verified
    return plan


@pytest.mark.both_states
def test_old_plans_of_events_go_and_those_of_all_keys_stay(pair: Pair, hyve: Hyve) -> None:
    context, now = pair.context(), datetime.now(UTC)
    made: list[Plan] = []
    for number, keys in enumerate((None, ["b"], ["a", "c"], None, ["a"], None, ["d"])):
        pair.source.put(dict.fromkeys(keys or ["a"], b"x" * (number + 1)))
        plan = take_plan(context) if keys is None else take_plan_of_keys(context, keys, "events")
        made.append(_applied(context, plan))
    ids = [plan.id for plan in made]
    assert plans_to_drop(context, KeepRules(event_plans=4), now) == []
    assert plans_to_drop(context, KeepRules(event_plans=2), now) == ids[1:3]
    assert plans_to_drop(context, KeepRules(event_plans=1), now) == [*ids[1:3], ids[4]]
    assert plans_to_drop(context, KeepRules(plans=2, event_plans=1), now) == [*ids[:3], ids[4]]
    old = plans_to_drop(context, KeepRules(event_plans=2), now)
    memory = context.memories.newest()
    drop_plans(context, old)
    kept = [plan for plan in made if plan.id not in old]
    assert context.plans.ids() == [plan.id for plan in kept]
    left = {entry.name for entry in context.state.entries(recursive=True) if not entry.name.startswith("assets/")}
    assert not [name for name in left for plan_id in old if plan_id in name and not name.startswith("applying/")]
    named = {plan.named.id for plan in kept if plan.named is not None}
    assert {name for name in left if name.endswith("-keys.parquet")} == {
        f"named_keys/{one}-keys.parquet" for one in named
    }
    assert len([name for name in left if name.startswith("named_keys/")]) == 7 * len(named)
    assert len([name for name in left if name.startswith("diffs/") and name.endswith("diff.json")]) == len(kept)
    # All that is kept can be read, what was copied is remembered, and nothing is left to do.
    for plan in kept:
        assert hyve("show", plan.id).code == 0
    assert context.memories.newest() == memory
    assert take_plan(context).is_empty
    assert hyve("undo", ids[4]).code == 3  # the plan after it has left something else there
    undone = hyve("undo", "--since", ids[3])
    assert "dropped" not in undone.err
    undone = hyve("undo", "--since", ids[0])
    assert f"plans of events since {ids[0]} were dropped: what they changed is not put back" in undone.err
    assert pair.store.read()["b"] == b"xx"
