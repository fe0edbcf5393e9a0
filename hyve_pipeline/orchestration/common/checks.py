"""The checks of a sync's assets, by name."""

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.safety_rules import Action, Refusal

LISTING_COMPLETE = "listing_complete"
PLAN_HOLDS = "plan_holds"
NO_FAILURES = "no_failed_objects"

# The blocking checks: name, the action that it protects the store from, and the set that it counts.
LIMIT_CHECKS: tuple[tuple[str, Action, ChangeSet], ...] = (
    ("overwrite_limits", "copy", ChangeSet.MODIFIED),
    ("delete_limits", "delete", ChangeSet.DUPLICATE),
)


def refusal_of(action: Action, refusals: tuple[Refusal, ...]) -> Refusal | None:
    """The first refusal of an action, if there is one."""
    return next((refusal for refusal in refusals if refusal.action == action), None)


def refusal_text(refusal: Refusal | None) -> str | None:
    """The description of a failed check."""
    return None if refusal is None else f"refused by {refusal.rule}: {refusal.detail}"
