"""The job that drops old plans, and their shards from Dagster's partitions."""

from datetime import UTC, datetime

import dagster as dg

from hyve_pipeline.core.model.plan import plan_of_partition
from hyve_pipeline.core.settings.model import Automation
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.retention import drop_plans, plans_to_drop
from hyve_pipeline.orchestration.common.failures import as_failure
from hyve_pipeline.orchestration.common.names import PARTITION_TAG, PLAN_TAG, SYNC_TAG, Names
from hyve_pipeline.orchestration.common.run_config import RetentionConfig
from hyve_pipeline.orchestration.definitions.asset_jobs import GOING_ON
from hyve_pipeline.orchestration.definitions.resources import SyncResource

_DESCRIPTION = (
    "Drops plans that are neither among the newest keep_plans nor younger than keep_days, with their journals, "
    "inventories and partitions. A dropped plan can't be shown, retried or undone any more. The newest plan stays in "
    "any case, and nothing in a bucket or in the trash is touched."
)


def build_retention_job(names: Names, rules: Automation) -> dg.JobDefinition:
    """Drops what the configuration, or that of the run, no longer keeps."""

    @dg.op(
        name=f"{names.sync}_drop_plans",
        description=_DESCRIPTION,
        out=dg.Out(dg.Nothing),
        required_resource_keys={names.resource},
    )
    def drop(context: dg.OpExecutionContext, config: RetentionConfig) -> None:
        resource: SyncResource = getattr(context.resources, names.resource)
        sync = resource.context()
        keep_plans, keep_days = config.keep_plans, config.keep_days
        if keep_plans is None and keep_days is None:
            keep_plans, keep_days = rules.keep_plans, rules.keep_days
        with as_failure():
            old = plans_to_drop(sync, keep_plans, keep_days, datetime.now(UTC), _plans_in_use(context.instance, names))
            done = drop_plans(sync, old) if old else None
        partitions = _drop_partitions(context.instance, names, sync)
        context.log_event(
            dg.AssetObservation(
                names.plan,
                description=f"{len(old)} old plans were dropped",
                metadata={
                    "plans dropped": len(old),
                    "files removed": 0 if done is None else done.files,
                    "bytes freed": 0 if done is None else done.bytes,
                    "partitions dropped": partitions,
                    "dropped": dg.MetadataValue.json(old),
                },
            )
        )

    @dg.job(
        name=names.retention_job,
        executor_def=dg.in_process_executor,
        tags={SYNC_TAG: names.sync},
        description=_DESCRIPTION,
    )
    def retention_job() -> None:
        drop()

    return retention_job


def _plans_in_use(instance: dg.DagsterInstance, names: Names) -> set[str]:
    """The plans that runs have to do with which wait or go on."""
    runs = instance.get_runs(dg.RunsFilter(statuses=GOING_ON, tags={SYNC_TAG: names.sync}))
    tags = [run.tags for run in runs]
    plans = {found[PLAN_TAG] for found in tags if PLAN_TAG in found}
    return plans | {plan for found in tags if (plan := plan_of_partition(found.get(PARTITION_TAG, ""))) is not None}


def _drop_partitions(instance: dg.DagsterInstance, names: Names, sync: SyncContext) -> int:
    """Make Dagster forget the shards of plans that are gone; also those that an earlier run did not come to."""
    plans = set(sync.plans.ids())
    dropped = 0
    for partitions in (names.shard_set("copy"), names.shard_set("delete"), names.store_shard_set):
        for key in instance.get_dynamic_partitions(partitions):
            if plan_of_partition(key) not in plans:
                instance.delete_dynamic_partition(partitions, key)
                dropped += 1
    return dropped
