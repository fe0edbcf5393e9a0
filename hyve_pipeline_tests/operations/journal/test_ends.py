"""The end of an attempt reaches the events, also where the process was killed before it could note it."""

from collections import Counter
from collections.abc import Callable

import pytest

from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.journal import ShardState
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.apply import shard as applier
from hyve_pipeline.operations.apply.loop import apply_plan, claim_shards
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline_tests.operations.applying import planned
from hyve_pipeline_tests.syncs import Pair


class _Killed(BaseException):
    """Stands for the end of a process, which nothing catches."""


def _kill(*_: object, **__: object) -> None:
    raise _Killed


def _ends(context: SyncContext, plan: Plan) -> Counter[tuple[int | None, int | None]]:
    events = context.events.after(0, 100)
    return Counter(
        (event.shard, event.attempt)
        for event in events
        if event.kind is EventKind.SHARD_ENDED and event.plan == plan.id
    )


def _apply_again(context: SyncContext, plan: Plan) -> None:
    apply_plan(context, plan, "copy")


def _verify(context: SyncContext, plan: Plan) -> None:
    assert verify_plan(context, plan).verified


@pytest.mark.parametrize("then", [_apply_again, _verify])
@pytest.mark.parametrize(
    ("place", "name", "times"),
    [pytest.param(applier, "note_end", 1, id="no event"), pytest.param(ShardJournal, "mark_ended", 2, id="no marker")],
)
@pytest.mark.both_states
def test_a_kill_right_after_the_summary_leaves_no_shard_without_an_event(
    place: object,
    name: str,
    times: int,
    then: Callable[[SyncContext, Plan], None],
    pair: Pair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair.source.put({f"{number}": b"new" for number in range(4)})
    context = pair.context(shard_objects=2, processes=1)
    plan = planned(context)
    with context.applying(plan.id) as epoch:
        claim_shards(context, plan, epoch, [(plan.shards[0], 0)], lambda *_: None)
        with monkeypatch.context() as patch:
            patch.setattr(place, name, _kill)
            with pytest.raises(_Killed):
                claim_shards(context, plan, epoch, [(plan.shards[1], 0)], lambda *_: None)
    assert [entry.state for entry in plan_status(context, plan).shards] == [ShardState.FINISHED] * 2
    assert _ends(context, plan) == Counter({(1, 1): 1, (2, 1): times - 1})
    then(context, plan)
    then(context, plan)
    # At least once, and no more once the marker is there.
    assert _ends(context, plan) == Counter({(1, 1): 1, (2, 1): times})
