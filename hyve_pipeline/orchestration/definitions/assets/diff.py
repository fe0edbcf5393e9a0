"""The assets `new`, `modified`, `drifted` and `duplicate_stores`, and the blocking checks of the safety limits."""

from collections.abc import Iterator, Sequence

import dagster as dg

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan, judge_diff
from hyve_pipeline.operations.plan.planning import planning
from hyve_pipeline.operations.stored_tables import StoredTable
from hyve_pipeline.orchestration.common.checks import (
    ALTERED_CHECK_SET,
    LIMIT_CHECKS,
    NOTHING_ALTERED,
    altered_text,
    refusal_text,
)
from hyve_pipeline.orchestration.common.failures import as_failure
from hyve_pipeline.orchestration.common.names import PLAN_TAG, Names
from hyve_pipeline.orchestration.common.partitions import register_shards
from hyve_pipeline.orchestration.common.run_config import DryrunConfig
from hyve_pipeline.orchestration.common.steps import Steps
from hyve_pipeline.orchestration.definitions.resources import sync_of_run
from hyve_pipeline.orchestration.metadata.events import (
    altered_metadata,
    change_lineage,
    limit_metadata,
    set_metadata,
)
from hyve_pipeline.orchestration.metadata.plan import plan_metadata, refusals_text

_DESCRIPTIONS = {
    ChangeSet.NEW: "Keys in the source that the store does not have.",
    ChangeSet.MODIFIED: "Keys in both buckets whose copy in the store is out of date.",
    ChangeSet.DRIFTED: "Keys in both buckets whose content is equal, and whose headers, metadata, tags or storage "
    "class are not: to be repaired without a copy of the content.",
    ChangeSet.DUPLICATE: "Keys in the store that the source no longer has: to be deleted.",
}


def build_diff(names: Names, steps: Steps, sets: Sequence[ChangeSet]) -> dg.AssetsDefinition:
    """The sets in which the buckets differ, with the checks that block all later steps."""
    specs = [
        dg.AssetSpec(
            names.change_set(name),
            deps=[names.inventory(side) for side in SIDES],
            description=_DESCRIPTIONS[name],
            group_name=names.sync,
            kinds={"duckdb", "parquet"},
        ).with_io_manager_key(names.io_manager)
        for name in sets
    ]
    check_specs = [
        dg.AssetCheckSpec(
            check,
            asset=names.change_set(name),
            blocking=True,
            description=f"A plan with too many {action} actions is kept, but it is not accepted.",
        )
        for check, action, name in LIMIT_CHECKS
    ]
    check_specs.append(
        dg.AssetCheckSpec(
            NOTHING_ALTERED,
            asset=names.change_set(ALTERED_CHECK_SET),
            description="No object of the store was changed by somebody else since it was copied.",
        )
    )

    @dg.multi_asset(
        **steps.op("diff"),
        specs=specs,
        ins={f"{side}_inventory": dg.AssetIn(names.inventory(side)) for side in SIDES},
        check_specs=check_specs,
        required_resource_keys={names.resource},
    )
    @steps.around("diff")
    def diff(
        context: dg.AssetExecutionContext,
        config: DryrunConfig,
        source_inventory: StoredTable,
        store_inventory: StoredTable,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        with as_failure():
            configured = sync_of_run(context, names)
            store = configured.inventories("store").load(store_inventory.id)
            config.check_limits(configured.settings.options, store.objects)
            sync = configured.overridden(**config.options())
            with planning(sync):
                found = diff_inventories(sync, sync.inventories("source").load(source_inventory.id), store)
                refusals = judge_diff(sync, found)
                # Nothing that follows a failed blocking check runs, but a refused plan is kept all the
                # same, and its copies may be made.
                refused_plan = freeze_plan(sync, found) if refusals else None
            if refused_plan is not None:
                register_shards(context.instance, names, refused_plan, refusals)
                context.instance.add_run_tags(context.run.run_id, {PLAN_TAG: refused_plan.id})
                # The plan's own asset is not materialized, so the observation for its page is logged here.
                context.log_event(
                    dg.AssetObservation(
                        names.plan,
                        description=f"refused by {refusals_text(refused_plan)}",
                        metadata=plan_metadata(sync, refused_plan),
                    )
                )
        for name in sets:
            yield dg.MaterializeResult(
                names.change_set(name),
                value=StoredTable(id=found.id, files=found.files[name]),
                metadata={**set_metadata(sync, found, name), "dagster/column_lineage": change_lineage(names)},
            )
        for check, action, name in LIMIT_CHECKS:
            refusal = refusal_text(names, action, refusals)
            yield dg.AssetCheckResult(
                passed=refusal is None,
                asset_key=names.change_set(name),
                check_name=check,
                severity=dg.AssetCheckSeverity.ERROR,
                description=refusal,
                metadata=limit_metadata(found, name, refused_plan),
            )
        altered = altered_text(found)
        yield dg.AssetCheckResult(
            passed=altered is None,
            asset_key=names.change_set(ALTERED_CHECK_SET),
            check_name=NOTHING_ALTERED,
            severity=dg.AssetCheckSeverity.WARN,
            description=altered,
            metadata=altered_metadata(sync, found),
        )

    return diff
