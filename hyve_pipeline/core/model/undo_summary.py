"""The result of undoing a plan."""

from collections import Counter
from dataclasses import dataclass

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.journal import Outcome

# Codes of objects that are not restored, besides those of `core.model.journal`.
NOT_KEPT = "NotKept"  # neither the trash nor an earlier version has the previous object
ONLY_COPY = "OnlyCopy"  # the source no longer has a version that would be removed
WAS_NEW = "WasNew"  # there was no previous object; undo deletes nothing

# Codes of objects that are already as they were before the plan.
ALREADY_BACK = "AlreadyBack"


@dataclass(frozen=True)
class UndoPreview:
    """What the journal of a plan says, before an undo begins, of the objects that the plan overwrote or deleted.

    Attributes:
        objects: how many there are.
        kept: of how many of them something was kept, in the trash or as a version.
    """

    objects: int
    kept: int

    @property
    def described(self) -> str:
        """One line for the user."""
        rest = self.objects - self.kept
        return (
            f"{self.kept:,} of {counted(self.objects)} can be put back; "
            f"of {rest:,} neither the trash nor a version was kept"
        )


class UndoSummary(Frozen):
    """Totals of the objects that a plan had overwritten or deleted.

    Attributes:
        plan: the plan's id.
        restored: objects that are again as they were before the plan.
        skipped: objects left unchanged, since they changed after the plan or nothing was kept of them.
        failed: objects that could not be restored.
        left: new objects of the plan; they stay.
        reasons: how many objects were skipped or failed, by code.
        in_order: whether all plans that were applied after it had been undone before, in the same way.
    """

    plan: str
    restored: int
    skipped: int
    failed: int
    left: int
    reasons: dict[str, int]
    in_order: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether the plan had changed no object."""
        return not (self.restored or self.skipped or self.failed or self.left)

    @classmethod
    def of(cls, plan: str, endings: Counter[tuple[Outcome, str | None]], *, in_order: bool = False) -> "UndoSummary":
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
            in_order=in_order,
        )
