"""What undoing a plan comes to."""

from collections import Counter

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.journal import Outcome

# Codes of objects that are not put back, beside those of `core.journal`.
NOT_KEPT = "NotKept"  # neither the trash nor a version has what was there before
WAS_NEW = "WasNew"  # the plan put it where nothing was; undoing removes nothing

# Codes of objects that are as they were, so that there is nothing to be done.
ALREADY_BACK = "AlreadyBack"


class UndoSummary(Frozen):
    """What became of the objects that a plan had overwritten or deleted.

    Attributes:
        plan: the plan's id.
        restored: objects that are again as they were before the plan.
        skipped: objects left as they are, since they changed after the plan or nothing was kept of them.
        failed: objects that could not be put back.
        left: objects that the plan made where nothing was; they stay.
        reasons: how many objects were skipped or failed, by code.
    """

    plan: str
    restored: int
    skipped: int
    failed: int
    left: int
    reasons: dict[str, int]

    @classmethod
    def of(cls, plan: str, endings: Counter[tuple[Outcome, str | None]]) -> "UndoSummary":
        """Add up how many objects ended with which outcome and code."""
        left = endings[Outcome.SKIPPED, WAS_NEW]
        outcomes: Counter[Outcome] = Counter()
        reasons: Counter[str] = Counter()
        for (outcome, code), count in endings.items():
            outcomes[outcome] += count
            if outcome is not Outcome.DONE and code != WAS_NEW:
                reasons[code or "unknown"] += count
        return cls(
            plan=plan,
            restored=outcomes[Outcome.DONE],
            skipped=outcomes[Outcome.SKIPPED] - left,
            failed=outcomes[Outcome.FAILED],
            left=left,
            reasons=dict(sorted(reasons.items())),
        )
