"""Builds the definitions of one sync, and of a whole configuration."""

from collections.abc import Sequence

import dagster as dg

from hyve_pipeline.core.model.diff import planned_sets
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.operations.context import Home, SyncContext, load_configuration
from hyve_pipeline.orchestration.common.io_manager import ParquetTables
from hyve_pipeline.orchestration.common.names import LOCATION, Names
from hyve_pipeline.orchestration.common.steps import Customization, Steps
from hyve_pipeline.orchestration.definitions.asset_jobs import AnyJob, build_asset_jobs
from hyve_pipeline.orchestration.definitions.assets.buckets import build_buckets
from hyve_pipeline.orchestration.definitions.assets.diff import build_diff
from hyve_pipeline.orchestration.definitions.assets.inventory import build_inventories
from hyve_pipeline.orchestration.definitions.assets.journal import build_journal
from hyve_pipeline.orchestration.definitions.assets.plan import build_plan
from hyve_pipeline.orchestration.definitions.assets.verify import build_verification
from hyve_pipeline.orchestration.definitions.events_job import build_events_job
from hyve_pipeline.orchestration.definitions.resources import SyncResource
from hyve_pipeline.orchestration.definitions.restore_job import build_restore_job
from hyve_pipeline.orchestration.definitions.retention_job import build_retention_job
from hyve_pipeline.orchestration.definitions.schedules import build_schedules
from hyve_pipeline.orchestration.definitions.sensors.alerts import build_alert_sensor
from hyve_pipeline.orchestration.definitions.sensors.apply import build_apply_sensor
from hyve_pipeline.orchestration.definitions.sensors.events import build_events_sensor
from hyve_pipeline.orchestration.definitions.sensors.record import build_record_sensor
from hyve_pipeline.orchestration.definitions.sensors.retention import build_retention_sensor
from hyve_pipeline.orchestration.definitions.shard_jobs import build_shard_job
from hyve_pipeline.orchestration.definitions.translation import AnyAsset, translated_specs, with_translation
from hyve_pipeline.orchestration.definitions.undo_job import build_undo_job
from hyve_pipeline.orchestration.metadata.lineage import describer

_DEFAULT = Customization()


def build_sync(
    home: Home, sync: SyncSettings, location: str | None = LOCATION, custom: Customization = _DEFAULT
) -> dg.Definitions:
    """All definitions of one sync.

    Args:
        home: where all state is.
        sync: the sync's settings.
        location: the name of the code location that they are for, to which links lead; None where it is not known.
        custom: what a component changes of them.

    Raises:
        dg.DagsterInvalidDefinitionError: the translation of the assets is not possible.
    """
    context = SyncContext(home, sync)
    names = Names(sync.name, home.id, ops=custom.op.name)
    sets = planned_sets(sync.options)
    assets = _build_assets(names, Steps(names, custom), sync, location)
    translated: dict[dg.AssetKey, dg.AssetSpec] = {}
    if custom.translate is not None:
        translated = translated_specs(sync.name, assets, custom.translate)
        names = Names(sync.name, home.id, {key: spec.key for key, spec in translated.items()}, custom.op.name)
        assets = with_translation(_build_assets(names, Steps(names, custom), sync, location), translated)
    steps = Steps(names, custom)
    all_jobs: list[AnyJob] = [
        *build_asset_jobs(names, sets),
        build_shard_job(names, steps, "copy"),
        build_shard_job(names, steps, "delete"),
        build_restore_job(names, steps),
        build_undo_job(names, steps),
        build_retention_job(names, steps, sync.automation),
        *((build_events_job(names, steps, sync),) if sync.events is not None else ()),
    ]
    jobs = {job.name: job for job in all_jobs}
    tables = {spec.key.to_user_string(): key.path[-1] for key, spec in translated.items()}
    return dg.Definitions(
        assets=assets,
        jobs=all_jobs,
        resources={
            names.resource: SyncResource.of(home, sync),
            names.io_manager: ParquetTables(home=str(home.path), sync=sync.name, assets=tables),
        },
        schedules=build_schedules(context, names, jobs[names.dryrun_job]),
        sensors=[
            build_apply_sensor(context, names, [jobs[name] for name in (*names.applying_jobs, names.restore_job)]),
            build_alert_sensor(context, names),
            build_record_sensor(context, names),
            build_retention_sensor(context, names, jobs[names.retention_job]),
            *((build_events_sensor(context, names, jobs[names.events_job]),) if sync.events is not None else ()),
        ],
    )


def _build_assets(names: Names, steps: Steps, sync: SyncSettings, location: str | None) -> Sequence[AnyAsset]:
    sets = planned_sets(sync.options)
    assets = [
        *build_buckets(names, sync, location),
        build_inventories(names, steps),
        build_diff(names, steps, sets),
        build_plan(names, steps, sets),
        build_verification(names, steps),
        build_journal(names, steps),
    ]
    return list(dg.map_asset_specs(describer(names, sync), assets))


def load_definitions(home: Home) -> dg.Definitions:
    """The definitions of every sync that a home's configuration has; none when nothing is configured yet.

    Raises:
        ConfigurationError: the configuration is wrong.
    """
    if not home.settings_file.exists():
        return dg.Definitions()
    return dg.Definitions.merge(*(build_sync(home, sync) for sync in load_configuration(home).sync.values()))
