"""The job that undoes a plan: each run undoes the one plan that its configuration names."""

import dagster as dg

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.operations.undo import undo_plan
from hyve_pipeline.orchestration.common.failures import as_failure
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.run_config import UndoConfig
from hyve_pipeline.orchestration.common.steps import Steps
from hyve_pipeline.orchestration.definitions.op_job import build_op_job
from hyve_pipeline.orchestration.definitions.resources import plan_of_run
from hyve_pipeline.orchestration.metadata.events import undo_metadata

_DESCRIPTION = (
    "Puts back what a plan overwrote or deleted in the store, from the trash or from an earlier version, "
    "where the store still has what the plan left there. Removes nothing."
)


def build_undo_job(names: Names, steps: Steps) -> dg.JobDefinition:
    """Undoes one plan."""

    def undo(context: dg.OpExecutionContext, config: UndoConfig) -> None:
        with as_failure():
            sync, plan = plan_of_run(context, names, config.named())
            summary = undo_plan(sync, plan, context.run.run_id)
        if summary.failed:
            raise dg.Failure(
                f"{counted(summary.failed)} could not be put back; another undo retries them",
                metadata=undo_metadata(summary),
                allow_retries=False,
            )
        context.log_event(
            dg.AssetObservation(
                names.bucket("store"),
                description=f"Plan {plan.id} was undone",
                metadata=undo_metadata(summary),
            )
        )

    return build_op_job(names, steps, names.undo_job, "undo_plan", _DESCRIPTION, undo)
