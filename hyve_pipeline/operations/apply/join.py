"""Works on a plan beside other processes and machines, until nothing of it is free, or until all of it is done."""

from hyve_pipeline.core.model.journal import ShardState
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.core.runtime.interruption import pause
from hyve_pipeline.core.runtime.progress import end
from hyve_pipeline.operations.apply.loop import claim_shards, do_shards, tasks_of
from hyve_pipeline.operations.apply.shard import check_allowed
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import plan_status

# Seconds between two checks for shards that became free: a lost claim is free after a minute.
_POLL_SECONDS = 1.0


def join_plan(
    context: SyncContext,
    plan: Plan,
    action: Action,
    *,
    until_done: bool,
    known: PlanStatus | None = None,
    poll_seconds: float = _POLL_SECONDS,
) -> PlanStatus:
    """Do the shards of one action that are free, as `apply_plan` does, and those that become free.

    A shard whose objects failed is tried once: by the first worker that claims it after this call began.

    Args:
        context: the sync; its actor is named in the journal.
        plan: the plan.
        action: copy or delete.
        until_done: wait for the shards of other processes, and do those that they leave unfinished.
        known: the progress at an earlier time; what was finished then is not read again.
        poll_seconds: seconds between two checks of the shards of other processes.

    Returns:
        The progress of the plan.

    Raises:
        RefusedError: a safety rule forbids it, or another plan of the sync is being applied.
        HyveError: see `apply_plan`.
    """
    finished = {} if known is None else known.finished
    with context.applying(plan.id) as epoch:
        status = plan_status(context, plan, finished)
        check_allowed(context, plan, action, status)
        first = status.left(action)
        do_shards(context, plan, epoch, first)
        while True:
            status = plan_status(context, plan, finished)
            left = [entry for entry in status.left(action) if entry.state is not ShardState.FAILED]
            if not left or not until_done:
                if first:
                    end(action, failed=status.tally(action).failed)
                return status
            check_allowed(context, plan, action, status)
            claim_shards(context, plan, epoch, tasks_of(left), lambda *_: None)
            pause(poll_seconds)
