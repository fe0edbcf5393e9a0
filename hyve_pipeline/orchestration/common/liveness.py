"""Closes runs that Dagster shows as in progress although their process has ended.

Dagster's own monitoring may be off, and its default launcher forgets its workers when the code server ends. Such a run
would stay "started" forever and block the queue, so that each later scheduled run waits for it. This module requires
neither: it reads the sign of life that the run itself keeps in the state, so any sensor on any host can check it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from hyve_pipeline.operations.context import Sign, SyncContext
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.runs import find_runs

# The statuses of runs that wait or are in progress.
GOING_ON = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

# Not those in the queue: they have no process, and what holds them is in Dagster's database.
_CLOSABLE = [status for status in GOING_ON if status is not dg.DagsterRunStatus.QUEUED]


@dataclass(frozen=True)
class Graces:
    """How long a run may be without a sign of life before it is closed.

    Attributes:
        submission: between its creation and its launch or enqueueing.
        start: between its launch and its first sign: a container may have to wait for a machine.
        same_system: when its lock is free, on a machine that shares its kernel: steps may be processes of their own,
            and a run still writes something after its last step.
        other_system: when its lock seems free, as seen from another machine.
    """

    submission: timedelta = timedelta(minutes=5)
    start: timedelta = timedelta(minutes=15)
    same_system: timedelta = timedelta(minutes=1)
    other_system: timedelta = timedelta(minutes=3)


def close_dead_runs(
    instance: dg.DagsterInstance, sync: SyncContext, names: Names, graces: Graces | None = None
) -> list[str]:
    """Mark runs of a sync as ended if their process has ended, on this host or another.

    Returns:
        The ids of the runs that were closed.

    Raises:
        StateError: a sign of life can't be read.
    """
    allowed = graces or Graces()
    now = datetime.now(UTC)
    closed: list[str] = []
    for record in find_runs(instance, names, _CLOSABLE):
        reason = _reason_to_close(sync, record, allowed, now)
        if reason is None:
            continue
        run = record.dagster_run
        message = f"{reason}; what it did is in the journal, and the next run resumes from there"
        if run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, message)
        else:
            instance.report_run_failed(run, message)
        closed.append(run.run_id)
    sync.remove_old_signs()
    return closed


def _reason_to_close(sync: SyncContext, record: dg.RunRecord, graces: Graces, now: datetime) -> str | None:
    status = record.dagster_run.status
    still = now - record.update_timestamp
    if status is dg.DagsterRunStatus.NOT_STARTED:
        if still > graces.submission:
            return f"it was created {_in_words(still)} ago and never submitted"
        return None
    sign = sync.last_sign(record.dagster_run.run_id)
    if sign is None:
        if still > graces.start:
            return f"its process gave no sign of life in {_in_words(still)}"
        return None
    return _reason_of(sign, graces)


def _reason_of(sign: Sign, graces: Graces) -> str | None:
    grace = graces.same_system if sign.is_of_this_system else graces.other_system
    if sign.is_held or sign.age <= grace.total_seconds():
        return None
    return f"its process ended {_in_words(timedelta(seconds=sign.age))} ago without reporting it"


def _in_words(time: timedelta) -> str:
    seconds = round(time.total_seconds())
    return f"{seconds // 60} minutes" if seconds >= 120 else f"{seconds} seconds"
