"""The checks of a sync's assets, by name."""

from collections.abc import Iterable

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


def refusal_text(action: Action, refusals: Iterable[Refusal]) -> str | None:
    """The description of a failed check, from the first refusal of its action; None if the check has passed."""
    return next((one.described for one in refusals if one.action == action), None)
