"""A job with one op, in one process: the form of all jobs that do not materialize assets."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.steps import StepName, Steps


def build_op_job(
    names: Names,
    steps: Steps,
    name: str,
    step: StepName,
    description: str,
    compute: Callable[..., Any],
    partitions: dg.PartitionsDefinition | None = None,
) -> dg.JobDefinition:
    """A job with one op.

    Args:
        names: the sync's names.
        steps: builds its ops.
        name: the job's name.
        step: what the op does.
        description: what both do.
        compute: the op's function; its annotations define the run configuration.
        partitions: the job's partitions.
    """
    decorate = dg.op(
        **steps.op_of_job(step, description), out=dg.Out(dg.Nothing), required_resource_keys={names.resource}
    )
    graph = dg.GraphDefinition(name, node_defs=[decorate(steps.around(step)(compute))], description=description)
    return graph.to_job(executor_def=dg.in_process_executor, tags=names.job_tags, partitions_def=partitions)
