"""Reads from the journal how far a plan has been applied."""

from collections.abc import Iterable, Iterator

from hyve_pipeline.core.base.errors import ConfigurationError, RefusedError, StateError
from hyve_pipeline.core.model.journal import AttemptSummary, JournalRow, Outcome, ShardState, count_outcomes
from hyve_pipeline.core.model.plan import Plan, Shard, split_partition_key
from hyve_pipeline.core.model.safety_rules import Action, Refusal
from hyve_pipeline.core.model.status import PlanStatus, ShardStatus
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.journals import ShardJournal, shard_journals


def plan_status(context: SyncContext, plan: Plan, finished: dict[int, ShardStatus] | None = None) -> PlanStatus:
    """How far `plan` has been applied.

    Args:
        context: the sync.
        plan: the plan.
        finished: finished shards of earlier calls, by number, for callers that poll: a finished shard stays finished
            and is not read again. Those that this call finds are added.

    Raises:
        StateError: a file of the journal is damaged.
    """
    known = {} if finished is None else finished
    shards: list[ShardStatus] = []
    for shard in plan.shards:
        status = known.get(shard.number) or _shard_status(shard, ShardJournal(context.state, plan.id, shard))
        if status.state is ShardState.FINISHED:
            known[shard.number] = status
        shards.append(status)
    return PlanStatus(plan=plan, shards=tuple(shards), refusals=plan_refusals(context, plan))


def plan_refusals(context: SyncContext, plan: Plan) -> tuple[Refusal, ...]:
    """What the safety rules refuse of a plan, under its approval if it has one."""
    return plan.judged(context.plans.approval(plan.id))


def _shard_status(shard: Shard, journal: ShardJournal) -> ShardStatus:
    state, summary = journal.latest()
    counted = summary if summary is not None else count_outcomes(journal.last_rows().values())
    return ShardStatus(
        shard=shard,
        state=state,
        tally=counted.tally,
        failures=counted.failures,
        skips=counted.skips,
        run_id=None if summary is None else summary.run_id,
        ended=None if summary is None else summary.ended,
        attempt=0 if summary is None else summary.attempt,
        without=counted.without,
        lacks=() if summary is None else summary.lacks,
    )


def ended_attempt(context: SyncContext, plan: Plan, number: int, attempt: int) -> tuple[Shard, AttemptSummary]:
    """A shard of a plan by its number, and the summary of an ended attempt at it.

    Raises:
        StateError: the plan has no such shard, or the attempt's summary is missing or damaged.
    """
    shard = plan.shard(number)
    if shard is None:
        raise StateError(f"plan {plan.id} has no shard {number}")
    return shard, ShardJournal(context.state, plan.id, shard).summary(attempt)


def has_begun_attempts(context: SyncContext, plan: Plan) -> bool:
    """Whether this actor has begun any shard of a plan, and so may have changed something.

    Raises:
        StateError: a file of the journal is damaged.
    """
    return any(journal.last_run() == context.actor.id for _, journal in shard_journals(context.state, plan))


def unsettled_rows(context: SyncContext, plan: Plan) -> Iterator[JournalRow]:
    """The last rows of all objects that failed or were skipped, by key.

    Raises:
        StateError: a file of the journal is damaged.
    """
    for _, journal in shard_journals(context.state, plan):
        for row in sorted(journal.last_rows().values(), key=lambda row: row.key):
            if row.outcome is not Outcome.DONE:
                yield row


def find_shard(context: SyncContext, partition_key: str, action: Action) -> tuple[Plan, Shard]:
    """The plan and the shard of a partition key.

    Raises:
        ConfigurationError: there is no such shard, or it is one of another action.
    """
    try:
        plan_id, number = split_partition_key(partition_key)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    plan = context.plans.load(plan_id)
    shard = plan.shard(number)
    # `PLAN-1` has the same number as `PLAN-0001`, but is another partition.
    if shard is not None and shard.action == action and plan.partition_key(shard) == partition_key:
        return plan, shard
    raise ConfigurationError(f"plan {plan_id} has no {action} shard {number}")


def undo_folder(context: SyncContext, plan: Plan) -> Folder:
    """The folder of the undo journals of a plan, each in a folder named by its number."""
    return context.state.below(f"undone/{plan.id}")


def last_undo(context: SyncContext, plan: Plan) -> int:
    """The number of the last undo of a plan that was begun; 0 if there was none."""
    return max((int(name) for name in undo_folder(context, plan).names() if name.isdecimal()), default=0)


def raise_if_undone(context: SyncContext, plan: Plan) -> None:
    """Refuse to apply a plan that was undone: that would reverse the undo.

    Raises:
        RefusedError: it was undone, in whole or in part.
    """
    if last_undo(context, plan):
        raise RefusedError(
            "undone",
            f"plan {plan.id} was undone, so the rest of it is not applied: run 'hyve dryrun' for a new one",
        )


def raise_refusal(refusals: Iterable[Refusal], action: Action) -> None:
    """Raise the refusal of `action` by a safety rule, if there is one.

    Raises:
        RefusedError: with the rule, the figures and what to do.
    """
    refusal = next((refusal for refusal in refusals if refusal.action == action), None)
    if refusal is not None:
        raise RefusedError(refusal.rule, refusal.detail)
