"""Reads the results of verifications. Separate from `verify`, since reading requires no S3 library."""

from collections.abc import Iterator
from datetime import datetime

from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.core.model.verification import Verification
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.state.plans import newest_manifests


def latest_verification(context: SyncContext, plan: Plan) -> Verification | None:
    """The last verification of `plan`; None if there was none.

    Raises:
        StateError: its manifest is damaged.
    """
    return next(verifications(context, plan), None)


def read_verification(context: SyncContext, plan_id: str, name: str) -> Verification:
    """A verification of a plan by its name.

    Raises:
        StateError: its manifest is missing or damaged.
    """
    return context.state.below(f"verifications/{plan_id}").read_manifest(f"{name}.json", Verification)


def verification_between(context: SyncContext, plan: Plan, begun: datetime, ended: datetime) -> Verification | None:
    """The last verification of `plan` between two times; None if there was none.

    Raises:
        StateError: its manifest is damaged.
    """
    found = (verification for verification in verifications(context, plan) if verification.ended <= ended)
    last = next(found, None)
    return last if last is not None and last.ended >= begun else None


def verifications(context: SyncContext, plan: Plan) -> Iterator[Verification]:
    """All verifications of a plan, newest first.

    Raises:
        StateError: a manifest is damaged.
    """
    folder = context.state.below(f"verifications/{plan.id}")
    for name in newest_manifests(folder.names()):
        yield folder.read_manifest(name, Verification)


def is_verified(context: SyncContext, status: PlanStatus) -> bool:
    """Whether the plan was verified, with any result, and nothing was applied since."""
    verification = latest_verification(context, status.plan)
    if verification is None:
        return False
    if verification.attempts is not None:
        return verification.attempts == status.attempts
    # Written by an earlier version, which kept only the times.
    ends = [shard.ended for shard in status.shards if shard.ended is not None]
    return all(verification.ended >= end for end in ends)
