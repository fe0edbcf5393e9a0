"""Finds what verifications said: apart from making them, since whoever only looks needs no S3 library."""

from hyve_pipeline.core.outcome import PlanStatus
from hyve_pipeline.core.plan import Plan
from hyve_pipeline.core.verification import Verification
from hyve_pipeline.flow.context import SyncContext


def latest_verification(context: SyncContext, plan: Plan) -> Verification | None:
    """What the last verification of `plan` said, None when there was none.

    Raises:
        StateError: its manifest is damaged.
    """
    folder = context.state.below(f"verifications/{plan.id}")
    names = [name for name in folder.names() if name.endswith(".json")]
    return folder.read_manifest(names[-1], Verification) if names else None


def is_verified(context: SyncContext, status: PlanStatus) -> bool:
    """Whether the plan was verified, whatever came of that, and nothing was done with it since."""
    verification = latest_verification(context, status.plan)
    ends = [shard.ended for shard in status.shards if shard.ended is not None]
    return verification is not None and all(verification.ended >= end for end in ends)
