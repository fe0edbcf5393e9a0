"""A plan of all keys still holds when plans of some keys have changed the store since, and then alone."""

import pytest

from hyve_pipeline.core.model.verification import Difference
from hyve_pipeline.operations.apply.loop import apply_plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.dryrun import take_plan, take_plan_of_keys
from hyve_pipeline.operations.undo import undo_plan
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline_tests.syncs import MakePair, Pair


@pytest.fixture
def pair(make_pair: MakePair) -> Pair:
    """A sync whose store keeps versions, so that plans can be undone."""
    return make_pair(versioned=True, max_deletes="100%")


def _apply_keys(context: SyncContext, *keys: str) -> str:
    plan = take_plan_of_keys(context, keys, "events")
    apply_plan(context, plan, "copy")
    apply_plan(context, plan, "delete")
    return plan.id


def test_what_later_plans_of_some_keys_did_is_no_difference(pair: Pair) -> None:
    context = pair.context(max_deletes="100%")
    pair.source.put(dict.fromkeys(("gone", "modified", "stays"), b"1"))
    plan = take_plan(context)
    apply_plan(context, plan, "copy")
    pair.source.put({"modified": b"22", "new": b"22", "again": b"22"})
    pair.source.delete("gone")
    _apply_keys(context, "gone", "modified", "new", "again")
    pair.source.put({"again": b"333"})
    undone = _apply_keys(context, "again")
    found = verify_plan(context, plan)
    assert (found.verified, found.since_plan, found.objects) == (True, 4, 1)
    undo_plan(context, context.plans.load(undone), "undo")
    assert verify_plan(context, plan).verified  # the plan before it left just that
    # What somebody else does is one, also at such a key.
    pair.store.put({"modified": b"somebody's", "other": b"1", "gone": b"1"})
    pair.store.delete("stays")
    found = verify_plan(context, plan)
    assert found.since_plan == 2
    assert found.differences == {Difference.DIFFERENT: 1, Difference.UNEXPECTED: 1, Difference.MISSING: 1}
