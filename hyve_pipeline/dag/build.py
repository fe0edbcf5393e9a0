"""Builds the definitions of one sync, and of a whole configuration."""

import dagster as dg

from hyve_pipeline.core.settings import SyncSettings
from hyve_pipeline.dag.assets.buckets import build_buckets
from hyve_pipeline.dag.assets.diff import build_diff
from hyve_pipeline.dag.assets.inventory import build_inventories
from hyve_pipeline.dag.assets.journal import build_journal
from hyve_pipeline.dag.assets.plan import build_plan
from hyve_pipeline.dag.assets.verify import build_verification
from hyve_pipeline.dag.io import ParquetTables
from hyve_pipeline.dag.jobs import AssetJob, build_dryrun_job, build_shard_job, build_verify_job
from hyve_pipeline.dag.names import Names
from hyve_pipeline.dag.resources import SyncResource
from hyve_pipeline.dag.undo import build_undo_job
from hyve_pipeline.flow.context import Home, load_configuration


def build_sync(home: Home, sync: SyncSettings) -> dg.Definitions:
    """All definitions of one sync."""
    names = Names(sync.name)
    dryrun = build_dryrun_job(names)
    return dg.Definitions(
        assets=[
            *build_buckets(names, sync),
            build_inventories(names),
            build_diff(names),
            build_plan(names),
            build_verification(names),
            build_journal(names),
        ],
        jobs=[
            dryrun,
            build_shard_job(names, "copy"),
            build_shard_job(names, "delete"),
            build_verify_job(names),
            build_undo_job(names),
        ],
        schedules=_schedules(names, sync, dryrun),
        resources={
            names.resource: SyncResource.of(home, sync),
            names.io_manager: ParquetTables(home=str(home.path)),
        },
    )


def load_definitions(home: Home) -> dg.Definitions:
    """The definitions of every sync that a home's configuration has; none when nothing is configured yet.

    Raises:
        ConfigurationError: the configuration is wrong.
    """
    if not home.settings_file.exists():
        return dg.Definitions()
    return dg.Definitions.merge(*(build_sync(home, sync) for sync in load_configuration(home).sync.values()))


def _schedules(names: Names, sync: SyncSettings, dryrun: AssetJob) -> list[dg.ScheduleDefinition]:
    if sync.schedule is None:
        return []
    return [
        dg.ScheduleDefinition(
            name=names.schedule,
            job=dryrun,
            cron_schedule=sync.schedule,
            execution_timezone=sync.timezone,
            description="Takes a dryrun; off until it is switched on.",
        )
    ]
