"""The sensor that follows a sync by its events."""

import dagster as dg

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.follow.follow import open_queue
from hyve_pipeline.operations.follow.turns import busy_with
from hyve_pipeline.orchestration.common.liveness import GOING_ON, close_dead_runs
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.runs import find_runs
from hyve_pipeline.orchestration.definitions.asset_jobs import AnyJob
from hyve_pipeline.orchestration.definitions.sensors.switch import sensor_status


def build_events_sensor(sync: SyncContext, names: Names, job: AnyJob) -> dg.SensorDefinition:
    """Launches the events job when messages wait in the queue; one run at a time."""

    @dg.sensor(
        name=names.events_sensor,
        job=job,
        minimum_interval_seconds=sync.settings.automation.interval_seconds,
        default_status=sensor_status(sync),
        description="Launches a run when events of the source wait in the queue. It makes and applies a small plan of "
        f'the keys that they name; apply is "{sync.settings.apply}".',
    )
    def follow_events(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        close_dead_runs(context.instance, sync, names)
        if sync.settings.apply == "never":
            return dg.SkipReason("apply is \"never\": nothing is copied automatically; 'hyve follow' does it")
        for name in (names.events_job, names.dryrun_job):
            going_on = find_runs(context.instance, names, GOING_ON, job=name, limit=1)
            if going_on:
                # Also between the steps of a dryrun, in which no process makes a plan.
                what = "" if name == names.events_job else f" of {name}"
                return dg.SkipReason(f"run {going_on[0].dagster_run.run_id}{what} is in progress")
        try:
            busy = busy_with(sync)
            if busy is not None:
                return dg.SkipReason(f"events wait: {busy}")
            with open_queue(sync) as queue:
                waiting = queue.waiting()
        except HyveError as error:
            return dg.SkipReason(str(error))
        return dg.RunRequest() if waiting else dg.SkipReason("no message waits")

    return follow_events
