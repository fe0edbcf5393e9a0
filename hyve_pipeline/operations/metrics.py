"""Reads the figures of syncs for monitoring from their state alone; no request is sent to a bucket that is synced.

One listing for each plan says what was done with it, see `state.ended`. So counters move as shards end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hyve_pipeline.core.base.errors import ConfigurationError, HyveError, StateError
from hyve_pipeline.core.model.diff import sets_of
from hyve_pipeline.core.model.inventory import SIDES, Side
from hyve_pipeline.core.model.metrics import (
    DroppedTotals,
    InventoryFigures,
    PlanFigures,
    SyncMetrics,
    VerificationFigures,
    WorkTotals,
    no_work,
)
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action
from hyve_pipeline.operations.context import Home, SyncContext, load_configuration
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.verify.read import latest_verification
from hyve_pipeline.state.ended import ended_attempts
from hyve_pipeline.state.files import Folder

_DROPPED_FILE = "dropped_totals.json"

_Totals = dict[Action, WorkTotals]


@dataclass(frozen=True)
class _PlanWork:
    """What was done for one plan, and whether nothing of it is left."""

    totals: _Totals
    is_finished: bool
    listed: datetime


@dataclass(frozen=True)
class MetricsReader:
    """Reads the figures of all syncs of a home, or of one.

    Attributes:
        home: the home.
        sync: the name of the only sync to read; None reads all.
    """

    home: Home
    sync: str | None = None
    _finished: dict[tuple[str, str], _PlanWork] = field(default_factory=dict, repr=False)

    def read(self) -> list[SyncMetrics]:
        """The figures of each sync. A sync whose state is damaged has no figures, and the reason.

        What is known of finished plans is kept: with the same reader, the next call does not read them again.

        Raises:
            ConfigurationError: the configuration is not valid, or there is no such sync.
        """
        found: list[SyncMetrics] = []
        for context in _contexts(self.home, self.sync):
            try:
                found.append(self._read(context))
            except HyveError as error:
                found.append(SyncMetrics(sync=context.name, problem=str(error)))
        return found

    def _read(self, context: SyncContext) -> SyncMetrics:
        ids = context.plans.ids()
        works = {plan_id: work for plan_id in ids if (work := self._work(context, plan_id)) is not None}
        dropped = _read_dropped(context.state)
        # A plan that was counted when retention began to drop it, and is still there.
        counted = [works[plan_id].totals for plan_id in works if plan_id not in dropped.plans]
        newest = context.plans.newest()
        partial = context.plans.partial_ids()
        whole = [work for plan_id, work in works.items() if plan_id not in partial]
        synced = next((work.listed for work in reversed(whole) if work.is_finished), None)
        return SyncMetrics(
            sync=context.name,
            plans=len(ids),
            totals=_sum([dropped.totals, *counted]),
            newest=None if newest is None else _newest(context, newest),
            inventories={side: figures for side in SIDES if (figures := _inventory(context, side)) is not None},
            verification=None if newest is None else _verification(context, newest),
            synced=synced,
            lag_seconds=None if synced is None else max((datetime.now(UTC) - synced).total_seconds(), 0.0),
        )

    def _work(self, context: SyncContext, plan_id: str) -> _PlanWork | None:
        known = self._finished.get((context.name, plan_id))
        if known is not None:
            return known
        try:
            work = _work_of(context, context.plans.load(plan_id))
        except ConfigurationError:
            return None  # retention has dropped it just now
        if work.is_finished:
            self._finished[context.name, plan_id] = work
        return work


def count_dropped(context: SyncContext, plan_ids: Iterable[str]) -> None:
    """Add the totals of plans that are about to be dropped to those of plans dropped before.

    A plan that can't be read is not counted: that must not keep it.

    Raises:
        StateError: the totals can't be read or written.
    """
    before = _read_dropped(context.state)
    there = set(context.plans.ids())
    counted = [plan_id for plan_id in before.plans if plan_id in there]
    totals = [before.totals]
    for plan_id in plan_ids:
        if plan_id not in counted and plan_id in there:
            counted.append(plan_id)
            try:
                totals.append(_work_of(context, context.plans.load(plan_id)).totals)
            except HyveError:
                continue
    context.state.write_manifest(_DROPPED_FILE, DroppedTotals(plans=tuple(counted), totals=_sum(totals)))


def _contexts(home: Home, sync: str | None) -> Iterator[SyncContext]:
    if sync is not None or not home.settings_file.exists():
        names = [sync] if sync is not None or home.storage.folder is not None else [*home.syncs()]
        yield from (SyncContext.of_state(home, name) for name in names)
        return
    yield from (SyncContext(home, settings) for settings in load_configuration(home).sync.values())


def _read_dropped(state: Folder) -> DroppedTotals:
    return state.read_manifest(_DROPPED_FILE, DroppedTotals) if state.exists(_DROPPED_FILE) else DroppedTotals()


def _sum(several: Iterable[_Totals]) -> _Totals:
    found = no_work()
    for totals in several:
        for action, work in totals.items():
            found[action] += work
    return found


def _work_of(context: SyncContext, plan: Plan) -> _PlanWork:
    """What the markers of ended attempts say of a plan.

    Raises:
        StateError: they can't be listed.
    """
    # Copies are numbered first, so the shards need not be read.
    copies = plan.total("copy").shards
    found = no_work()
    done = 0
    is_failed = False
    for number, attempts in ended_attempts(context.state, plan.id).items():
        newest = max(attempts, key=lambda one: one.attempt)
        done += newest.tally.done + newest.tally.skipped
        is_failed |= newest.tally.failed > 0
        found["copy" if number <= copies else "delete"] += WorkTotals(
            objects=newest.tally.done,
            bytes=newest.tally.bytes,
            skipped=newest.tally.skipped,
            failures=sum(one.tally.failed for one in attempts),
            requests=sum(one.requests for one in attempts),
            retries=sum(one.retries for one in attempts),
            seconds=sum(one.seconds for one in attempts),
        )
    planned = sum(plan.total(action).objects for action in ACTIONS)
    return _PlanWork(found, done == planned and not is_failed, _listed(context, plan))


def _listed(context: SyncContext, plan: Plan) -> datetime:
    """When the source of a plan was listed; at the latest when the plan was made."""
    try:
        return context.inventories("source").load(plan.source_inventory).started
    except StateError:
        return plan.created


def _newest(context: SyncContext, plan: Plan) -> PlanFigures:
    status = plan_status(context, plan)
    left: dict[Action, int] = {
        action: plan.total(action).objects - status.tally(action).done - status.tally(action).skipped
        for action in ACTIONS
    }
    return PlanFigures(
        plan=plan.id,
        created=plan.created,
        state=status.state,
        sets={name.value: plan.count(name) for name in sets_of(plan.options)},
        left=left,
    )


def _inventory(context: SyncContext, side: Side) -> InventoryFigures | None:
    newest = context.inventories(side).newest()
    if newest is None:
        return None
    return InventoryFigures(
        taken=newest.started,
        objects=newest.objects,
        bytes=newest.bytes,
        seconds=max(newest.seconds, 0.0),
        pages=sum(proof.pages for proof in newest.proof),
    )


def _verification(context: SyncContext, plan: Plan) -> VerificationFigures | None:
    found = latest_verification(context, plan)
    if found is None:
        return None
    return VerificationFigures(at=found.ended, verified=found.verified, differences=sum(found.differences.values()))
