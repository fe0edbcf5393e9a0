"""Drops old plans, and with them the inventories, diffs, journals and verifications that no kept plan needs.

A plan ends to exist with its manifest, which is removed first; all else is swept after that. So a sweep that is
cut short leaves no plan of which a part is missing, and the next one goes on. What is younger than the oldest kept
plan is never touched: it may be what the next plan is being made from.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.ids import is_older, order_of, time_of
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.stored_tables import drop_lost_tables
from hyve_pipeline.state.events import EventLog
from hyve_pipeline.state.files import Folder

# Folders of the state that have a folder for each plan.
_BY_PLAN = ("plans", "journals", "verifications", "undone")

_EVENTS_AT_ONCE = 100


@dataclass(frozen=True)
class Dropped:
    """What a retention has removed.

    Attributes:
        bytes: freed on the disk.
        files: how many files that were.
    """

    bytes: int
    files: int


def plans_to_drop(
    context: SyncContext, keep_plans: int | None, keep_days: int | None, now: datetime, in_use: Collection[str] = ()
) -> list[str]:
    """The ids of the plans that no rule keeps, oldest first.

    A plan is kept as long as one of the two rules keeps it. Kept in any case are the newest plan, and one that is
    being applied or in use, with all that came after it.

    Args:
        context: the sync.
        keep_plans: how many of the newest plans are kept; None is no rule.
        keep_days: for how many days a plan is kept; None is no rule.
        now: the time to reckon from.
        in_use: plans that somebody is about to apply, though nobody does at this moment.

    Raises:
        ConfigurationError: a number is not positive.
        StateError: the plans can't be listed.
    """
    for name, value in (("keep_plans", keep_plans), ("keep_days", keep_days)):
        if value is not None and value < 1:
            raise ConfigurationError(f"{name}: must be at least 1, not {value}")
    ids = context.plans.ids()
    if keep_plans is None and keep_days is None:
        return []
    kept = max(1, keep_plans or 1)
    candidates = ids[:-kept]
    if keep_days is not None:
        oldest = now - timedelta(days=keep_days)
        times = _times_in_order(ids, now)
        candidates = [plan_id for plan_id, time in zip(candidates, times, strict=False) if time < oldest]
    applied = context.applied_beside()
    needed = [*in_use] if applied is None else [*in_use, applied]
    return [plan_id for plan_id in candidates if all(is_older(plan_id, other) for other in needed)]


def _times_in_order(ids: Sequence[str], now: datetime) -> list[datetime]:
    """When each plan was made, so that no plan is older than one before it, though a clock may have been wrong.

    One from the future is as old as the next one that is not; one from before an earlier plan is as old as that.
    """
    times: list[datetime] = []
    later = now
    for plan_id in reversed(ids):
        time = time_of(plan_id)
        later = time if time <= now else later
        times.append(later)
    return list(accumulate(reversed(times), max))


def drop_plans(context: SyncContext, dropped: Sequence[str]) -> Dropped:
    """Remove plans, and whatever else of the sync's state no plan that stays needs.

    Args:
        context: the sync.
        dropped: the oldest plans of the sync, as `plans_to_drop` names them.

    Raises:
        StateError: a file can't be removed, or a plan that stays is damaged: then nothing is removed.
    """
    kept = [context.plans.load(plan_id) for plan_id in context.plans.ids() if plan_id not in set(dropped)]
    if not kept:
        raise ConfigurationError(f"sync {context.name}: the newest plan is always kept")
    sweep = _Sweep(context.state)
    for plan_id in dropped:
        sweep.remove(f"plans/{plan_id}/plan.json")
        context.lists.remove(f"{plan_id}.html")  # what `hyve report` wrote, where it writes by default
    for name in _BY_PLAN:
        sweep.remove_older(name, kept[0].id, keep={plan.id for plan in kept})
    sweep.remove_older("diffs", kept[0].id, keep=())
    needed = _needed_inventories(kept)
    for side in SIDES:
        newest = context.inventories(side).newest()
        keep = needed if newest is None else needed | {newest.id}
        sweep.remove_older(f"inventories/{side}", min(needed, key=order_of), keep)
    drop_lost_tables(context.state)
    context.events.prune(_first_of_kept(context.events, kept, needed))
    context.note(EventKind.PLANS_DROPPED, dropped=tuple(dropped))
    return Dropped(sweep.bytes, sweep.files)


def _needed_inventories(kept: Iterable[Plan]) -> set[str]:
    """The ids of the inventories that plans were made from."""
    uris = [uri for plan in kept for uri in (plan.source_inventory, plan.store_inventory)]
    return {uri.rpartition("/")[2].removesuffix(".parquet") for uri in uris}


def _first_of_kept(events: EventLog, kept: Iterable[Plan], inventories: Collection[str]) -> int:
    """The number of the first event that is about what stays, or that follows all events."""
    plans = {plan.id for plan in kept}
    number = 0
    while found := events.after(number, _EVENTS_AT_ONCE):
        for event in found:
            number = event.number
            if event.plan in plans or event.inventory in inventories:
                return number
    return number + 1


class _Sweep:
    """Removes files and folders below a sync's state, and counts what that frees."""

    def __init__(self, state: Folder) -> None:
        self.bytes = 0
        self.files = 0
        self._state = state

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it."""
        files, size = self._state.remove(path)
        self.files += files
        self.bytes += size

    def remove_older(self, folder: str, oldest: str, keep: Iterable[str]) -> None:
        """Remove from a folder, whose names begin with ids, what is older than `oldest` and not to be kept."""
        wanted = set(keep)
        for name in self._state.names(folder):
            if is_older(name, oldest) and name.partition(".")[0] not in wanted:
                self.remove(f"{folder}/{name}")
