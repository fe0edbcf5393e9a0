"""The asset jobs of one sync: they only read the buckets. The jobs that write are in `shard_jobs`."""

from collections.abc import Sequence

import dagster as dg

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.orchestration.common.dagster_private import AssetJob
from hyve_pipeline.orchestration.common.names import Names

# Any job that a schedule or a sensor can launch.
AnyJob = dg.JobDefinition | AssetJob


def build_dryrun_job(names: Names, sets: Sequence[ChangeSet]) -> AssetJob:
    """Takes both inventories, compares them and freezes a plan; `sets` are those that the plan may act on."""
    keys = [*map(names.inventory, SIDES), *map(names.change_set, sets), names.plan]
    return dg.define_asset_job(
        names.dryrun_job,
        selection=dg.AssetSelection.assets(*keys),
        executor_def=dg.in_process_executor,
        tags=names.job_tags,
        description="Lists both buckets, compares them and makes a plan. Changes nothing in either bucket.",
    )


def build_verify_job(names: Names) -> AssetJob:
    """Lists the store again and compares it with a plan."""
    return dg.define_asset_job(
        names.verify_job,
        selection=dg.AssetSelection.assets(names.verification),
        executor_def=dg.in_process_executor,
        tags=names.job_tags,
        description="Lists the store again and checks whether it is as the plan requires. Changes nothing.",
    )
