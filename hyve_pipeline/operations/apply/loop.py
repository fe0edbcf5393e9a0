"""Applies a plan: claims a free shard, does it, and goes on until none is free.

Each process that takes part claims by itself; shards are not assigned. So processes, commands and runs of Dagster can
work on one plan at the same time; one that dies leaves its shard unfinished, and free for the next.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence

from hyve_pipeline.core.model.journal import AttemptSummary, ShardState
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.model.status import PlanStatus, ShardStatus
from hyve_pipeline.core.runtime.interruption import raise_if_interrupted
from hyve_pipeline.core.runtime.progress import end, expect
from hyve_pipeline.operations.apply.shard import ShardApplier, check_allowed
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.ends import note_missed_ends
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.workers.pool import processes_for, run_in_processes
from hyve_pipeline.operations.workers.worker import send_note
from hyve_pipeline.state.epochs import Epoch
from hyve_pipeline.state.heartbeat import ClaimLostError
from hyve_pipeline.state.journals import ShardJournal

_logger = logging.getLogger(__name__)

# Gets each shard that ended, and the totals of its whole journal.
OnShardEnded = Callable[[Shard, AttemptSummary], None]


def apply_plan(
    context: SyncContext,
    plan: Plan,
    action: Action,
    *,
    on_shard_ended: OnShardEnded | None = None,
    concurrency: int | None = None,
    known: PlanStatus | None = None,
) -> PlanStatus:
    """Do all unfinished and free shards of one action of a plan, in this process or in some beside it.

    Objects that fail are in the status, and raise nothing. A shard that another process works on is left to that one.

    Args:
        context: the sync; its actor is named in the journal.
        plan: the plan.
        action: copy or delete.
        on_shard_ended: called in this thread, as each shard ends that was done here.
        concurrency: requests in flight; by default as many as the plan's options say.
        known: the progress at an earlier time; what was finished then is not read again.

    Returns:
        The progress of the plan.

    Raises:
        RefusedError: a safety rule forbids it, or another plan of the sync is being applied.
        HyveError: a failure that does not concern single objects, such as a bucket that can't be reached; what was done
            is in the journal.
    """
    finished = {} if known is None else known.finished
    if not plan.total(action).shards:
        return plan_status(context, plan, finished)
    # Until the last shard has ended, no other plan may be applied, nor this one undone.
    with context.applying(plan.id) as epoch:
        before = plan_status(context, plan, finished)
        note_missed_ends(context, before)
        check_allowed(context, plan, action, before)
        left = before.left(action)
        do_shards(context, plan, epoch, left, on_shard_ended, concurrency)
    status = plan_status(context, plan, finished)
    if left:
        end(action, failed=status.tally(action).failed)
    return status


def do_shards(
    context: SyncContext,
    plan: Plan,
    epoch: Epoch,
    left: Sequence[ShardStatus],
    on_shard_ended: OnShardEnded | None = None,
    concurrency: int | None = None,
) -> None:
    """Do each of these shards that is free, in this process or in some beside it.

    Args and raises: see `apply_plan`; all shards are of one action, which is allowed, and `epoch` is the part of this
    process in applying the plan.
    """

    def take(shard: Shard, summary: AttemptSummary) -> None:
        if on_shard_ended is not None:
            on_shard_ended(shard, summary)

    if not left:
        return
    shards = [entry.shard for entry in left]
    action = shards[0].action
    expect(action, sum(shard.objects for shard in shards), sum(shard.bytes for shard in shards))
    # A request deletes a thousand objects: one core sends more than a server accepts.
    processes = processes_for(plan, shards) if action == "copy" else 1
    _logger.info("plan %s: %s shards to %s in %s processes", plan.id, len(left), action, processes)
    hurried = _with_share(context, plan, concurrency, processes)
    tasks = tasks_of(left)
    if processes == 1:
        claim_shards(context, hurried, epoch, tasks, take)
    else:
        beside = context.one_of(processes)
        run_in_processes(processes, _claim_beside, (beside, hurried, tasks), lambda ended: take(*ended))


def tasks_of(left: Sequence[ShardStatus]) -> list[tuple[Shard, int]]:
    """Unfinished shards with the numbers of their newest attempts, for `claim_shards`."""
    return [(entry.shard, entry.begun) for entry in left]


def _with_share(context: SyncContext, plan: Plan, concurrency: int | None, processes: int) -> Plan:
    """The plan with the requests and bytes that each process may have in flight."""
    options = with_concurrency(context, plan, concurrency).options
    share = {
        "concurrency": max(1, options.concurrency // processes),
        "stream_memory": max(1, options.stream_memory // processes),
    }
    return plan.model_copy(update={"options": options.model_copy(update=share)})


def with_concurrency(context: SyncContext, plan: Plan, concurrency: int | None) -> Plan:
    """The plan with so many requests in flight; None leaves those that it was made with.

    Raises:
        ConfigurationError: the number is not one that the option may have.
    """
    if concurrency is None:
        return plan
    checked = context.overridden(concurrency=concurrency).settings.options.concurrency
    return plan.model_copy(update={"options": plan.options.model_copy(update={"concurrency": checked})})


def _claim_beside(context: SyncContext, plan: Plan, tasks: Sequence[tuple[Shard, int]]) -> None:
    """The same loop in a worker process, which sends a note as each shard ends."""
    with context.applying(plan.id) as epoch:
        claim_shards(context, plan, epoch, tasks, lambda shard, summary: send_note((shard, summary)))


def claim_shards(
    context: SyncContext, plan: Plan, epoch: Epoch, tasks: Sequence[tuple[Shard, int]], on_shard_ended: OnShardEnded
) -> None:
    """Do each shard that no other process works on, or has worked on since the tasks were made.

    A claim that was lost, as when the machine slept, is taken again, unless another process has it.

    Args:
        context: the sync.
        plan: the plan; its options say what may be in flight.
        epoch: this process's part in applying the plan.
        tasks: shards of one action, each with the number of its newest attempt when it was found to be unfinished.
        on_shard_ended: called as each ends that is done here.

    Raises:
        HyveError: see `apply_plan`.
    """
    queue = deque(tasks)
    with ShardApplier(context, plan, tasks[0][0].action, context.actor.id, epoch) as applier:
        while queue:
            shard, attempt = queue.popleft()
            raise_if_interrupted()
            journal = ShardJournal(context.state, plan.id, shard)
            try:
                claim = journal.claim(context.actor, attempt=attempt, times=context.claim_times)
                if claim is not None:
                    with claim:
                        summary = applier.apply(shard, journal, claim)
                    on_shard_ended(shard, summary)
            except ClaimLostError:
                epoch.renew()
                state, _ = journal.latest()
                if state in (ShardState.PENDING, ShardState.STARTED):
                    queue.append((shard, journal.newest_attempt()))
