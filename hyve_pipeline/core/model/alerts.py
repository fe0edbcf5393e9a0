"""Alerts: refusals, failures, stalled runs, and a store that differs from its plan."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from hyve_pipeline.core.base.manifest import Frozen

# `refused`: a safety rule refused an action. `failed`: a run failed. `differs`: a plan was verified, and the store
# differs from it. `stalled`: a run is active and has made no progress for long.
AlertEvent = Literal["refused", "failed", "differs", "stalled"]


class AlertRun(Frozen):
    """One of the runs that an alert is about.

    Attributes:
        run: its Dagster run id, or the id of a command.
        command: the command, such as ``hyve sync``; None for a run of Dagster.
        partition: the shard's partition key, for a run of one shard.
        attempt: its number, for a run that the sensor requested.
        given_up: whether the sensor makes no further attempt.
        message: why it failed.
    """

    run: str
    command: str | None = None
    partition: str | None = None
    attempt: int | None = None
    given_up: bool = False
    message: str


class Finding(NamedTuple):
    """Something that requires an alert.

    Attributes:
        event: the kind of alert.
        plan: the plan's id, where there is one.
        job: the Dagster job, of a command the one that does the same.
        run: the run or command, and what happened.
        at: when.
    """

    event: AlertEvent
    plan: str | None
    job: str
    run: AlertRun
    at: datetime

    @property
    def identity(self) -> str:
        """The same for the same thing, whichever process finds it and when: a name for a file."""
        parts: tuple[object, ...] = (self.event, self.plan, self.run.run, self.run.partition, self.run.attempt)
        if self.event == "stalled":
            parts += (self.at,)  # a run can stall again
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


class Alert(Frozen):
    """What is posted, as JSON. Runs of one job and plan that failed at about the same time are one alert.

    Attributes:
        event: the kind of alert.
        sync: the sync's name.
        plan: the plan's id, where there is one.
        job: the Dagster job.
        message: what happened, in one line.
        text: the same, with the sync's name before it: what chat services show.
        runs: the runs, at most `MOST_RUNS` of them.
        total_runs: the number of all runs.
        time: when the last of them ended.
    """

    event: AlertEvent
    sync: str
    plan: str | None
    job: str
    message: str
    text: str
    runs: tuple[AlertRun, ...]
    total_runs: int
    time: datetime


# More would only make the message too long to read.
MOST_RUNS = 20


def make_alert(event: AlertEvent, sync: str, plan: str | None, job: str, runs: list[AlertRun], time: datetime) -> Alert:
    """An alert about runs of one job and plan, of which there is at least one."""
    first = runs[0].message
    message = first if len(runs) == 1 else f"{len(runs)} runs of {job} {event}; the first: {first}"
    given_up = sum(run.given_up for run in runs)
    if given_up:
        message += f"; {f'{given_up} ' if len(runs) > 1 else ''}given up: manual action required"
    return Alert(
        event=event,
        sync=sync,
        plan=plan,
        job=job,
        message=message,
        text=f"Hyve {sync}: {event}: {message}",
        runs=tuple(runs[:MOST_RUNS]),
        total_runs=len(runs),
        time=time,
    )


def alerts_of(sync: str, findings: Iterable[Finding]) -> Iterator[tuple[Alert, list[Finding]]]:
    """One alert for all findings of one kind, job and plan, with these findings."""
    groups: dict[tuple[AlertEvent, str | None, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.event, finding.plan, finding.job), []).append(finding)
    for (event, plan, job), group in groups.items():
        last = max(finding.at for finding in group)
        yield make_alert(event, sync, plan, job, [finding.run for finding in group], last), group
