"""The asset `plan`: the frozen result of a diff that is within the safety limits."""

from collections.abc import Iterator, Sequence

import dagster as dg

from hyve_pipeline.core.base.errors import RefusedError
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.safety_rules import Refusal
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline.operations.plan.planning import planning
from hyve_pipeline.operations.stored_tables import StoredTable
from hyve_pipeline.orchestration.common.failures import as_failure
from hyve_pipeline.orchestration.common.names import PLAN_TAG, Names
from hyve_pipeline.orchestration.common.partitions import register_shards
from hyve_pipeline.orchestration.common.steps import Steps
from hyve_pipeline.orchestration.definitions.resources import sync_of_run
from hyve_pipeline.orchestration.metadata.plan import plan_metadata


def build_plan(names: Names, steps: Steps, sets: Sequence[ChangeSet]) -> dg.AssetsDefinition:
    """The plan of these sets. It comes after the checked diff: a blocking check stops only what is downstream."""
    set_names = [names.change_set(name).path[-1] for name in sets]

    spec = dg.AssetSpec(
        names.plan,
        deps=[names.change_set(name) for name in sets],
        description="Every object to copy or delete, each with the ETag it was seen with, cut into shards. "
        "A plan never changes.",
        group_name=names.sync,
        kinds={"parquet"},
    ).with_io_manager_key(names.io_manager)

    @dg.multi_asset(
        **steps.op("plan"),
        specs=[spec],
        ins={name.value: dg.AssetIn(names.change_set(name)) for name in sets},
        required_resource_keys={names.resource},
    )
    @steps.around("plan")
    def plan(context: dg.AssetExecutionContext, **tables: StoredTable) -> Iterator[dg.MaterializeResult[StoredTable]]:
        diffs = {table.id for table in tables.values()}
        if len(diffs) != 1:
            words = f"{', '.join(set_names[:-1])} and {set_names[-1]}"
            raise dg.Failure(f"{words} come from different runs: materialize them together")
        with as_failure():
            sync = sync_of_run(context, names)
            diff = sync.diffs.load(diffs.pop())
            with planning(sync):
                frozen = freeze_plan(sync, diff)
                _raise_refusals(frozen.refusals)
            metadata = plan_metadata(sync, frozen)
        register_shards(context.instance, names, frozen, ())
        context.instance.add_run_tags(context.run.run_id, {PLAN_TAG: frozen.id})
        yield dg.MaterializeResult(
            names.plan,
            value=StoredTable(id=frozen.id, files=frozen.all_files),
            metadata=metadata,
        )

    return plan


def _raise_refusals(refusals: Sequence[Refusal]) -> None:
    """Fail if the blocking checks have failed: they do not prevent that the plan alone is materialized afterwards.

    Raises:
        RefusedError: by the first rule, with the details of all.
    """
    if refusals:
        raise RefusedError(refusals[0].rule, "; ".join(refusal.detail for refusal in refusals))
