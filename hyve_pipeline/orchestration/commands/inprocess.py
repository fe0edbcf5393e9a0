"""Runs a job in this process, in such a way that the UI shows it like any other run.

`JobDefinition.execute_in_process` leaves a run without the origin of its job: it is missing from the job's
list of runs, its partition stays empty, sensors pass it over, and it can't be re-executed. So the run is
created with the origin that the UI's code location has, and then iterated. That is Dagster's private API,
used in this one file; where it is not as expected, the public call serves.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.orchestration.commands.janitor import process_tags
from hyve_pipeline.orchestration.common.failures import error_of_step
from hyve_pipeline.orchestration.common.names import COMMAND_TAG, DEFINITIONS_MODULE, LOCATION, PARTITION_TAG

# Only what goes wrong is printed; the UI has the rest.
_QUIET: Mapping[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class RunOutcome:
    """What a run of a job came to.

    Attributes:
        run_id: the run's id.
        success: whether every step succeeded.
        interrupted: whether it was stopped by a signal.
        error: the first failure, as the verb raised it; None when there was none.
        materialized: metadata of each materialized asset, by the last part of its key.
        checks: metadata of each evaluated check, by its name.
    """

    run_id: str
    success: bool = False
    interrupted: bool = False
    error: HyveError | None = None
    materialized: dict[str, Mapping[str, dg.MetadataValue]] = field(default_factory=dict)
    checks: dict[str, Mapping[str, dg.MetadataValue]] = field(default_factory=dict)


def run_job(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    *,
    command: str,
    partition_key: str | None = None,
    run_config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    on_begin: Callable[[str], None] | None = None,
) -> RunOutcome:
    """Run a job to its end.

    Args:
        instance: Dagster's storage.
        job: the job; its executor must be the in-process one.
        command: the command line's command that asks for it, for the run's tags.
        partition_key: the partition, for a partitioned job.
        run_config: the run's configuration.
        tags: more tags.
        on_begin: gets the run's id when the run begins.
    """
    own_tags = {COMMAND_TAG: command, **process_tags()}
    if partition_key is not None:
        own_tags |= {PARTITION_TAG: partition_key, "dagster/partition_set": f"{job.name}_partition_set"}
    run_id, events = _start(
        instance, job, partition_key, {**_QUIET, **(run_config or {})}, {**own_tags, **(tags or {})}
    )
    outcome = RunOutcome(run_id)
    if on_begin is not None:
        on_begin(run_id)
    for event in events:
        _take_in(outcome, event)
    return outcome


def _take_in(outcome: RunOutcome, event: dg.DagsterEvent) -> None:
    kind = event.event_type
    if kind is dg.DagsterEventType.ASSET_MATERIALIZATION:
        materialization = event.step_materialization_data.materialization
        outcome.materialized[materialization.asset_key.path[-1]] = materialization.metadata
    elif kind is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        evaluation = event.asset_check_evaluation_data
        outcome.checks[evaluation.check_name] = evaluation.metadata
    elif kind is dg.DagsterEventType.STEP_FAILURE and outcome.error is None:
        outcome.interrupted = _is_interrupt(event)
        outcome.error = error_of_step(event)
    elif kind is dg.DagsterEventType.RUN_CANCELED:
        outcome.interrupted = True
    elif kind is dg.DagsterEventType.RUN_SUCCESS:
        outcome.success = True


def _is_interrupt(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    while error is not None:
        if error.cls_name == DagsterExecutionInterruptedError.__name__:
            return True
        error = error.cause
    return False


def _start(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    partition_key: str | None,
    run_config: Mapping[str, Any],
    tags: Mapping[str, str],
) -> tuple[str, Iterable[dg.DagsterEvent]]:
    """Create a run; it goes on as its events are taken."""
    try:
        from dagster._core.definitions.job_base import InMemoryJob
        from dagster._core.execution.api import execute_run_iterator
        from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
        from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
    except ImportError:
        result = job.execute_in_process(
            instance=instance,
            partition_key=partition_key,
            run_config=dict(run_config),
            tags=dict(tags),
            raise_on_error=False,
        )
        return result.run_id, result.all_events
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name=DEFINITIONS_MODULE)
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, LOCATION)
    origin = RemoteRepositoryOrigin(location, "__repository__").get_job_origin(job.name)
    run = instance.create_run_for_job(
        job, run_config=run_config, tags={**job.run_tags, **tags}, remote_job_origin=origin
    )
    return run.run_id, execute_run_iterator(InMemoryJob(job), run, instance)
