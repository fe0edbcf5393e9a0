"""Finds what commands did that requires an alert: refused plans, failed shards, and differences."""

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

# What to report of one run or command: the kind of alert, the plan, the job, the details, and the time.
Finding = tuple[AlertEvent, str | None, str, AlertRun, datetime]


def findings_of(sync: SyncContext, names: Names, events: Sequence[Event]) -> Iterator[Finding]:
    """The events of commands that require an alert; those of Dagster runs are found by the runs."""
    for event in events:
        if event.actor.command is None or event.plan is None or not sync.plans.exists(event.plan):
            continue
        job, partition = _job_of(names, event), None
        try:
            plan = sync.plans.load(event.plan)
            found = _judge(sync, plan, event)
            shard = plan.shard(event.shard or 0) if event.kind is EventKind.SHARD_ENDED else None
            if shard is not None:
                job, partition = names.shard_job(shard.action), plan.partition_key(shard)
        except HyveError as error:
            found = "failed", str(error)  # a file that can't be read must not prevent the other alerts
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
    """The job that does the same in Dagster."""
    return names.verify_job if event.kind is EventKind.PLAN_VERIFIED else names.dryrun_job
