"""The sensor that requests the run that drops old plans."""

from datetime import UTC, datetime

import dagster as dg

from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.retention import KeepRules, plans_to_drop
from hyve_pipeline.orchestration.common.liveness import close_dead_runs
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.definitions.asset_jobs import AnyJob
from hyve_pipeline.orchestration.definitions.sensors.switch import sensor_status


def build_retention_sensor(sync: SyncContext, names: Names, job: AnyJob) -> dg.SensorDefinition:
    """Launches the retention job when there is something for it to do."""

    @dg.sensor(
        name=names.retention_sensor,
        job=job,
        minimum_interval_seconds=sync.settings.automation.interval_seconds,
        default_status=sensor_status(sync),
        description="Drops plans that keep_plans, keep_days and keep_event_plans of the configuration no longer keep, "
        "with their journals, inventories, partitions and runs.",
    )
    def drop_old_plans(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        close_dead_runs(context.instance, sync, names)
        rules = KeepRules.of(sync.settings.automation)
        if not rules.are_set:
            return dg.SkipReason("none of keep_plans, keep_days and keep_event_plans is set: every plan is kept")
        old = plans_to_drop(sync, rules, datetime.now(UTC))
        if not old:
            return dg.SkipReason("no plan is old enough")
        # The run key names the newest of them: if the run fails, the next plan that becomes too old causes another.
        return dg.RunRequest(run_key=f"until {old[-1]}")

    return drop_old_plans
