"""The schedule that launches dryruns."""

import dagster as dg

from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.orchestration.common.liveness import GOING_ON, close_dead_runs
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.runs import find_runs
from hyve_pipeline.orchestration.definitions.asset_jobs import AnyJob
from hyve_pipeline.orchestration.definitions.sensors.switch import schedule_status


def build_schedules(sync: SyncContext, names: Names, dryrun: AnyJob) -> list[dg.ScheduleDefinition]:
    """The sync's schedule; none when none is configured."""
    if sync.settings.schedule is None:
        return []

    @dg.schedule(
        name=names.schedule,
        job=dryrun,
        cron_schedule=sync.settings.schedule,
        execution_timezone=sync.settings.timezone,
        default_status=schedule_status(sync),
        description="Launches a dryrun, unless the previous one is still in progress.",
    )
    def take_dryrun(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        close_dead_runs(context.instance, sync, names)
        for record in find_runs(context.instance, names, GOING_ON, job=names.dryrun_job, limit=1):
            return dg.SkipReason(f"run {record.dagster_run.run_id}, the previous dryrun, is still in progress")
        return dg.RunRequest()

    return [take_dryrun]
