"""Closes runs whose process is gone."""

import os
import socket
from pathlib import Path

import dagster as dg

from hyve_pipeline.core.runtime.pid import is_running
from hyve_pipeline.orchestration.common.names import BEGUN_TAG, HOST_TAG, PID_TAG, SYSTEM_TAG

# Where Linux tells when it was booted, and about processes.
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES = Path("/proc")


def process_tags() -> dict[str, str]:
    """Tags of a run by which others can tell whether this process, which makes it, is still there."""
    tags = {HOST_TAG: socket.gethostname(), PID_TAG: str(os.getpid())}
    begun = _begun(os.getpid())
    return tags if begun is None else {**tags, BEGUN_TAG: begun}


def system_tags(run_id: str) -> dict[str, str]:
    """Tags of a run by which others can tell whether the machine or container, in which it goes on, still runs.

    For runs that Dagster has launched: their process may be one of several, as the executor likes, and Dagster looks
    after it as long as the code server lives.
    """
    begun = _begun(1)
    # A re-execution takes over the tags of the run before it.
    return {} if begun is None else {HOST_TAG: socket.gethostname(), SYSTEM_TAG: f"{run_id}@{begun}"}


def close_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark runs as failed that went on when this machine or container was stopped, and commands' whose process is gone.

    Dagster can't know: such a run stays as started for ever, counts against the queue's limit, and is waited for.
    """
    running = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING],
        tags={HOST_TAG: socket.gethostname()},
    )
    for run in instance.get_runs(running):
        pid = run.tags.get(PID_TAG, "")
        # A re-execution from the UI takes over the tags of the command's run, but it has another process.
        if run.parent_run_id is None and pid.isdecimal() and not _is_alive(int(pid), run.tags.get(BEGUN_TAG)):
            instance.report_run_failed(run, f"the command's process {pid} is gone; its journal goes on where it ended")
            continue
        run_id, _, begun = run.tags.get(SYSTEM_TAG, "").partition("@")
        if run_id == run.run_id and begun != _begun(1):
            instance.report_run_failed(
                run, "the system that it was in was restarted; its journal goes on where it ended"
            )


def _is_alive(pid: int, begun: str | None) -> bool:
    # The system gives a number to another process sooner or later, after a restart very soon.
    return is_running(pid) and (begun is None or _begun(pid) in (None, begun))


def _begun(pid: int) -> str | None:
    """When a process began, in a form that no other process of that number has; None where the system does not tell."""
    try:
        # The name, in parentheses, may hold anything. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
        fields = (_PROCESSES / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return f"{_BOOT.read_text(encoding='ascii').strip()}-{fields.split()[19]}"
    except (OSError, IndexError):
        return None
