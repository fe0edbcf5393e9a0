"""Undoes a range of plans, newest first, so that the store is as it was before the oldest of them.

Each plan is undone as by itself. Before the first, it is made sure of each that something of it was kept. A range that
was cut short is continued by the same call: plans that are undone already are not touched again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.undo_summary import UndoPreview, UndoSummary
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import last_undo
from hyve_pipeline.operations.journal.undos import applied_since, is_undone_in_order, latest_undo
from hyve_pipeline.operations.undo import OutcomeCounts, check_kept, undo_plan


class StepState(StrEnum):
    """How far one plan of the range came."""

    UNDONE = "undone"  # by this call
    UNDONE_BEFORE = "undone_before"
    CUT_SHORT = "cut_short"  # by objects that failed, or by an error
    NOT_BEGUN = "not_begun"


@dataclass
class UndoStep:
    """One plan of the range.

    Attributes:
        plan: the plan.
        state: how far it came.
        outcomes: how its objects ended in this call.
        before: the result of the undo that was made before; None where there was none.
    """

    plan: Plan
    state: StepState = StepState.NOT_BEGUN
    outcomes: OutcomeCounts = field(default_factory=OutcomeCounts)
    before: UndoSummary | None = None

    @property
    def summary(self) -> UndoSummary:
        """What was put back of the plan."""
        return self.before or UndoSummary.of(self.plan.id, self.outcomes)


def range_to_undo(context: SyncContext, since: Plan) -> list[UndoStep]:
    """The plans from `since` on that were applied at least in part, newest first.

    Raises:
        StateError: a plan, or the file of an undo, is damaged.
    """
    steps: list[UndoStep] = []
    for plan in applied_since(context, since):
        is_undone = is_undone_in_order(context, plan)
        before = latest_undo(context, plan) if is_undone else None
        steps.append(UndoStep(plan, StepState.UNDONE_BEFORE if is_undone else StepState.NOT_BEGUN, before=before))
    return steps


def undo_range(
    context: SyncContext,
    steps: list[UndoStep],
    run_id: str,
    on_preview: Callable[[UndoPreview], None] | None = None,
) -> None:
    """Undo the plans that are not undone yet, in their order, until objects of one fail; `steps` say how far it came.

    Args:
        context: the sync.
        steps: the plans, as `range_to_undo` gives them.
        run_id: the command or run that undoes them, for the journals of the undos.
        on_preview: as in `undo_plan`, for each plan.

    Raises:
        RefusedError: nothing of a plan can be put back, which is known of most before the first is undone; or another
            process is applying one.
        BucketError: the store or a trash can't be reached.
        StateError: the journal of a plan is damaged.
    """
    left = [step for step in steps if step.state is StepState.NOT_BEGUN]
    for step in left:
        check_kept(context, step.plan, expects_changes=step is not left[0])
    for step in left:
        before = last_undo(context, step.plan)
        try:
            undo_plan(context, step.plan, run_id, step.outcomes, on_preview)
        except BaseException:
            if _has_begun(context, step, before):
                step.state = StepState.CUT_SHORT
            raise
        step.state = StepState.CUT_SHORT if step.summary.failed else StepState.UNDONE
        if step.summary.failed:
            return


def _has_begun(context: SyncContext, step: UndoStep, before: int) -> bool:
    """Whether an undo was begun after the one of this number: by what was put back, if the state can't be read."""
    try:
        return last_undo(context, step.plan) > before
    except StateError:
        return step.summary.restored > 0
