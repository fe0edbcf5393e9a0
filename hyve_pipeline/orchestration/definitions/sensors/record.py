"""The sensor that reports to Dagster what was done outside of it: by commands, and by runs of another instance.

Its cursor is the number of the last event of the state that was reported. It moves only when Dagster has stored what
was reported up to there: an event may be reported twice after a crash, but none is lost, even if the daemon was down.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import ValidationError

from hyve_pipeline.core.base.errors import HyveError, StateError
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.event import Event, EventKind
from hyve_pipeline.core.model.journal import ShardState
from hyve_pipeline.core.model.status import ShardStatus
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import ended_attempt, plan_status
from hyve_pipeline.orchestration.common.liveness import close_dead_runs
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.partitions import PartitionsChange, lost_shards, placeholder_change
from hyve_pipeline.orchestration.metadata.recorded import AssetEvent, partitions_of, recorded, shard_event

# On an instance that sees a state for the first time, only this many of its newest events are reported.
_MOST_AT_FIRST = 5_000

# What a command did must be visible soon, even if the other sensors have a long interval.
_INTERVAL_SECONDS = 15


class _Cursor(Frozen):
    """The cursor of the sensor.

    Attributes:
        number: the number of the last event that was reported or skipped.
        tries: the number of ticks in which the next one could not be read.
    """

    number: int
    tries: int = 0


@dataclass(frozen=True)
class TickBounds:
    """How much one tick does; the next one continues.

    Attributes:
        events: the most events. Dagster stores one in 25 ms on SQLite, and a tick is to end in a few seconds.
        seconds: the most seconds.
        tries: an event whose files can't be read is skipped after so many ticks, so that it does not block the others.
        logged_by_then: a shard's run logs the shard itself, so long after it ended at the latest.
    """

    events: int = 200
    seconds: float = 10.0
    tries: int = 5
    logged_by_then: timedelta = timedelta(minutes=2)


_USUAL = TickBounds()


@dataclass
class _Report:
    """What one tick reports."""

    cursor: _Cursor
    events: list[AssetEvent] = field(default_factory=list)
    partitions: list[PartitionsChange] = field(default_factory=list)
    problem: str | None = None


def build_record_sensor(sync: SyncContext, names: Names, bounds: TickBounds = _USUAL) -> dg.SensorDefinition:
    """Reports what commands did: the same assets, partitions and checks as if a run of Dagster had done it.

    Args:
        sync: the sync.
        names: its names in Dagster.
        bounds: how much one tick does.
    """
    # Of the newest plan: its finished shards, which stay so, and how many of them Dagster is known to have.
    finished: dict[int, ShardStatus] = {}
    seen: dict[str, int] = {}

    @dg.sensor(
        name=names.record_sensor,
        minimum_interval_seconds=min(_INTERVAL_SECONDS, sync.settings.automation.interval_seconds),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports to Dagster what was done outside of it, by commands above all: inventories, sets, plans, "
        "shards and verifications, with their checks and partitions, and with command, host, user and time. Launches "
        "nothing.",
    )
    def record(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        close_dead_runs(context.instance, sync, names)
        report = _report_of(context.instance, sync, names, bounds, _begin(sync, context.cursor))
        if not report.events and report.problem is None:
            report.events += _unlogged(context.instance, sync, names, bounds, finished, seen)
        # A plan that can't be read must not prevent that the others are reported.
        with suppress(StateError):
            report.partitions += placeholder_change(context.instance, names, sync.plans.newest())
        if report.problem is not None:
            context.log.warning(report.problem)
        return dg.SensorResult(
            asset_events=report.events,
            dynamic_partitions_requests=report.partitions,
            cursor=report.cursor.model_dump_json(),
            skip_reason=None if report.events else (report.problem or "everything is reported"),
        )

    return record


def _begin(sync: SyncContext, cursor: str | None) -> _Cursor:
    """Where to continue: after the last reported event, or at the first event to report."""
    try:
        begin = _Cursor.model_validate_json(cursor) if cursor else None
    except ValidationError:
        begin = None  # a cursor of another version: start again
    newest = sync.events.newest_number()
    if begin is None or begin.number > newest:  # or the state was replaced
        return _Cursor(number=max(0, newest - _MOST_AT_FIRST))
    return begin


def _report_of(
    instance: dg.DagsterInstance, sync: SyncContext, names: Names, bounds: TickBounds, begin: _Cursor
) -> _Report:
    report = _Report(begin)
    known: dict[str, bool] = {}
    until = time.monotonic() + bounds.seconds
    for event in sync.events.after(begin.number, bounds.events):
        if not _is_logged(instance, event, known):
            tries = report.cursor.tries + 1
            try:
                found = recorded(sync, names, event)
                partitions = partitions_of(sync, names, event)
            except HyveError as error:
                report.problem = f"event {event.number} ({event.kind.value}) can't be reported: {error}"
                if tries < bounds.tries:
                    report.cursor = _Cursor(number=report.cursor.number, tries=tries)
                    break
                found, partitions = [], []
            if report.events and len(report.events) + len(found) > bounds.events:
                break
            report.events += found
            report.partitions += partitions
            if event.kind is EventKind.PLANS_DROPPED:
                report.partitions += _lost_shards(instance, sync, names)
        report.cursor = _Cursor(number=event.number)
        if time.monotonic() > until:
            break
    return report


def _is_logged(instance: dg.DagsterInstance, event: Event, known: dict[str, bool]) -> bool:
    """Whether a run of this instance caused the event, and so has logged it."""
    run = event.actor.dagster_run
    if run is None:
        return False
    if run not in known:
        known[run] = instance.get_run_by_id(run) is not None
    return known[run]


def _lost_shards(
    instance: dg.DagsterInstance, sync: SyncContext, names: Names
) -> Iterator[dg.DeleteDynamicPartitionsRequest]:
    for partitions, keys in lost_shards(instance, names, set(sync.plans.ids())).items():
        if keys:
            yield dg.DeleteDynamicPartitionsRequest(partitions, keys)


def _unlogged(
    instance: dg.DagsterInstance,
    sync: SyncContext,
    names: Names,
    bounds: TickBounds,
    finished: dict[int, ShardStatus],
    seen: dict[str, int],
) -> list[AssetEvent]:
    """Shards of the newest plan that are finished, and whose run ended before it could log that."""
    plan = sync.plans.newest()
    if plan is None:
        return []
    if plan.id not in seen:
        finished.clear()
        seen.clear()
        seen[plan.id] = 0
    before = datetime.now(UTC) - bounds.logged_by_then
    ended = [
        status
        for status in plan_status(sync, plan, finished).shards
        if status.state is ShardState.FINISHED and status.ended is not None and status.ended < before
    ]
    if len(ended) == seen[plan.id]:
        return []
    keys = [plan.partition_key(status.shard) for status in ended]
    statuses = instance.get_status_by_partition(names.bucket("store"), keys, names.store_shards) or {}
    missing = [
        status
        for status, key in zip(ended, keys, strict=True)
        if statuses.get(key) is not dg.AssetPartitionStatus.MATERIALIZED
    ]
    if not missing:
        seen[plan.id] = len(ended)
    events: list[AssetEvent] = []
    for status in missing[: bounds.events]:
        shard, summary = ended_attempt(sync, plan, status.shard.number, status.attempt)
        events.append(shard_event(names, plan, shard, summary, {"run": summary.run_id}))
    return events
