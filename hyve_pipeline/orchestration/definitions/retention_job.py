"""The job that drops old plans, with their partitions and runs in Dagster."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.model.plan import plan_of_partition
from hyve_pipeline.core.settings.model import Automation
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.retention import KeepRules, drop_plans, plans_to_drop
from hyve_pipeline.orchestration.common.failures import as_failure
from hyve_pipeline.orchestration.common.liveness import GOING_ON
from hyve_pipeline.orchestration.common.names import PARTITION_TAG, PLAN_TAG, Names
from hyve_pipeline.orchestration.common.partitions import lost_shards
from hyve_pipeline.orchestration.common.run_config import RetentionConfig
from hyve_pipeline.orchestration.common.runs import find_runs
from hyve_pipeline.orchestration.common.steps import Steps
from hyve_pipeline.orchestration.definitions.op_job import build_op_job
from hyve_pipeline.orchestration.definitions.resources import sync_of_run
from hyve_pipeline.orchestration.metadata.reading_order import in_reading_order

_DESCRIPTION = (
    "Drops plans that are neither among the newest keep_plans nor younger than keep_days, and plans of events that are "
    "not among the newest keep_event_plans, with their journals, inventories, partitions and Dagster runs. A dropped "
    "plan can't be shown, retried or undone any more. The newest plan stays in any case, and nothing in a bucket or in "
    "the trash is touched."
)

# A run that is in progress is never deleted.
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]

# The number of runs read at once.
_RUNS_AT_ONCE = 200


def build_retention_job(names: Names, steps: Steps, rules: Automation) -> dg.JobDefinition:
    """Drops what the configuration, or the run's configuration, no longer keeps."""

    def drop(context: dg.OpExecutionContext, config: RetentionConfig) -> None:
        sync = sync_of_run(context, names)
        with as_failure():
            in_use = _plans_in_use(context.instance, names)
            old = plans_to_drop(sync, config.rules(KeepRules.of(rules)), datetime.now(UTC), in_use)
            done = drop_plans(sync, old) if old else None
        runs, partitions = _forget(context.instance, names, sync, old)
        context.log_event(
            dg.AssetObservation(
                names.plan,
                description=f"{counted(len(old), 'old plan was', 'old plans were')} dropped",
                metadata=in_reading_order(
                    {
                        "plans dropped": len(old),
                        "files removed": 0 if done is None else done.files,
                        "bytes freed": 0 if done is None else done.bytes,
                        "partitions dropped": partitions,
                        "runs dropped": runs,
                        "dropped": dg.MetadataValue.json(old),
                    }
                ),
            )
        )

    return build_op_job(names, steps, names.retention_job, "drop_plans", _DESCRIPTION, drop)


def _plans_in_use(instance: dg.DagsterInstance, names: Names) -> set[str]:
    """The plans of runs that wait or are in progress."""
    tags = [record.dagster_run.tags for record in find_runs(instance, names, GOING_ON)]
    plans = {found[PLAN_TAG] for found in tags if PLAN_TAG in found}
    return plans | {plan for found in tags if (plan := plan_of_partition(found.get(PARTITION_TAG, ""))) is not None}


def _forget(instance: dg.DagsterInstance, names: Names, sync: SyncContext, dropped: Sequence[str]) -> tuple[int, int]:
    """Delete Dagster's runs, with their events, and the partitions of dropped plans; return how many."""
    lost = lost_shards(instance, names, set(sync.plans.ids()))
    # Also those that an interrupted run left: their shards still exist, as these are dropped last.
    plans = {plan_of_partition(key) for keys in lost.values() for key in keys} | set(dropped)
    runs = _drop_runs(instance, names, sorted(filter(None, plans)))
    for partitions, keys in lost.items():
        for key in keys:
            instance.delete_dynamic_partition(partitions, key)
    return runs, sum(map(len, lost.values()))


def _drop_runs(instance: dg.DagsterInstance, names: Names, dropped: Sequence[str]) -> int:
    """Delete the runs of some plans; return how many.

    Dagster can't delete events that no run has logged: those that the record sensor reported stay.
    """
    deleted = 0
    for plan in dropped:
        while runs := find_runs(instance, names, _ENDED, tags={PLAN_TAG: plan}, limit=_RUNS_AT_ONCE):
            for run in runs:
                instance.delete_run(run.dagster_run.run_id)
            deleted += len(runs)
    return deleted
