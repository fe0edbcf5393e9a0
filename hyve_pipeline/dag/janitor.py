"""Closes runs whose process is gone."""

import os
import socket

import dagster as dg

from hyve_pipeline.dag.names import HOST_TAG, PID_TAG


def close_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark runs of this machine's commands as failed when their process no longer exists.

    Dagster can't know: a killed command leaves its run as started for ever, and started runs count against
    the queue's limit.
    """
    running = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING],
        tags={HOST_TAG: socket.gethostname()},
    )
    for run in instance.get_runs(running):
        pid = run.tags.get(PID_TAG, "")
        # A re-execution from the UI takes over the tags of the command's run, but it has another process.
        if run.parent_run_id is None and pid.isdecimal() and not _is_alive(int(pid)):
            instance.report_run_failed(run, f"the command's process {pid} is gone; its journal goes on where it ended")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it exists, and belongs to someone else
    return True
