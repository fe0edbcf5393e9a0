"""Reads from the journal how far a plan has been applied."""

from collections.abc import Callable, Container, Iterable, Iterator
from datetime import datetime

from hyve_pipeline.core.base.errors import ConfigurationError, RefusedError, StateError
from hyve_pipeline.core.base.suggestions import hint_for
from hyve_pipeline.core.model.journal import AttemptSummary, JournalRow, Outcome, ShardState, count_outcomes
from hyve_pipeline.core.model.plan import Plan, split_partition_key
from hyve_pipeline.core.model.safety_rules import Action, Refusal
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.model.status import PlanStatus, ShardStatus
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.state.ended import EndedAttempt, ended_attempts
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.journals import ShardJournal, begun_shards


def plan_status(context: SyncContext, plan: Plan, finished: dict[int, ShardStatus] | None = None) -> PlanStatus:
    """How far `plan` has been applied.

    Two listings, of the shards that have begun and of the markers of attempts that have ended, say it of all shards but
    those in progress or with failures, whose journals are read.

    Args:
        context: the sync.
        plan: the plan.
        finished: finished shards of earlier calls, by number, for callers that poll: a finished shard stays finished
            and is not read again. Those that this call finds are added.

    Raises:
        StateError: a file of the journal is damaged.
    """
    known = {} if finished is None else finished
    state = context.state
    # In this order, so that a shard that ends meanwhile has both.
    begun = begun_shards(state, plan.id)
    ended = ended_attempts(state, plan.id) if begun else {}

    def read(shard: Shard, attempt: int) -> AttemptSummary:
        return ShardJournal(state, plan.id, shard).summary(attempt)

    shards: list[ShardStatus] = []
    for shard in plan.shards:
        status = known.get(shard.number)
        if status is None:
            if shard.number not in begun:
                status = ShardStatus(shard, ShardState.PENDING)
            else:
                status = _by_markers(shard, ended.get(shard.number, []), read)
            if status is None:
                status = _by_journal(shard, ShardJournal(state, plan.id, shard))
            if status.state is ShardState.FINISHED:
                known[shard.number] = status
        shards.append(status)
    return PlanStatus(plan=plan, shards=tuple(shards), refusals=plan_refusals(context, plan))


def _by_markers(
    shard: Shard, ended: list[EndedAttempt], read: Callable[[Shard, int], AttemptSummary]
) -> ShardStatus | None:
    """The status of a shard that is finished; None if its markers alone do not say that."""
    newest = max(ended, key=lambda marker: marker.attempt, default=None)
    # After failures another attempt may have begun. An attempt without a marker may have rows that the last one did not
    # count.
    if (
        newest is None
        or newest.tally.failed
        or sorted(marker.attempt for marker in ended) != [*range(1, newest.attempt + 1)]
    ):
        return None
    if newest.tally.done + newest.tally.skipped != shard.objects:
        return None
    return ShardStatus(
        shard,
        ShardState.FINISHED,
        newest.tally,
        begun=newest.attempt,
        attempt=newest.attempt,
        ended=newest.at,
        has_details=newest.has_more,
        is_marked=True,
        read=read,
    )


def plan_refusals(context: SyncContext, plan: Plan) -> tuple[Refusal, ...]:
    """What the safety rules refuse of a plan, under its approval if it has one."""
    return plan.judged(context.plans.approval(plan.id))


def _by_journal(shard: Shard, journal: ShardJournal) -> ShardStatus:
    state, summary = journal.latest()
    found = summary if summary is not None else count_outcomes(journal.last_rows().values())
    return ShardStatus(
        shard,
        state,
        found.tally,
        begun=journal.newest_attempt() if summary is None else summary.attempt,
        attempt=0 if summary is None else summary.attempt,
        ended=None if summary is None else summary.ended,
        has_details=True,
        read=lambda *_: found,
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


def has_begun_attempts(context: SyncContext, plan: Plan, before: Container[int] = ()) -> bool:
    """Whether this actor has begun any shard of a plan, and so may have changed something.

    Args:
        context: the sync.
        plan: the plan.
        before: the numbers of shards that were finished before this actor began.

    Raises:
        StateError: a file of the journal is damaged.
    """
    begun = begun_shards(context.state, plan.id)
    return any(
        shard.number in begun
        and shard.number not in before
        and ShardJournal(context.state, plan.id, shard).last_run() == context.actor.id
        for shard in plan.shards
    )


def has_moved_since(context: SyncContext, plan_id: str, shard: int | None, before: datetime) -> bool:
    """Whether the journal of a plan, or of one of its shards, has changed since a time.

    Raises:
        StateError: the journal can't be listed.
    """
    folder = f"journals/{plan_id}" if shard is None else f"journals/{plan_id}/{shard:04d}"
    if shard is None:
        # First by the markers alone: the whole journal of a plan may have very many files.
        markers = ended_attempts(context.state, plan_id).values()
        if any(marker.at > before for found in markers for marker in found):
            return True
    moved = context.state.last_change(folder)
    return moved is not None and moved > before


def unsettled_rows(context: SyncContext, status: PlanStatus) -> Iterator[JournalRow]:
    """The last rows of all objects that failed or were skipped, by key.

    Raises:
        StateError: a file of the journal is damaged.
    """
    for entry in status.shards:
        if entry.tally.failed or entry.tally.skipped:
            journal = ShardJournal(context.state, status.plan.id, entry.shard)
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
    hint = hint_for(partition_key, plan.partition_keys(action))
    raise ConfigurationError(f"plan {plan_id} has no {action} shard {number}{hint}")


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
