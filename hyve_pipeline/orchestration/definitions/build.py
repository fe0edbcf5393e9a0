"""Builds the definitions of one sync, and of a whole configuration."""

import dagster as dg

from hyve_pipeline.core.model.diff import planned_sets
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.operations.context import Home, SyncContext, load_configuration
from hyve_pipeline.orchestration.common.io_manager import ParquetTables
from hyve_pipeline.orchestration.common.names import LOCATION, Names
from hyve_pipeline.orchestration.definitions.asset_jobs import AnyJob, build_asset_jobs
from hyve_pipeline.orchestration.definitions.assets.buckets import build_buckets
from hyve_pipeline.orchestration.definitions.assets.diff import build_diff
from hyve_pipeline.orchestration.definitions.assets.inventory import build_inventories
from hyve_pipeline.orchestration.definitions.assets.journal import build_journal
from hyve_pipeline.orchestration.definitions.assets.plan import build_plan
from hyve_pipeline.orchestration.definitions.assets.verify import build_verification
from hyve_pipeline.orchestration.definitions.resources import SyncResource
from hyve_pipeline.orchestration.definitions.retention_job import build_retention_job
from hyve_pipeline.orchestration.definitions.schedules import build_schedules
from hyve_pipeline.orchestration.definitions.sensors.alerts import build_alert_sensor
from hyve_pipeline.orchestration.definitions.sensors.apply import build_apply_sensor
from hyve_pipeline.orchestration.definitions.sensors.record import build_record_sensor
from hyve_pipeline.orchestration.definitions.sensors.retention import build_retention_sensor
from hyve_pipeline.orchestration.definitions.shard_jobs import build_shard_job
from hyve_pipeline.orchestration.definitions.undo_job import build_undo_job
from hyve_pipeline.orchestration.metadata.lineage import describer


def build_sync(home: Home, sync: SyncSettings, location: str | None = LOCATION) -> dg.Definitions:
    """All definitions of one sync.

    Args:
        home: where all state is.
        sync: the sync's settings.
        location: the name of the code location that they are for, to which links lead; None where it is not known.
    """
    names, context = Names(sync.name, home.id), SyncContext(home, sync)
    sets = planned_sets(sync.options)
    all_jobs: list[AnyJob] = [
        *build_asset_jobs(names, sets),
        build_shard_job(names, "copy"),
        build_shard_job(names, "delete"),
        build_undo_job(names),
        build_retention_job(names, sync.automation),
    ]
    jobs = {job.name: job for job in all_jobs}
    assets = [
        *build_buckets(names, sync, location),
        build_inventories(names),
        build_diff(names, sets),
        build_plan(names, sets),
        build_verification(names),
        build_journal(names),
    ]
    return dg.Definitions(
        assets=list(dg.map_asset_specs(describer(names, sync), assets)),
        jobs=all_jobs,
        resources={
            names.resource: SyncResource.of(home, sync),
            names.io_manager: ParquetTables(home=str(home.path)),
        },
        schedules=build_schedules(context, names, jobs[names.dryrun_job]),
        sensors=[
            build_apply_sensor(context, names, [jobs[name] for name in names.applying_jobs]),
            build_alert_sensor(context, names),
            build_record_sensor(context, names),
            build_retention_sensor(context, names, jobs[names.retention_job]),
        ],
    )


def load_definitions(home: Home) -> dg.Definitions:
    """The definitions of every sync that a home's configuration has; none when nothing is configured yet.

    Raises:
        ConfigurationError: the configuration is wrong.
    """
    if not home.settings_file.exists():
        return dg.Definitions()
    return dg.Definitions.merge(*(build_sync(home, sync) for sync in load_configuration(home).sync.values()))
