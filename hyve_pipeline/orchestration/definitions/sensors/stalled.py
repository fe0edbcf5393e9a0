"""Finds runs that are in progress without making progress."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from hyve_pipeline.core.model.alerts import AlertRun, Finding
from hyve_pipeline.core.model.plan import split_partition_key
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import has_moved_since
from hyve_pipeline.orchestration.common.liveness import GOING_ON
from hyve_pipeline.orchestration.common.names import PARTITION_TAG, PLAN_TAG, Names
from hyve_pipeline.orchestration.common.runs import find_runs


def stalled_runs(instance: dg.DagsterInstance, sync: SyncContext, names: Names, now: datetime) -> list[Finding]:
    """The runs that wait, or whose journal has not moved, for `stalled_minutes`.

    A run that waits for its turn is not stalled while others make progress with the same plan. A listing keeps no
    journal and has its own timeouts, so it is not checked here.

    Raises:
        StateError: the journals can't be listed.
    """
    allowed = timedelta(minutes=sync.settings.automation.stalled_minutes)
    before = now - allowed
    stalled: list[Finding] = []
    for record in find_runs(instance, names, GOING_ON):
        run = record.dagster_run
        has_begun = run.status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
        is_journaled = run.job_name in (names.shard_job("copy"), names.shard_job("delete"))
        if _begun(record) > before or (has_begun and not is_journaled):
            continue
        plan, partition = run.tags.get(PLAN_TAG), run.tags.get(PARTITION_TAG)
        shard = _shard_of(partition) if has_begun else None
        if plan is not None and has_moved_since(sync, plan, shard, before):
            continue
        minutes = round(allowed.total_seconds() / 60)
        state = "has written no outcome" if has_begun else f"is {run.status.value} and has not begun"
        message = (
            f"run {run.run_id} of {run.job_name} {state} for {minutes} minutes: see the run and its logs in the UI"
        )
        about = AlertRun(run=run.run_id, partition=partition, message=message)
        stalled.append(Finding("stalled", plan, run.job_name, about, now))
    return stalled


def _begun(record: dg.RunRecord) -> datetime:
    """When a run started, or was created if it has not started."""
    if record.start_time is not None:
        return datetime.fromtimestamp(record.start_time, UTC)
    return record.create_timestamp.astimezone(UTC)


def _shard_of(partition: str | None) -> int | None:
    """The number of the shard that a partition is; None for one that is not a shard, as the user can add any."""
    try:
        return None if partition is None else split_partition_key(partition)[1]
    except ValueError:
        return None
