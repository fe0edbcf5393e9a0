"""Whether a store differs from its plan only since the plan was not applied to its end when it was verified."""

from hyve_pipeline.core.model.journal import ShardState
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.core.model.verification import Difference, Verification

# The differences that a store must have as long as shards of an action are not done.
_EXPECTED: dict[Action, set[Difference]] = {
    "copy": {Difference.MISSING, Difference.DIFFERENT, Difference.UNREPAIRED},
    "delete": {Difference.NOT_DELETED},
}


def is_explained(status: PlanStatus, outcome: Verification) -> bool:
    """Whether the differences that were found are explained by what was not done yet; that is no failure.

    Args:
        status: the plan's progress now, which may be later than the verification.
        outcome: what was found.
    """
    if any(shard.state is ShardState.FAILED for shard in status.shards):
        return False
    # What was left at the time of the verification is not kept: any of the plan, if it was applied further since.
    is_current = outcome.attempts is None or outcome.attempts == status.attempts
    expected = {
        kind for action in ACTIONS if (status.left if is_current else status.of)(action) for kind in _EXPECTED[action]
    }
    return expected >= set(outcome.differences)
