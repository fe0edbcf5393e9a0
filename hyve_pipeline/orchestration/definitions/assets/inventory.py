"""The assets `source_inventory` and `store_inventory`."""

from collections.abc import Iterator

import dagster as dg

from hyve_pipeline.core.model.inventory import SIDES, Side
from hyve_pipeline.operations.inventory.take import take_inventories
from hyve_pipeline.operations.plan.planning import planning
from hyve_pipeline.operations.stored_tables import StoredTable
from hyve_pipeline.orchestration.common.checks import LISTING_COMPLETE
from hyve_pipeline.orchestration.common.failures import as_failure
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.run_config import InventoriesConfig
from hyve_pipeline.orchestration.common.steps import Steps
from hyve_pipeline.orchestration.definitions.resources import sync_of_run
from hyve_pipeline.orchestration.metadata.events import inventory_metadata, proof_metadata


def build_inventories(names: Names, steps: Steps) -> dg.AssetsDefinition:
    """Both inventories, taken at the same time; each can also be taken alone."""
    specs = [
        dg.AssetSpec(
            names.inventory(side),
            deps=[names.bucket("source")] if side == "source" else [],
            description=f"One complete listing of the {side} bucket, sorted by key, with the proof of completeness.",
            group_name=names.sync,
            kinds={"s3", "parquet"},
            skippable=True,
        ).with_io_manager_key(names.io_manager)
        for side in SIDES
    ]
    check_specs = [
        dg.AssetCheckSpec(
            LISTING_COMPLETE,
            asset=names.inventory(side),
            description="The key ranges that were walked tile the key space, and every walk was completed.",
        )
        for side in SIDES
    ]

    @dg.multi_asset(
        **steps.op("inventories"),
        specs=specs,
        check_specs=check_specs,
        can_subset=True,
        required_resource_keys={names.resource},
    )
    @steps.around("inventories")
    def inventories(context: dg.AssetExecutionContext, config: InventoriesConfig) -> Iterator[dg.MaterializeResult]:
        wanted: list[Side] = [side for side in SIDES if names.inventory(side) in context.selected_asset_keys]
        with as_failure():
            sync = sync_of_run(context, names).with_inventory_date(config.date())
            with planning(sync):
                taken = take_inventories(sync, wanted, as_of=config.time())
        for side, inventory in taken.items():
            complete = dg.AssetCheckResult(
                passed=True,
                asset_key=names.inventory(side),
                check_name=LISTING_COMPLETE,
                metadata=proof_metadata(inventory),
            )
            yield dg.MaterializeResult(
                names.inventory(side),
                value=StoredTable(id=inventory.id, files=inventory.files),
                metadata=inventory_metadata(sync, inventory),
                check_results=[complete],
            )

    return inventories
