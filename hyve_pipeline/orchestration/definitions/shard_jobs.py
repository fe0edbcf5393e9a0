"""The two op jobs that change the store: a run of a partition does one shard, one without all that are free."""

from collections import Counter
from collections.abc import Callable, Iterator

import dagster as dg

from hyve_pipeline.core.base.counts import counted, noun
from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.model.journal import AttemptSummary
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.operations.apply.loop import apply_plan, with_concurrency
from hyve_pipeline.operations.apply.shard import apply_shard
from hyve_pipeline.operations.context import LATEST, SyncContext
from hyve_pipeline.operations.journal.status import find_shard, plan_refusals
from hyve_pipeline.operations.plan.freeze import approve_plan, check_places, choose_plan
from hyve_pipeline.orchestration.common.failures import FAILED_OBJECTS, as_failure
from hyve_pipeline.orchestration.common.names import PLAN_TAG, Names
from hyve_pipeline.orchestration.common.partitions import register_shards
from hyve_pipeline.orchestration.common.run_config import CopyConfig, DeleteConfig, ShardConfig
from hyve_pipeline.orchestration.common.steps import Steps
from hyve_pipeline.orchestration.common.work_thread import yielded_from
from hyve_pipeline.orchestration.definitions.op_job import build_op_job
from hyve_pipeline.orchestration.definitions.resources import sync_of_run
from hyve_pipeline.orchestration.metadata.events import shard_metadata
from hyve_pipeline.orchestration.metadata.recorded import shard_event

_DESCRIPTIONS: dict[Action, str] = {
    "copy": "Copies the new and modified objects of a plan, server-side and pinned to the planned ETag. A run of a "
    "partition does that shard; one without does all that are left and that no other run works on, of the newest plan "
    "by default.",
    "delete": "Deletes the duplicate objects of a plan, after all of its copies have succeeded. Each key is checked "
    "again right before. A run of a partition does that shard; one without does all that are left, of the newest plan "
    "by default.",
}

_StoreEvent = dg.AssetMaterialization | dg.AssetObservation
_Ended = tuple[Shard, AttemptSummary]

# The message of a failure names so many partitions; its metadata has all.
_MOST_NAMED = 5


def build_shard_job(names: Names, steps: Steps, action: Action) -> dg.JobDefinition:
    """Does shards of a plan: the partition says which, and the plan says everything else."""

    def copy(context: dg.OpExecutionContext, config: CopyConfig) -> Iterator[_StoreEvent]:
        yield from _act(context, names, "copy", config)

    def delete(context: dg.OpExecutionContext, config: DeleteConfig) -> Iterator[_StoreEvent]:
        yield from _act(context, names, "delete", config)

    partitions = dg.DynamicPartitionsDefinition(name=names.shard_set(action))
    compute = copy if action == "copy" else delete
    return build_op_job(names, steps, names.shard_job(action), action, _DESCRIPTIONS[action], compute, partitions)


def _act(context: dg.OpExecutionContext, names: Names, action: Action, config: ShardConfig) -> Iterator[_StoreEvent]:
    """Do what a run is about, report every shard as it ends, and fail when an object failed."""
    sync = sync_of_run(context, names)
    failed: list[_Ended] = []
    with as_failure():
        limits = config.accepted()
        plan, asked = _plan_of(context, sync, action, config.plan)
        context.instance.add_run_tags(context.run.run_id, {PLAN_TAG: plan.id})
        approve_plan(sync, plan, **limits)
        # Where a run is of one shard, those of all others were added before: to add them again takes long.
        is_new = asked is None or any(limit is not None for limit in limits.values())
        if is_new or not context.instance.has_dynamic_partition(names.store_shard_set, context.partition_key):
            register_shards(context.instance, names, plan, plan_refusals(sync, plan))
        for shard, summary in yielded_from(_work(sync, plan, action, asked, config.concurrency or None)):
            if summary.tally.failed:
                failed.append((shard, summary))
            else:
                yield shard_event(names, plan, shard, summary)
    if failed:
        raise _failure_of(plan, failed)


def _work(
    sync: SyncContext, plan: Plan, action: Action, asked: Shard | None, concurrency: int | None
) -> Callable[[Callable[[_Ended], None]], object]:
    """The shards a run has to do: one, or all that are unfinished and free."""
    if asked is None:
        return lambda put: apply_plan(
            sync, plan, action, on_shard_ended=lambda *ended: put(ended), concurrency=concurrency
        )
    limited = with_concurrency(sync, plan, concurrency)
    return lambda put: put((asked, apply_shard(sync, limited, asked, sync.actor.id)))


def _plan_of(
    context: dg.OpExecutionContext, sync: SyncContext, action: Action, plan_id: str | None
) -> tuple[Plan, Shard | None]:
    """The plan of a run, and the shard that its partition names, if it has one."""
    if not context.has_partition_key:
        return choose_plan(sync, plan_id), None
    plan, shard = find_shard(sync, context.partition_key, action)
    if plan_id not in (None, LATEST, plan.id):
        raise ConfigurationError(f"the partition is a shard of plan {plan.id}, the configuration asks for {plan_id}")
    check_places(sync, plan)
    return plan, shard


def _failure_of(plan: Plan, failed: list[_Ended]) -> dg.Failure:
    """The failure of a run in which objects failed. Dagster does not retry it: the requests were retried already."""
    reasons: Counter[str] = Counter()
    for _, summary in failed:
        reasons.update(summary.failures)
    objects = sum(summary.tally.failed for _, summary in failed)
    listed = ", ".join(f"{count} {code}" for code, count in sorted(reasons.items()))
    keys = [plan.partition_key(shard) for shard, _ in failed]
    named = ", ".join(keys[:_MOST_NAMED]) + (f" and {len(keys) - _MOST_NAMED} more" if keys[_MOST_NAMED:] else "")
    shard, summary = failed[0]
    metadata = shard_metadata(plan, shard, summary) if len(failed) == 1 else {FAILED_OBJECTS: objects}
    return dg.Failure(
        f"{objects:,} of {counted(sum(shard.objects for shard, _ in failed))} failed ({listed}); 'hyve show {plan.id} "
        f"--failed' lists them; retry the {noun(len(keys), 'partition')} {named}, which does only what is left",
        metadata={**metadata, "partitions to retry": dg.MetadataValue.json(keys)},
        allow_retries=False,
    )
