"""What the check of a verification says: a plan that is not applied yet is neither right nor wrong."""

from dataclasses import dataclass

import dagster as dg

from hyve_pipeline.core.model.safety_rules import ACTIONS, Action
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.core.model.verification import Verification
from hyve_pipeline.operations.verify.explained import is_explained
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.metadata.events import PLAN_ENTRY
from hyve_pipeline.orchestration.metadata.reading_order import Metadata


@dataclass(frozen=True)
class Judgement:
    """The result of the check that the plan holds.

    Attributes:
        passed: whether the store is as the plan requires.
        severity: ERROR if something is wrong, WARN if the plan is only not applied yet.
        description: which jobs apply the rest of the plan; None if that is not the reason.
    """

    passed: bool
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    description: str | None = None


def is_untouched(status: PlanStatus) -> bool:
    """Whether a plan has something to do, and nothing of it was begun: to list the store again would show nothing."""
    return bool(status.shards) and not any(map(status.has_begun, ACTIONS))


def judge_verification(names: Names, status: PlanStatus, outcome: Verification | None) -> Judgement:
    """The result of the check.

    Args:
        names: the sync's names.
        status: how far the plan was applied.
        outcome: what the verification found; None if the store was not listed, as nothing of the plan was begun.
    """
    if outcome is not None and outcome.verified:
        return Judgement(passed=True)
    if outcome is None or is_explained(status, outcome):
        return Judgement(passed=False, severity=dg.AssetCheckSeverity.WARN, description=_next_steps(names, status))
    return Judgement(passed=False)


def progress_metadata(status: PlanStatus) -> Metadata:
    """How much of a plan is left."""
    left = {
        f"objects to {action}": sum(shard.shard.objects for shard in status.left(action))
        for action in ACTIONS
        if status.left(action)
    }
    return {PLAN_ENTRY: status.plan.id, "state": status.state, **left}


def _next_steps(names: Names, status: PlanStatus) -> str:
    left: list[Action] = [action for action in ACTIONS if status.left(action)]
    if not left:
        return f"plan {status.plan.id} was applied further since: launch {names.verify_job}"
    refused = [refusal for action in left if (refusal := status.refusal(action)) is not None]
    if refused:
        reasons = "; ".join(f"refused by {refusal.rule}: {refusal.detail}" for refusal in refused)
        return f"plan {status.plan.id} is not applied: {reasons}"
    jobs = ", then ".join([*map(names.shard_job, left), names.verify_job])
    extent = "" if is_untouched(status) else "completely "
    return f"plan {status.plan.id} is not {extent}applied yet: launch {jobs}"
