"""The sensor that sends alerts about refusals, failures, differences and stalled runs.

Each tick reads the runs that have ended since some minutes before the last tick: Dagster does not record runs in the
order in which they ended. The cursor holds those of that time that were reported. If a channel does not accept an
alert, the cursor stays, and the next tick sends it there again. What was accepted is not sent twice, also where a
command has sent it.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import ValidationError

from hyve_pipeline.core.base.errors import HyveError, RefusedError
from hyve_pipeline.core.base.keys import printable
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.alerts import AlertEvent, AlertRun, Finding, alerts_of
from hyve_pipeline.operations.alert_channels import AlertUnknownError
from hyve_pipeline.operations.alerting import send_alerts
from hyve_pipeline.operations.command_alerts import findings_of
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.verify.explained import is_explained
from hyve_pipeline.operations.verify.read import verification_between
from hyve_pipeline.orchestration.common.failures import error_of_step
from hyve_pipeline.orchestration.common.liveness import close_dead_runs
from hyve_pipeline.orchestration.common.names import ATTEMPT_TAG, PARTITION_TAG, PLAN_TAG, Names
from hyve_pipeline.orchestration.common.runs import find_runs
from hyve_pipeline.orchestration.definitions.sensors.stalled import stalled_runs
from hyve_pipeline.orchestration.definitions.sensors.switch import sensor_status

_logger = logging.getLogger("hyve_pipeline.alerts")

# How long after its end a run may be recorded.
_WHILE = timedelta(minutes=10)


class _Cursor(Frozen):
    """The cursor of the sensor.

    Attributes:
        until: the time of the last tick.
        reported: the end of each recent run that was reported, or required no alert.
        stalled: the runs that were reported as stalled, and still are.
        event: the number of the last event of the state that was read.
    """

    until: datetime
    reported: dict[str, float]
    stalled: tuple[str, ...]
    event: int


def build_alert_sensor(sync: SyncContext, names: Names, most_runs: int = 500) -> dg.SensorDefinition:
    """Writes a log line and sends an alert for each refusal, failure and difference.

    Args:
        sync: the sync.
        names: its names in Dagster.
        most_runs: the most runs, and the most events, of one tick; the next continues with the others.
    """

    @dg.sensor(
        name=names.alert_sensor,
        minimum_interval_seconds=sync.settings.automation.interval_seconds,
        default_status=sensor_status(sync),
        description="Sends alerts about refused plans, failed and stalled runs, and stores that are not as planned: "
        "as a line in the log, and to webhooks and by mail if configured. Reports only what happens once it is "
        "switched on.",
    )
    def alert(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        close_dead_runs(context.instance, sync, names)
        now = datetime.now(UTC)
        cursor = _read_cursor(context.cursor)
        if cursor is None:
            begun = _Cursor(until=now, reported={}, stalled=(), event=sync.events.newest_number())
            context.update_cursor(begun.model_dump_json())
            return dg.SkipReason("reports what happens from now on")
        records = [
            record
            for record in _ended_runs(context.instance, names, cursor.until - _WHILE, most_runs + len(cursor.reported))
            if record.end_time is not None and record.dagster_run.run_id not in cursor.reported
        ]
        events = sync.events.after(min(cursor.event, sync.events.newest_number()), most_runs)
        findings = [*_findings(context.instance, sync, names, records), *findings_of(sync, events)]
        stalled = {finding[3].run: finding for finding in stalled_runs(context.instance, sync, names, now)}
        findings += [finding for run, finding in stalled.items() if run not in cursor.stalled]
        alerts = [found for found, _ in alerts_of(sync.name, findings)]
        for found in alerts:
            context.log.error(found.text)
            _logger.error("%s", printable(found.text))
        try:
            send_alerts(sync, findings)
        except AlertUnknownError as problem:
            context.log.error(str(problem))  # to repeat the tick would not send it again
        ends = {record.dagster_run.run_id: record.end_time for record in records if record.end_time is not None}
        # A full tick may have left some for the next one.
        until = now if len(records) < most_runs else cursor.until
        reported = {
            run: end for run, end in (cursor.reported | ends).items() if end >= (until - 2 * _WHILE).timestamp()
        }
        event = events[-1].number if events else cursor.event
        moved = _Cursor(until=until, reported=reported, stalled=tuple(stalled), event=event)
        context.update_cursor(moved.model_dump_json())
        return dg.SkipReason("; ".join(found.text for found in alerts) or "nothing to report")

    return alert


def _read_cursor(text: str | None) -> _Cursor | None:
    try:
        return _Cursor.model_validate_json(text) if text else None
    except ValidationError:
        return None  # a cursor of another version: start again


def _ended_runs(instance: dg.DagsterInstance, names: Names, since: datetime, most: int) -> list[dg.RunRecord]:
    """The sync's runs that failed, and its verifications, oldest first."""
    wanted = {dg.DagsterRunStatus.FAILURE: None, dg.DagsterRunStatus.SUCCESS: names.verify_job}
    records = [
        record
        for status, job in wanted.items()
        for record in find_runs(instance, names, [status], job=job, updated_after=since, limit=most, oldest_first=True)
    ]
    # An old run can have been updated by a new tag.
    return [record for record in records if record.end_time is not None and record.end_time >= since.timestamp()]


def _findings(
    instance: dg.DagsterInstance, sync: SyncContext, names: Names, records: Sequence[dg.RunRecord]
) -> Iterator[Finding]:
    """What to report of each run."""
    for record in records:
        run = record.dagster_run
        try:
            found = _judge(instance, sync, names, record)
        except HyveError as error:
            found = "failed", str(error)  # a file that can't be read must not prevent the other alerts
        if found is None:
            continue
        event, message = found
        attempt = run.tags.get(ATTEMPT_TAG, "")
        about = AlertRun(
            run=run.run_id,
            partition=run.tags.get(PARTITION_TAG),
            attempt=int(attempt) if attempt.isdecimal() else None,
            given_up=attempt.isdecimal() and int(attempt) >= sync.settings.automation.shard_attempts,
            message=message,
        )
        ended = datetime.fromtimestamp(record.end_time or 0.0, UTC)
        yield Finding(event, run.tags.get(PLAN_TAG), run.job_name, about, ended)


def _judge(
    instance: dg.DagsterInstance, sync: SyncContext, names: Names, record: dg.RunRecord
) -> tuple[AlertEvent, str] | None:
    """What to report of a run, None if it requires no alert."""
    run = record.dagster_run
    if run.status is dg.DagsterRunStatus.SUCCESS:
        difference = _difference(sync, record)
        return None if difference is None else ("differs", difference)
    error = _error_of(instance, run)
    if isinstance(error, RefusedError):
        return "refused", str(error)
    refusal = _refusal(sync, names, run)
    return ("refused", refusal) if refusal is not None else ("failed", str(error))


def _difference(sync: SyncContext, record: dg.RunRecord) -> str | None:
    """What a verification found to be different, other than what was left of the plan."""
    plan_id = record.dagster_run.tags.get(PLAN_TAG)
    if plan_id is None or not sync.plans.exists(plan_id):
        return None
    begun, ended = (datetime.fromtimestamp(time or 0.0, UTC) for time in (record.start_time, record.end_time))
    plan = sync.plans.load(plan_id)
    # The run's own verification: there may be later ones by now.
    verification = verification_between(sync, plan, begun, ended)
    if verification is None or verification.verified or is_explained(plan_status(sync, plan), verification):
        return None
    return verification.described


def _refusal(sync: SyncContext, names: Names, run: dg.DagsterRun) -> str | None:
    """Why the plan that a dryrun made was refused."""
    plan_id = run.tags.get(PLAN_TAG)
    if run.job_name != names.dryrun_job or plan_id is None or not sync.plans.exists(plan_id):
        return None
    refusals = sync.plans.load(plan_id).refusals
    return "; ".join(refusal.described for refusal in refusals) or None


def _error_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> HyveError:
    """The first failure of a run, with the message of the error that was raised."""
    failures = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    events = [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=failures)]
    for event in filter(None, events):
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            return error_of_step(event)
        if event.message:
            return HyveError(event.message)
    return HyveError(f"run {run.run_id} failed: see its logs in the UI")
