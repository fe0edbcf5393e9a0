"""The asset `journal`: what happened to each object of a plan."""

from collections.abc import Iterator

import dagster as dg

from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.journal.table import journal_table
from hyve_pipeline.operations.stored_tables import StoredTable
from hyve_pipeline.orchestration.common.checks import NO_FAILURES
from hyve_pipeline.orchestration.common.failures import FAILED_OBJECTS, as_failure
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.run_config import PlanConfig
from hyve_pipeline.orchestration.common.steps import Steps
from hyve_pipeline.orchestration.definitions.resources import plan_of_run
from hyve_pipeline.orchestration.metadata.events import journal_metadata
from hyve_pipeline.orchestration.metadata.lineage import journal_lineage


def build_journal(names: Names, steps: Steps) -> dg.AssetsDefinition:
    """The journal of a plan as one table; it can be materialized at any time, also while shards are running."""

    @dg.multi_asset(
        **steps.op("journal"),
        specs=[
            dg.AssetSpec(
                names.journal,
                deps=[names.plan, names.bucket("store")],
                description="What happened to each object of a plan: one row for each object, with its outcome, error "
                "code, ETags, bytes and time. Taken from the journal at the moment of materialization.",
                group_name=names.sync,
                kinds={"parquet"},
            ).with_io_manager_key(names.io_manager)
        ],
        check_specs=[
            dg.AssetCheckSpec(NO_FAILURES, asset=names.journal, description="No object of the plan has failed.")
        ],
        required_resource_keys={names.resource},
    )
    @steps.around("journal")
    def journal(context: dg.AssetExecutionContext, config: PlanConfig) -> Iterator[dg.MaterializeResult[StoredTable]]:
        with as_failure():
            sync, plan = plan_of_run(context, names, config.plan)
            table = journal_table(sync, plan)
            status = plan_status(sync, plan)
        metadata = journal_metadata(status)
        passed = not metadata[FAILED_OBJECTS]
        yield dg.MaterializeResult(
            names.journal,
            value=table,
            metadata={**metadata, "dagster/column_lineage": journal_lineage(names)},
            check_results=[dg.AssetCheckResult(passed=passed, check_name=NO_FAILURES, metadata=metadata)],
        )

    return journal
