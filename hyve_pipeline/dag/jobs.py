"""The jobs of one sync: asset jobs that look, and op jobs that act, one run a shard."""

import random

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from hyve_pipeline.core.diff import ChangeSet
from hyve_pipeline.core.guard import Action
from hyve_pipeline.core.interruption import pause
from hyve_pipeline.core.inventory import SIDES
from hyve_pipeline.core.plan import Plan
from hyve_pipeline.dag.failures import as_failure
from hyve_pipeline.dag.names import PLAN_TAG, SYNC_TAG, Names
from hyve_pipeline.dag.overlap import out_of_turn, share_of
from hyve_pipeline.dag.report import shard_metadata
from hyve_pipeline.dag.resources import SyncResource
from hyve_pipeline.flow.apply import apply_shard, is_worth_retrying
from hyve_pipeline.flow.processes import work
from hyve_pipeline.flow.status import find_shard

# What `define_asset_job` returns; Dagster exports no name for it.
AssetJob = UnresolvedAssetJobDefinition

_DESCRIPTIONS: dict[Action, str] = {
    "copy": "Copies the new and modified objects of one shard of a plan, server-side and pinned to the planned ETag.",
    "delete": "Deletes the duplicate objects of one shard of a plan, after all of the plan's copies have succeeded. "
    "Each key is checked again right before.",
}

# How often a shard is tried again by itself, and how long after the first time; requests have been tried
# several times by then. Not a `RetryPolicy`: that would also try again what a person has interrupted.
_MOST_RETRIES = 2
_FIRST_DELAY_SECONDS = 5.0


def build_dryrun_job(names: Names) -> AssetJob:
    """Takes both inventories, compares them and freezes a plan."""
    sets = (ChangeSet.NEW, ChangeSet.MODIFIED, ChangeSet.DUPLICATE)
    keys = [*map(names.inventory, SIDES), *map(names.change_set, sets), names.plan]
    return dg.define_asset_job(
        names.dryrun_job,
        selection=dg.AssetSelection.assets(*keys),
        executor_def=dg.in_process_executor,
        tags={SYNC_TAG: names.sync},
        description="Lists both buckets, compares them and makes a plan. Changes nothing in either bucket.",
    )


def build_verify_job(names: Names) -> AssetJob:
    """Lists the store again and compares it with a plan."""
    return dg.define_asset_job(
        names.verify_job,
        selection=dg.AssetSelection.assets(names.verification),
        executor_def=dg.in_process_executor,
        tags={SYNC_TAG: names.sync},
        description="Lists the store again and says whether the plan holds there. Changes nothing.",
    )


def build_shard_job(names: Names, action: Action) -> dg.JobDefinition:
    """Does one shard of a plan: the partition says which, and the plan says everything else."""

    @dg.op(
        name=f"{names.sync}_{action}_shard",
        description=_DESCRIPTIONS[action],
        out=dg.Out(dg.Nothing),
        required_resource_keys={names.resource},
    )
    def act(context: dg.OpExecutionContext) -> None:
        resource: SyncResource = getattr(context.resources, names.resource)
        with as_failure():
            sync = resource.context()
            plan, shard = find_shard(sync, context.partition_key, action)
            context.instance.add_run_tags(context.run.run_id, {PLAN_TAG: plan.id})
            with out_of_turn():
                summary = work(apply_shard, sync, _with_share(plan), shard, context.run.run_id)
        metadata = shard_metadata(plan, shard, summary)
        if is_worth_retrying(summary) and context.retry_number < _MOST_RETRIES:
            # Not by Dagster, which would not notice an interrupt meanwhile.
            with out_of_turn():
                pause(_FIRST_DELAY_SECONDS * 2**context.retry_number * random.uniform(0.5, 1.5))  # noqa: S311
            raise dg.RetryRequested(_MOST_RETRIES)
        if summary.tally.failed:
            reasons = ", ".join(f"{count} {code}" for code, count in sorted(summary.failures.items()))
            raise dg.Failure(
                f"{summary.tally.failed} of {shard.objects} objects failed ({reasons}); 'hyve show {plan.id} --failed' "
                "lists them, a retry of this shard does only what is left",
                metadata=metadata,
                allow_retries=False,
            )
        context.log_event(
            dg.AssetMaterialization(names.bucket("store"), partition=context.partition_key, metadata=metadata)
        )

    @dg.job(
        name=names.shard_job(action),
        partitions_def=names.job_shards(action),
        executor_def=dg.in_process_executor,
        tags={SYNC_TAG: names.sync},
        description=_DESCRIPTIONS[action],
    )
    def shard_job() -> None:
        act()

    return shard_job


def _with_share(plan: Plan) -> Plan:
    """The plan with this run's share of the requests that the process may have in flight."""
    share = {"concurrency": share_of(plan.options.concurrency)}
    return plan.model_copy(update={"options": plan.options.model_copy(update=share)})
