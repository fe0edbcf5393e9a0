"""Notes the ends of attempts at shards: the event, and after it the marker.

A process may be killed between the summary of an attempt, its event and its marker. So the next apply or
verification of the plan notes what has no marker yet; Dagster may get such an event twice, and none is lost.
"""

from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.journal import AttemptSummary
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.state.ended import ended_attempts
from hyve_pipeline.state.journals import ShardJournal


def note_end(context: SyncContext, plan: Plan, shard: Shard, summary: AttemptSummary) -> None:
    """Note that an attempt at a shard has ended, whose summary is written.

    Raises:
        StateError: it can't be written.
    """
    context.note(EventKind.SHARD_ENDED, plan=plan.id, shard=shard.number, attempt=summary.attempt)
    ShardJournal(context.state, plan.id, shard).mark_ended(summary)


def note_missed_ends(context: SyncContext, status: PlanStatus) -> None:
    """Note the ends of the newest attempts that have a summary and no marker.

    Raises:
        StateError: a file of the journal is damaged, or one can't be written.
    """
    plan = status.plan
    completed = [entry for entry in status.shards if entry.attempt and not entry.is_marked]
    if not completed:
        return
    marked = {
        (found.shard, found.attempt) for ends in ended_attempts(context.state, plan.id).values() for found in ends
    }
    for entry in completed:
        if (entry.shard.number, entry.attempt) not in marked:
            journal = ShardJournal(context.state, plan.id, entry.shard)
            note_end(context, plan, entry.shard, journal.summary(entry.attempt))
