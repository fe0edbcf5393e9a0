"""Reads from the journal how far a plan came."""

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
    """How far `plan` came.

    Args:
        context: the sync.
        plan: the plan.
        finished: what an earlier call found finished, by the shard's number, for who calls again and again: a
            finished shard stays so and need not be looked at. What this call finds is added.

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
    """What the safety rules forbid of a plan, an approval taken into account."""
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
    """A shard of a plan by its number, and what an attempt at it that came to its end says.

    Raises:
        StateError: the plan has no such shard, or the attempt's summary is missing or damaged.
    """
    shard = next((shard for shard in plan.shards if shard.number == number), None)
    if shard is None:
        raise StateError(f"plan {plan.id} has no shard {number}")
    return shard, ShardJournal(context.state, plan.id, shard).summary(attempt)


def has_begun_attempts(context: SyncContext, plan: Plan) -> bool:
    """Whether this actor has begun to do any shard of a plan, and so may have changed something.

    Raises:
        StateError: a file of the journal is damaged.
    """
    return any(journal.last_run() == context.actor.id for _, journal in shard_journals(context.state, plan))


def unsettled_rows(context: SyncContext, plan: Plan) -> Iterator[JournalRow]:
    """The rows that count of all objects that failed or were skipped, by key.

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
    for shard in plan.shards_of(action):
        # `PLAN-1` has the number of `PLAN-0001`, and yet is another partition.
        if plan.partition_key(shard) == partition_key:
            return plan, shard
    raise ConfigurationError(f"plan {plan_id} has no {action} shard {number}")


def undo_folder(context: SyncContext, plan: Plan) -> Folder:
    """Where the undos of a plan are journaled, each in a folder named by its number."""
    return context.state.below(f"undone/{plan.id}")


def last_undo(context: SyncContext, plan: Plan) -> int:
    """The number of the last undo that was begun of a plan; 0 when there was none."""
    return max((int(name) for name in undo_folder(context, plan).names() if name.isdecimal()), default=0)


def raise_if_undone(context: SyncContext, plan: Plan) -> None:
    """Refuse to go on with a plan that a person has undone: it would do again what they wanted back.

    Raises:
        RefusedError: it was undone, in whole or in part.
    """
    if last_undo(context, plan):
        raise RefusedError(
            "undone",
            f"plan {plan.id} was undone, so what is left of it is not done: run 'hyve dryrun' for a new one",
        )


def raise_refusal(refusals: Iterable[Refusal], action: Action) -> None:
    """Refuse in the words of the safety rule that forbids `action`, if one does.

    Raises:
        RefusedError: naming the rule, the figures and the way on.
    """
    refusal = next((refusal for refusal in refusals if refusal.action == action), None)
    if refusal is not None:
        raise RefusedError(refusal.rule, refusal.detail)
