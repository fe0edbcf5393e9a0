"""The asset `plan`: the frozen outcome of a diff that the safety limits let pass."""

import dagster as dg

from hyve_pipeline.core.diff import PLANNED_SETS
from hyve_pipeline.dag.failures import as_failure
from hyve_pipeline.dag.names import PLAN_TAG, Names
from hyve_pipeline.dag.partitions import register_shards
from hyve_pipeline.dag.plan_report import plan_metadata
from hyve_pipeline.dag.resources import SyncResource
from hyve_pipeline.flow.plan import freeze_plan
from hyve_pipeline.flow.tables import StoredTable


def build_plan(names: Names) -> dg.AssetsDefinition:
    """The plan. It comes after the checked diff, because a blocking check stops only what is downstream."""

    @dg.asset(
        key=names.plan,
        ins={name.value: dg.AssetIn(names.change_set(name)) for name in PLANNED_SETS},
        description="Every object to copy or delete, each with the ETag it was seen with, cut into shards. "
        "A plan never changes.",
        group_name=names.sync,
        kinds={"parquet"},
        io_manager_key=names.io_manager,
        required_resource_keys={names.resource},
    )
    def plan(
        context: dg.AssetExecutionContext, new: StoredTable, modified: StoredTable, duplicate: StoredTable
    ) -> dg.MaterializeResult[StoredTable]:
        resource: SyncResource = getattr(context.resources, names.resource)
        if len({new.id, modified.id, duplicate.id}) != 1:
            raise dg.Failure("new, modified and duplicate_stores come from different runs: materialize them together")
        with as_failure():
            sync = resource.context()
            frozen = freeze_plan(sync, sync.diffs.load(new.id))
            metadata = plan_metadata(frozen)
        register_shards(context.instance, names, frozen, frozen.refusals)
        context.instance.add_run_tags(context.run.run_id, {PLAN_TAG: frozen.id})
        return dg.MaterializeResult(
            names.plan,
            value=StoredTable(id=frozen.id, uris=tuple(frozen.uris.values())),
            metadata=metadata,
        )

    return plan
