"""The job that asks for the restore of archived objects: what a plan skipped as archived."""

import dagster as dg

from hyve_pipeline.operations.restore.request import request_restores
from hyve_pipeline.orchestration.common.failures import as_failure
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.run_config import PlanConfig
from hyve_pipeline.orchestration.common.steps import Steps
from hyve_pipeline.orchestration.definitions.op_job import build_op_job
from hyve_pipeline.orchestration.definitions.resources import plan_of_run
from hyve_pipeline.orchestration.metadata.events import restores_metadata
from hyve_pipeline.orchestration.metadata.recorded import restores_event

_DESCRIPTION = (
    "Asks S3 to restore what a plan skipped as archived, as the option restore says; the next plans copy what has come "
    "back. It costs money, and changes no object."
)


def build_restore_job(names: Names, steps: Steps) -> dg.JobDefinition:
    """Asks for the restores of one plan."""

    def restore(context: dg.OpExecutionContext, config: PlanConfig) -> None:
        with as_failure():
            sync, plan = plan_of_run(context, names, config.plan)
            summary = request_restores(sync, plan)
        if summary.failed:
            raise dg.Failure(
                f"{summary.failed} restores could not be asked for, the first: {summary.example}; another run asks for "
                "them again",
                metadata=restores_metadata(summary),
                allow_retries=False,
            )
        context.log_event(restores_event(names, summary))

    return build_op_job(names, steps, names.restore_job, "ask_restores", _DESCRIPTION, restore)
