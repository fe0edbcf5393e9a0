"""Finds what commands did that requires an alert: refused plans, failed shards, differences, and failures."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from hyve_pipeline.core.base.codes import in_words
from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.errors import HyveError, InterruptedRunError, RefusedError
from hyve_pipeline.core.model.alerts import AlertEvent, AlertRun, Finding
from hyve_pipeline.core.model.event import Event, EventKind
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.alert_channels import channels_of
from hyve_pipeline.operations.alerting import send_alerts
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import ended_attempt, plan_status
from hyve_pipeline.operations.verify.explained import is_explained
from hyve_pipeline.operations.verify.read import read_verification

# The most events of a command that are read at its end; a sensor finds the rest.
_MOST_EVENTS = 500

# Commands that have a job of their own name.
_OWN_JOBS = ("copy", "delete", "verify", "undo")


def findings_of(sync: SyncContext, events: Sequence[Event]) -> Iterator[Finding]:
    """The events of commands that require an alert; those of Dagster runs are found by the runs."""
    for event in events:
        if event.actor.command is None or event.plan is None or not sync.plans.exists(event.plan):
            continue
        # The job that does the same in Dagster.
        job = f"{sync.name}_{'verify' if event.kind is EventKind.PLAN_VERIFIED else 'dryrun'}"
        partition = None
        try:
            plan = sync.plans.load(event.plan)
            found = _judge(sync, plan, event)
            shard = plan.shard(event.shard or 0) if event.kind is EventKind.SHARD_ENDED else None
            if shard is not None:
                job, partition = f"{sync.name}_{shard.action}", plan.partition_key(shard)
        except HyveError as error:
            found = "failed", str(error)  # a file that can't be read must not prevent the other alerts
        if found is not None:
            kind, message = found
            run = AlertRun(
                run=event.actor.id, command=f"hyve {event.actor.command}", partition=partition, message=message
            )
            yield Finding(kind, event.plan, job, run, event.at)


class CommandAlerts:
    """Sends at the end of a command what it did that requires an alert, where a channel is configured.

    Args:
        sync: the sync, with the command as its actor, before the command has done anything.
    """

    def __init__(self, sync: SyncContext) -> None:
        self._sync = sync
        self._is_on = any(True for _ in channels_of(sync.settings.automation))
        self._before = sync.events.newest_number() if self._is_on else 0

    def send(self, error: BaseException | None) -> None:
        """Send them.

        Args:
            error: what ended the command; None if nothing did.

        Raises:
            HyveError: see `send_alerts`.
        """
        if not self._is_on or isinstance(error, KeyboardInterrupt | InterruptedRunError):
            return  # the user who interrupted it knows, and waits
        events = self._sync.events.after(self._before, _MOST_EVENTS)
        own = [event for event in events if event.actor.id == self._sync.actor.id]
        findings = [*findings_of(self._sync, own)]
        if isinstance(error, HyveError):
            findings.append(self._failure(error))
        send_alerts(self._sync, findings)

    def _failure(self, error: HyveError) -> Finding:
        command = self._sync.actor.command or "python"
        kind: AlertEvent = "refused" if isinstance(error, RefusedError) else "failed"
        verb = command.partition(" ")[0]  # as in `copy --by batch`
        job = f"{self._sync.name}_{verb if verb in _OWN_JOBS else 'dryrun'}"
        run = AlertRun(run=self._sync.actor.id, command=f"hyve {command}", message=str(error))
        return Finding(kind, None, job, run, datetime.now(UTC))


def _judge(sync: SyncContext, plan: Plan, event: Event) -> tuple[AlertEvent, str] | None:
    if event.kind is EventKind.PLAN_FROZEN and plan.refusals:
        return "refused", "; ".join(one.described for one in plan.refusals)
    if event.kind is EventKind.SHARD_ENDED:
        shard, summary = ended_attempt(sync, plan, event.shard or 0, event.attempt or 0)
        reasons = ", ".join(f"{count} {in_words(code)}" for code, count in sorted(summary.failures.items()))
        if summary.tally.failed:
            return "failed", f"{summary.tally.failed:,} of {counted(shard.objects)} failed ({reasons})"
    if event.kind is EventKind.PLAN_VERIFIED:
        verification = read_verification(sync, plan.id, event.verification or "")
        if not verification.verified and not is_explained(plan_status(sync, plan), verification):
            return "differs", verification.described
    return None
