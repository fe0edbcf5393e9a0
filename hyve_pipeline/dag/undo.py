"""The job that undoes a plan: one run a plan, which it is told by its configuration."""

from collections.abc import Mapping

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from pydantic import Field

from hyve_pipeline.core.errors import HyveError, InterruptedRunError, ObjectsFailedError
from hyve_pipeline.core.plan import Plan
from hyve_pipeline.core.undoing import UndoSummary
from hyve_pipeline.dag.failures import FAILED_OBJECTS, as_failure
from hyve_pipeline.dag.inprocess import run_job
from hyve_pipeline.dag.instance import open_instance
from hyve_pipeline.dag.janitor import close_dead_runs
from hyve_pipeline.dag.names import PLAN_TAG, SYNC_TAG, Names
from hyve_pipeline.dag.resources import SyncResource
from hyve_pipeline.flow.context import SyncContext
from hyve_pipeline.flow.plan import choose_plan
from hyve_pipeline.flow.undo import latest_undo, undo_plan

_DESCRIPTION = (
    "Puts back what a plan overwrote or deleted in the store, from the trash or from an earlier version, "
    "where the store still has what the plan left there. Removes nothing."
)


class UndoConfig(dg.Config):
    """Which plan is to be undone."""

    plan: str = Field(description="The plan's id.")


def undo_job_name(names: Names) -> str:
    """The op job that undoes a plan."""
    return f"{names.sync}_undo"


def undo_config(names: Names, plan_id: str) -> dict[str, object]:
    """The run configuration that names a plan."""
    return {"ops": {f"{names.sync}_undo_plan": {"config": {"plan": plan_id}}}}


def build_undo_job(names: Names) -> dg.JobDefinition:
    """Undoes one plan."""

    @dg.op(
        name=f"{names.sync}_undo_plan",
        description=_DESCRIPTION,
        out=dg.Out(dg.Nothing),
        required_resource_keys={names.resource},
    )
    def undo(context: dg.OpExecutionContext, config: UndoConfig) -> None:
        resource: SyncResource = getattr(context.resources, names.resource)
        with as_failure():
            sync = resource.context()
            plan = choose_plan(sync, config.plan)
            context.instance.add_run_tags(context.run.run_id, {PLAN_TAG: plan.id})
            summary = undo_plan(sync, plan, context.run.run_id)
        if summary.failed:
            raise dg.Failure(
                f"{summary.failed} objects could not be put back; a further undo tries them again",
                metadata={**undo_metadata(summary), FAILED_OBJECTS: dg.MetadataValue.int(summary.failed)},
                allow_retries=False,
            )
        context.log_event(
            dg.AssetObservation(
                names.bucket("store"),
                description=f"Plan {plan.id} was undone",
                metadata=undo_metadata(summary),
            )
        )

    @dg.job(
        name=undo_job_name(names),
        executor_def=dg.in_process_executor,
        tags={SYNC_TAG: names.sync},
        description=_DESCRIPTION,
    )
    def undo_job() -> None:
        undo()

    return undo_job


def undo_metadata(summary: UndoSummary) -> Mapping[str, dg.MetadataValue]:
    """What the UI shows of an undo."""
    return {
        "plan": dg.MetadataValue.text(summary.plan),
        "put back": dg.MetadataValue.int(summary.restored),
        "skipped": dg.MetadataValue.int(summary.skipped),
        "left": dg.MetadataValue.int(summary.left),
        "reasons": dg.MetadataValue.json(summary.reasons),
    }


def run_undo(sync: SyncContext, plan: Plan) -> tuple[UndoSummary, str]:
    """Undo a plan in this process, as a run that the UI shows.

    Returns:
        What became of the objects, and the run's id.

    Raises:
        HyveError: a bucket is out of reach, a shard of the plan is being worked on, or it was interrupted.
    """
    names = Names(sync.name)
    definitions = dg.Definitions(
        jobs=[build_undo_job(names)], resources={names.resource: SyncResource.of(sync.home, sync.settings)}
    )
    job = definitions.resolve_job_def(undo_job_name(names))
    with open_instance(sync.home) as instance:
        close_dead_runs(instance)
        try:
            outcome = run_job(
                instance, job, command="undo", run_config=undo_config(names, plan.id), tags={PLAN_TAG: plan.id}
            )
        except (KeyboardInterrupt, DagsterExecutionInterruptedError) as interrupt:
            raise InterruptedRunError("interrupted; what was put back stays, 'hyve undo' goes on") from interrupt
    if outcome.interrupted:
        raise InterruptedRunError("interrupted; what was put back stays, 'hyve undo' goes on")
    summary = latest_undo(sync, plan)
    if summary is None or (not outcome.success and not isinstance(outcome.error, ObjectsFailedError)):
        raise outcome.error or HyveError(f"run {outcome.run_id} failed: look at it in the UI")
    return summary, outcome.run_id
