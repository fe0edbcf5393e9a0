"""What has only moved is found once for a diff, whoever asks first."""

import pytest

from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.operations.inventory.take import take_inventories
from hyve_pipeline.operations.plan import moves
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan, judge_diff
from hyve_pipeline_tests.syncs import MakePair


@pytest.mark.both_states
@pytest.mark.parametrize(("moved", "old"), [(1, b"the same"), (0, b"others")])
def test_a_limit_on_cost_that_is_judged_before_leaves_them_for_the_plan(
    make_pair: MakePair, monkeypatch: pytest.MonkeyPatch, moved: int, old: bytes
) -> None:
    pair = make_pair()
    pair.source.put({"new": b"the same"})
    pair.store.put({"old": old})
    context = pair.context(moves=True, max_cost="100", max_deletes="100%")
    taken = take_inventories(context, SIDES)
    diff = diff_inventories(context, taken["source"], taken["store"])
    assert judge_diff(context, diff) == ()
    monkeypatch.delattr(moves, "RangeDatabase")
    plan = freeze_plan(context, diff)
    assert (plan.moved.objects, len(plan.moves)) == (moved, moved)
