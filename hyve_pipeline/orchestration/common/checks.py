"""The checks of a sync's assets, by name."""

from collections.abc import Iterable

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import ChangeSet, Diff
from hyve_pipeline.core.model.safety_rules import Action, Refusal
from hyve_pipeline.orchestration.common.names import Names

LISTING_COMPLETE = "listing_complete"
PLAN_HOLDS = "plan_holds"
NOTHING_ALTERED = "nothing_altered"
NO_FAILURES = "no_failed_objects"

# The blocking checks: name, the action that it protects the store from, and the set that it counts.
LIMIT_CHECKS: tuple[tuple[str, Action, ChangeSet], ...] = (
    ("overwrite_limits", "copy", ChangeSet.MODIFIED),
    ("delete_limits", "delete", ChangeSet.DUPLICATE),
)

# The rules that a run overrides by an option of the same name.
_LIMITS = ("max_overwrites", "max_deletes")

# The set whose asset has the check `NOTHING_ALTERED`: altered objects would be in it by option.
ALTERED_CHECK_SET = ChangeSet.MODIFIED


def altered_text(diff: Diff) -> str | None:
    """The description of the check `NOTHING_ALTERED` when it fails; None if it has passed."""
    altered = diff.counts.get(ChangeSet.ALTERED, Count()).objects
    if not altered:
        return None
    if diff.options.versions == "all":
        keys = counted(altered, "key of the store has", "keys of the store have")
        return (
            f"{keys} versions that the source does not have in their place, and are left as they are: they are in "
            "altered.txt"
        )
    return (
        f"{counted(altered)} of the store changed since they were copied, by somebody else, and are kept: they are in "
        'altered.txt, and options.altered = "overwrite" copies them again'
    )


def refusal_text(names: Names, action: Action, refusals: Iterable[Refusal]) -> str | None:
    """The description of a failed check, from the first refusal of its action; None if the check has passed."""
    refusal = next((one for one in refusals if one.action == action), None)
    if refusal is None or refusal.rule not in _LIMITS or (action == "copy" and refusal.rule == "max_deletes"):
        return None if refusal is None else refusal.described
    return f"{refusal.described}, or launch {names.shard_job(action)} with the plan's id and a higher {refusal.rule}"
