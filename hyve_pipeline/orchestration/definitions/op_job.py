"""A job with one op, in one process: the form of all jobs that do not materialize assets."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from hyve_pipeline.orchestration.common.names import Names


def build_op_job(
    names: Names,
    name: str,
    op: str,
    description: str,
    compute: Callable[..., Any],
    partitions: dg.PartitionsDefinition | None = None,
) -> dg.JobDefinition:
    """A job with one op.

    Args:
        names: the sync's names.
        name: the job's name.
        op: the op's name.
        description: what both do.
        compute: the op's function; its annotations define the run configuration.
        partitions: the job's partitions.
    """
    decorate = dg.op(name=op, description=description, out=dg.Out(dg.Nothing), required_resource_keys={names.resource})
    graph = dg.GraphDefinition(name, node_defs=[decorate(compute)], description=description)
    return graph.to_job(executor_def=dg.in_process_executor, tags=names.job_tags, partitions_def=partitions)
