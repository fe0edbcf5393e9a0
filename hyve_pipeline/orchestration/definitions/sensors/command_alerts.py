"""What commands did that somebody is to be alerted to: refused plans, failed shards, and differences."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.model.alerts import AlertEvent, AlertRun
from hyve_pipeline.core.model.event import Event, EventKind
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import ended_attempt
from hyve_pipeline.operations.verify.read import read_verification
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.metadata.events import differences_text
from hyve_pipeline.orchestration.metadata.plan import refusals_text

# What is to be told of one run or command: of which kind, of which plan and job, what exactly, and when it was.
Finding = tuple[AlertEvent, str | None, str, AlertRun, datetime]


def findings_of(sync: SyncContext, names: Names, events: Sequence[Event]) -> Iterator[Finding]:
    """What events say of commands that is worth an alert; what runs of Dagster did is found by the runs."""
    for event in events:
        if event.actor.command is None or event.plan is None or not sync.plans.exists(event.plan):
            continue
        job, partition = _job_of(names, event), None
        try:
            plan = sync.plans.load(event.plan)
            found = _judge(sync, plan, event)
            if event.kind is EventKind.SHARD_ENDED:
                shard = next(shard for shard in plan.shards if shard.number == event.shard)
                job, partition = names.shard_job(shard.action), plan.partition_key(shard)
        except HyveError as error:
            found = "failed", str(error)  # a file that can't be read must not keep back what else there is to tell
        if found is not None:
            kind, message = found
            run = AlertRun(
                run=event.actor.id, command=f"hyve {event.actor.command}", partition=partition, message=message
            )
            yield kind, event.plan, job, run, event.at


def _judge(sync: SyncContext, plan: Plan, event: Event) -> tuple[AlertEvent, str] | None:
    if event.kind is EventKind.PLAN_FROZEN and plan.refusals:
        return "refused", f"refused by {refusals_text(plan)}"
    if event.kind is EventKind.SHARD_ENDED:
        shard, summary = ended_attempt(sync, plan, event.shard or 0, event.attempt or 0)
        reasons = ", ".join(f"{count} {code}" for code, count in sorted(summary.failures.items()))
        if summary.tally.failed:
            return "failed", f"{summary.tally.failed} of {shard.objects} objects failed ({reasons})"
    if event.kind is EventKind.PLAN_VERIFIED:
        verification = read_verification(sync, plan.id, event.verification or "")
        if not verification.verified:
            return "differs", differences_text(verification)
    return None


def _job_of(names: Names, event: Event) -> str:
    """The job that would have done it."""
    return names.verify_job if event.kind is EventKind.PLAN_VERIFIED else names.dryrun_job
