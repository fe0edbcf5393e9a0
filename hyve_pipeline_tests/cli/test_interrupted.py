"""What is said of an interrupt, by how far the command came."""

import pytest

from hyve_pipeline.cli.interrupted import LastWords, adopting, applying_plan
from hyve_pipeline.cli.plans import plans
from hyve_pipeline.core.base.errors import InterruptedRunError
from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline_tests.syncs import Hyve, Pair


def test_before_the_first_step_nothing_was_begun_and_after_it_the_journal_has_what_was_done() -> None:
    words = LastWords()
    assert words() == "interrupted: nothing was begun"
    with words.step(lambda _: "interrupted: no plan was made"):
        pass
    assert words() == "interrupted; what was done is in the journal"


def test_the_command_that_goes_on_is_for_the_same_home_and_sync() -> None:
    given = plans.make_context("plans", ["--home", "/my home", "--sync", "films"])
    with given, pytest.raises(InterruptedRunError) as caught, adopting():
        raise KeyboardInterrupt
    assert str(caught.value).endswith("run 'hyve adopt --home '/my home' --sync films' again")


@pytest.mark.parametrize(("action", "command"), [("copy", "delete"), ("delete", "verify")])
def test_after_the_last_object_the_next_command_is_named_and_not_one_that_has_nothing_left(
    action: Action, command: str, pair: Pair, hyve: Hyve
) -> None:
    pair.source.put({"new": b"1"})
    pair.store.put({"gone": b"1"})
    for step in ("dryrun", "copy", *([] if action == "copy" else ["delete"])):
        assert hyve(step).code == 0
    sync = pair.context().acting_as(Actor.of_command(action))
    plan = sync.plans.newest()
    assert plan is not None
    done = {"copy": "copied", "delete": "deleted"}[action]
    assert _said_of(sync, plan, action) == f"interrupted: plan {plan.id}: 1 of 1 {done}; 'hyve {command}' is next"
    # As an interrupt leaves it before the attempt has ended.
    for name in pair.state_files(f"journals/{plan.id}"):
        if name.startswith("ended/") or name.endswith("summary.json"):
            pair.state.remove(f"journals/{plan.id}/{name}")
    assert _said_of(sync, plan, action) == f"interrupted: plan {plan.id}: 1 of 1 {done}; 'hyve {action}' ends it"


def _said_of(sync: SyncContext, plan: Plan, action: Action) -> str:
    with (
        plans.make_context("plans", []),
        pytest.raises(InterruptedRunError) as caught,
        applying_plan(sync, plan, action),
    ):
        raise KeyboardInterrupt
    return str(caught.value)
