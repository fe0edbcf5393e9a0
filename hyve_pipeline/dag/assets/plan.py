"""The asset `plan`: the frozen outcome of a diff that the safety limits let pass."""

from collections.abc import Sequence

import dagster as dg

from hyve_pipeline.core.diff import ChangeSet
from hyve_pipeline.dag.failures import as_failure
from hyve_pipeline.dag.names import PLAN_TAG, Names
from hyve_pipeline.dag.partitions import register_shards
from hyve_pipeline.dag.plan_report import plan_metadata
from hyve_pipeline.dag.resources import SyncResource
from hyve_pipeline.flow.plan import freeze_plan
from hyve_pipeline.flow.tables import StoredTable


def build_plan(names: Names, sets: Sequence[ChangeSet]) -> dg.AssetsDefinition:
    """The plan of these sets. It comes after the checked diff: a blocking check stops only what is downstream."""
    set_names = [names.change_set(name).path[-1] for name in sets]

    @dg.asset(
        key=names.plan,
        ins={name.value: dg.AssetIn(names.change_set(name)) for name in sets},
        description="Every object to copy or delete, each with the ETag it was seen with, cut into shards. "
        "A plan never changes.",
        group_name=names.sync,
        kinds={"parquet"},
        io_manager_key=names.io_manager,
        required_resource_keys={names.resource},
    )
    def plan(context: dg.AssetExecutionContext, **tables: StoredTable) -> dg.MaterializeResult[StoredTable]:
        resource: SyncResource = getattr(context.resources, names.resource)
        diffs = {table.id for table in tables.values()}
        if len(diffs) != 1:
            words = f"{', '.join(set_names[:-1])} and {set_names[-1]}"
            raise dg.Failure(f"{words} come from different runs: materialize them together")
        with as_failure():
            sync = resource.context()
            frozen = freeze_plan(sync, sync.diffs.load(diffs.pop()))
            metadata = plan_metadata(frozen)
        register_shards(context.instance, names, frozen, frozen.refusals)
        context.instance.add_run_tags(context.run.run_id, {PLAN_TAG: frozen.id})
        return dg.MaterializeResult(
            names.plan,
            value=StoredTable(id=frozen.id, uris=tuple(frozen.uris.values())),
            metadata=metadata,
        )

    return plan
