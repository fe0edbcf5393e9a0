"""The two op jobs that act: a run of a partition does one shard of a plan, a run without one all that are left."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import dagster as dg

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.model.journal import AttemptSummary
from hyve_pipeline.core.model.plan import Plan, Shard
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.operations.apply.shard import apply_shard, check_allowed
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import find_shard, plan_status
from hyve_pipeline.operations.plan.freeze import approve_plan, check_places, choose_plan
from hyve_pipeline.orchestration.common.failures import FAILED_OBJECTS, as_failure
from hyve_pipeline.orchestration.common.names import PLAN_TAG, Names
from hyve_pipeline.orchestration.common.partitions import register_shards
from hyve_pipeline.orchestration.common.run_config import CopyConfig, DeleteConfig, ShardConfig
from hyve_pipeline.orchestration.definitions.resources import SyncResource
from hyve_pipeline.orchestration.metadata.events import shard_metadata

_DESCRIPTIONS: dict[Action, str] = {
    "copy": "Copies the new and modified objects of a plan, server-side and pinned to the planned ETag. A run of a "
    "partition does that shard; one without does all that are left, of the newest plan by default.",
    "delete": "Deletes the duplicate objects of a plan, after all of its copies have succeeded. Each key is checked "
    "again right before. A run of a partition does that shard; one without does all that are left, of the newest plan "
    "by default.",
}


def build_shard_job(names: Names, action: Action) -> dg.JobDefinition:
    """Does shards of a plan: the partition says which, and the plan says everything else."""
    act = _copy_op(names) if action == "copy" else _delete_op(names)

    @dg.job(
        name=names.shard_job(action),
        partitions_def=names.job_shards(action),
        executor_def=dg.in_process_executor,
        tags=names.job_tags,
        description=_DESCRIPTIONS[action],
    )
    def shard_job() -> None:
        act()

    return shard_job


def _copy_op(names: Names) -> dg.OpDefinition:
    @dg.op(
        name=f"{names.sync}_copy_shard",
        description=_DESCRIPTIONS["copy"],
        out=dg.Out(dg.Nothing),
        required_resource_keys={names.resource},
    )
    def copy(context: dg.OpExecutionContext, config: CopyConfig) -> Iterator[dg.AssetMaterialization]:
        yield from _act(context, names, "copy", config)

    return copy


def _delete_op(names: Names) -> dg.OpDefinition:
    @dg.op(
        name=f"{names.sync}_delete_shard",
        description=_DESCRIPTIONS["delete"],
        out=dg.Out(dg.Nothing),
        required_resource_keys={names.resource},
    )
    def delete(context: dg.OpExecutionContext, config: DeleteConfig) -> Iterator[dg.AssetMaterialization]:
        yield from _act(context, names, "delete", config)

    return delete


def _act(
    context: dg.OpExecutionContext,
    names: Names,
    action: Action,
    config: ShardConfig,
) -> Iterator[dg.AssetMaterialization]:
    """Do what a run is about, report every shard as it is finished, and fail when an object failed."""
    resource: SyncResource = getattr(context.resources, names.resource)
    sync = resource.context()
    unsettled: list[tuple[Shard, AttemptSummary]] = []
    with as_failure():
        limits = config.accepted()
        plan, asked = _plan_of(context, sync, action, config.plan)
        context.instance.add_run_tags(context.run.run_id, {PLAN_TAG: plan.id})
        approve_plan(sync, plan, **limits)
        hurried = _with_share(sync, plan, config.concurrency)
        with nullcontext([asked]) if asked else _unfinished(context, names, sync, plan, action) as shards:
            for shard in shards:
                summary = apply_shard(sync, hurried, shard, context.run.run_id)
                if summary.tally.failed:
                    unsettled.append((shard, summary))
                else:
                    yield dg.AssetMaterialization(
                        names.bucket("store"),
                        partition=plan.partition_key(shard),
                        metadata=shard_metadata(plan, shard, summary),
                    )
    if unsettled:
        _fail(plan, unsettled)


def _plan_of(
    context: dg.OpExecutionContext, sync: SyncContext, action: Action, plan_id: str | None
) -> tuple[Plan, Shard | None]:
    """The plan of a run, and the shard that its partition names, if it has one."""
    if not context.has_partition_key:
        return choose_plan(sync, plan_id), None
    plan, shard = find_shard(sync, context.partition_key, action)
    if plan_id not in (None, plan.id):
        raise ConfigurationError(f"the partition is a shard of plan {plan.id}, the configuration asks for {plan_id}")
    check_places(sync, plan)
    return plan, shard


@contextmanager
def _unfinished(
    context: dg.OpExecutionContext, names: Names, sync: SyncContext, plan: Plan, action: Action
) -> Iterator[list[Shard]]:
    """All shards that are left of a plan; no other plan is applied until the block ends."""
    status = plan_status(sync, plan)
    register_shards(context.instance, names, plan, status.refusals)
    unfinished = status.unfinished(action)
    if unfinished:
        check_allowed(sync, plan, action)
    with sync.applying(plan.id):
        yield unfinished


def _with_share(sync: SyncContext, plan: Plan, concurrency: int | None) -> Plan:
    """The plan with the requests that the run may have in flight."""
    if concurrency is None:
        return plan
    limit = {"concurrency": sync.overridden(concurrency=concurrency).settings.options.concurrency}
    return plan.model_copy(update={"options": plan.options.model_copy(update=limit)})


def _fail(plan: Plan, unsettled: list[tuple[Shard, AttemptSummary]]) -> None:
    """End a run some of whose objects failed. Their requests were sent often enough: the sensor makes a new run later.

    Raises:
        dagster.Failure: always.
    """
    failures: Counter[str] = Counter()
    for _, summary in unsettled:
        failures.update(summary.failures)
    failed = sum(summary.tally.failed for _, summary in unsettled)
    objects = sum(shard.objects for shard, _ in unsettled)
    reasons = ", ".join(f"{count} {code}" for code, count in sorted(failures.items()))
    which = "this shard" if len(unsettled) == 1 else f"these {len(unsettled)} shards"
    shard, summary = unsettled[0]
    metadata = shard_metadata(plan, shard, summary) if len(unsettled) == 1 else {FAILED_OBJECTS: failed}
    raise dg.Failure(
        f"{failed} of {objects} objects failed ({reasons}); 'hyve show {plan.id} --failed' "
        f"lists them, a retry of {which} does only what is left",
        metadata=metadata,
        allow_retries=False,
    )
