"""The asset jobs of one sync: they only read the buckets. The jobs that write are in `shard_jobs`."""

from collections.abc import Sequence

import dagster as dg

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.orchestration.common.dagster_private import AssetJob
from hyve_pipeline.orchestration.common.names import Names

# Any job that a schedule or a sensor can launch.
AnyJob = dg.JobDefinition | AssetJob


def build_asset_jobs(names: Names, sets: Sequence[ChangeSet]) -> list[AssetJob]:
    """The jobs that make a plan and verify one; `sets` are those that a plan may act on."""
    keys = [*map(names.inventory, SIDES), *map(names.change_set, sets), names.plan]
    dryrun = "Lists both buckets, compares them and makes a plan. Changes nothing in either bucket."
    verify = "Lists the store again and checks whether it is as the plan requires. Changes nothing."
    return [
        _build(names, names.dryrun_job, keys, dryrun),
        _build(names, names.verify_job, [names.verification], verify),
    ]


def _build(names: Names, job: str, keys: Sequence[dg.AssetKey], description: str) -> AssetJob:
    return dg.define_asset_job(
        job,
        selection=dg.AssetSelection.assets(*keys),
        executor_def=dg.in_process_executor,
        tags=names.job_tags,
        description=description,
    )
