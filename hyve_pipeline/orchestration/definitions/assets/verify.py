"""The asset `verification`: the store, listed again and checked against the plan."""

from collections.abc import Iterator

import dagster as dg

from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.stored_tables import StoredTable
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline.orchestration.common.checks import PLAN_HOLDS
from hyve_pipeline.orchestration.common.failures import as_failure
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.run_config import VerifyConfig
from hyve_pipeline.orchestration.common.steps import Steps
from hyve_pipeline.orchestration.definitions.resources import plan_of_run
from hyve_pipeline.orchestration.metadata.events import verification_metadata
from hyve_pipeline.orchestration.metadata.lineage import verification_lineage
from hyve_pipeline.orchestration.metadata.verification import is_untouched, judge_verification, progress_metadata


def build_verification(names: Names, steps: Steps) -> dg.AssetsDefinition:
    """The verification, with a check that fails if the store is not as the plan requires.

    Of a plan of which nothing was begun there is no verification, only a warning of the check: *Materialize all* would
    list the store twice, and what depends on the verification would take the store for a proven copy.
    """

    @dg.multi_asset(
        **steps.op("verification"),
        specs=[
            dg.AssetSpec(
                names.verification,
                deps=[names.plan, names.bucket("store")],
                description="The store listed again and compared with the plan: one row for each difference. Skipped "
                "as long as nothing of the plan is applied.",
                group_name=names.sync,
                kinds={"s3", "duckdb", "parquet"},
                skippable=True,
            ).with_io_manager_key(names.io_manager)
        ],
        check_specs=[
            dg.AssetCheckSpec(
                PLAN_HOLDS, asset=names.verification, description="Every key of the store is as the plan requires."
            )
        ],
        required_resource_keys={names.resource},
    )
    @steps.around("verification")
    def verification(
        context: dg.AssetExecutionContext, config: VerifyConfig
    ) -> Iterator[dg.MaterializeResult[StoredTable] | dg.AssetCheckResult]:
        with as_failure():
            sync, plan = plan_of_run(context, names, config.plan)
            status = plan_status(sync, plan)
            outcome = None
            if not is_untouched(status):
                outcome = verify_plan(sync, plan, list_again=config.list_again, content=config.sample())
                status = plan_status(sync, plan)
        found = judge_verification(names, status, outcome)
        metadata = progress_metadata(status) if outcome is None else verification_metadata(outcome)
        check = dg.AssetCheckResult(
            passed=found.passed,
            asset_key=names.verification,
            check_name=PLAN_HOLDS,
            severity=found.severity,
            description=found.description,
            metadata=metadata,
        )
        if found.description is not None:
            context.log.warning(found.description)
        if outcome is None:
            yield check
        else:
            yield dg.MaterializeResult(
                names.verification,
                value=StoredTable(id=plan.id, files=(outcome.file,)),
                metadata={**metadata, "dagster/column_lineage": verification_lineage(names)},
                check_results=[check],
            )

    return verification
