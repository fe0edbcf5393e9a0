"""Drops old plans, and the inventories, diffs, journals and verifications that no kept plan needs.

A plan's manifest is removed first, and the plan no longer exists then; its other files follow. So an interrupted
retention leaves no incomplete plan, and the next one completes it. Files newer than the oldest kept plan are never
removed, but for those of plans of events: the next plan may be made from them.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import NamedTuple

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.ids import is_older, number_of, order_of, time_of
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.core.model.named_keys import NAMED_BY
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.settings.model import Automation
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.metrics import count_dropped
from hyve_pipeline.operations.restore.asked import FOLDER, summaries
from hyve_pipeline.operations.stored_tables import drop_lost_tables
from hyve_pipeline.state.batch_rounds import open_round
from hyve_pipeline.state.events import EventLog
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.plans import MAPPED_FOLDER, NAMED_FOLDER, PARTIAL_FOLDER

# Folders of the state that have a folder for each plan.
_BY_PLAN = (
    *("plans", "journals", "verifications", "proofs", "undone"),
    *(f"{PARTIAL_FOLDER}/{by}" for by in NAMED_BY),
)

_EVENTS_AT_ONCE = 100


@dataclass(frozen=True)
class Dropped:
    """What a retention removed.

    Attributes:
        bytes: bytes freed on disk.
        files: number of files removed.
    """

    bytes: int
    files: int


# The newest of the plans of events that were dropped while older plans are kept.
_DROPPED_BETWEEN = "dropped_events.json"


class _DroppedBetween(Frozen):
    plan: str


class KeepRules(NamedTuple):
    """Which plans are kept; None means that there is no such rule.

    Attributes:
        plans: how many of the newest plans are kept, those of some keys not counted.
        days: how many days a plan is kept.
        event_plans: how many of the newest plans of events are kept, of those that the other two keep.
    """

    plans: int | None = None
    days: int | None = None
    event_plans: int | None = None

    @classmethod
    def of(cls, settings: Automation) -> "KeepRules":
        """The configured ones."""
        return cls(settings.keep_plans, settings.keep_days, settings.keep_event_plans)

    @property
    def are_set(self) -> bool:
        """Whether anything is ever dropped."""
        return any(number is not None for number in self)


def plans_to_drop(context: SyncContext, rules: KeepRules, now: datetime, in_use: Collection[str] = ()) -> list[str]:
    """The ids of the plans that no rule keeps, oldest first.

    A plan is kept while one of the first two rules keeps it, but one of events no longer than the third one says.
    Always kept are the newest plan, the newest one of all keys with all of events since, and every plan that is being
    applied or in use, also by jobs of S3 Batch Operations, with all later ones.

    Args:
        context: the sync.
        rules: the rules.
        now: the present time.
        in_use: plans that are about to be applied.

    Raises:
        ConfigurationError: a number is not positive.
        StateError: the plans can't be listed.
    """
    for name, value in zip(("keep_plans", "keep_days", "keep_event_plans"), rules, strict=True):
        if value is not None and value < 1:
            raise ConfigurationError(f"{name}: must be at least 1, not {value}")
    ids = context.plans.ids()
    partial = context.plans.partial_ids()
    of_all_keys = [plan_id for plan_id in ids if plan_id not in partial]
    whole = of_all_keys or ids
    candidates: list[str] = []
    if rules.plans is not None or rules.days is not None:
        kept = whole[-max(1, rules.plans or 1) :][:1]
        candidates = ids[: ids.index(kept[0])] if kept else []
    if rules.days is not None:
        oldest = now - timedelta(days=rules.days)
        times = _times_in_order(ids, now)
        candidates = [plan_id for plan_id, time in zip(candidates, times, strict=False) if time < oldest]
    if rules.event_plans is not None and of_all_keys:
        by_events = context.plans.partial_ids("events")
        older = [plan_id for plan_id in ids if plan_id in by_events][: -rules.event_plans]
        # Since the last plan of all keys was made, it is remembered what they copied, and no limit counts them.
        more = {plan_id for plan_id in older if is_older(plan_id, whole[-1])}.difference(candidates)
        candidates = sorted([*candidates, *more], key=order_of)
    applied, opened = context.applied_beside(), open_round(context.state)
    needed = [*in_use, *filter(None, (applied, opened.plan if opened is not None else None))]
    return [plan_id for plan_id in candidates if all(is_older(plan_id, other) for other in needed)]


def dropped_between(context: SyncContext, plan: Plan) -> bool:
    """Whether plans of events after a plan were dropped, so that nothing can undo what they did.

    Raises:
        StateError: that can't be read.
    """
    if not context.state.exists(_DROPPED_BETWEEN):
        return False
    return is_older(plan.id, context.state.read_manifest(_DROPPED_BETWEEN, _DroppedBetween).plan)


def _times_in_order(ids: Sequence[str], now: datetime) -> list[datetime]:
    """When each plan was made, corrected for wrong clocks: no plan is older than the one before it.

    A time in the future becomes that of the next plan that has none; a time before an earlier plan's becomes that one.
    """
    times: list[datetime] = []
    later = now
    for plan_id in reversed(ids):
        time = time_of(plan_id)
        later = time if time <= now else later
        times.append(later)
    return list(accumulate(reversed(times), max))


def drop_plans(context: SyncContext, dropped: Sequence[str]) -> Dropped:
    """Remove plans, and the rest of the sync's state that no kept plan needs.

    Args:
        context: the sync.
        dropped: the oldest plans of the sync, and plans of events, as returned by `plans_to_drop`.

    Raises:
        StateError: a file can't be removed, or a kept plan is damaged; in that case nothing is removed.
    """
    kept = [context.plans.load(plan_id) for plan_id in context.plans.ids() if plan_id not in set(dropped)]
    if not kept:
        raise ConfigurationError(f"sync {context.name}: the newest plan is always kept")
    count_dropped(context, dropped)
    sweep = _Sweep(context.state)
    between = [plan_id for plan_id in dropped if not is_older(plan_id, kept[0].id)]
    if between:
        context.state.write_manifest(_DROPPED_BETWEEN, _DroppedBetween(plan=between[-1]))
        _drop_between(context, sweep, between, {number_of(plan.id) for plan in kept})
    for plan_id in dropped:
        sweep.remove(f"plans/{plan_id}/plan.json")
        context.lists.remove(f"{plan_id}.html")  # the report, at its default path
    for name in _BY_PLAN:
        sweep.remove_older(name, kept[0].id, keep={plan.id for plan in kept})
    sweep.remove_older("diffs", kept[0].id, keep=())
    needed = {inventory for plan in kept for inventory in (plan.source_inventory, plan.store_inventory)}
    needed |= {plan.named.id for plan in kept if plan.named is not None}
    for name in (NAMED_FOLDER, MAPPED_FOLDER):
        sweep.remove_older(name, min(needed, key=order_of), keep=())
    for side in SIDES:
        newest = context.inventories(side).newest()
        keep = needed if newest is None else needed | {newest.id}
        sweep.remove_older(f"inventories/{side}", min(needed, key=order_of), keep)
    for summary in summaries(context):
        # One that is not over keeps the next plans from asking again.
        if is_older(summary.id, kept[0].id) and summary.is_over(datetime.now(UTC)):
            sweep.remove(f"{FOLDER}/{summary.id}.json")
            sweep.remove(summary.file)
    drop_lost_tables(context.state)
    context.events.prune(_first_of_kept(context.events, kept, needed))
    context.note(EventKind.PLANS_DROPPED, dropped=tuple(dropped))
    return Dropped(sweep.bytes, sweep.files)


def _drop_between(context: SyncContext, sweep: "_Sweep", dropped: Sequence[str], numbers: Collection[int]) -> None:
    """Remove plans of events that are newer than the oldest kept plan, with all that is theirs alone.

    Args:
        context: the sync.
        sweep: removes.
        dropped: the plans.
        numbers: those of the kept plans; a diff has the number of its plan.
    """
    state = context.state
    files_of: dict[str, list[str]] = {}
    for name in state.names(NAMED_FOLDER):
        # An inventory's id, and then what of it.
        files_of.setdefault(name.rpartition("-")[0], []).append(name)
    diffs_of: dict[int, list[str]] = {}
    for name in state.names("diffs"):
        diffs_of.setdefault(number_of(name), []).append(name)
    there = {folder: {*state.names(folder)} for folder in _BY_PLAN}
    for plan_id in dropped:
        plan = context.plans.load(plan_id)
        verified = (name.partition(".")[0] for name in state.names(f"verifications/{plan_id}"))
        named = () if plan.named is None else (plan.named.id,)
        inventories = {plan.source_inventory, plan.store_inventory, *named, *verified}
        sweep.remove(f"plans/{plan_id}/plan.json")
        for name in (name for inventory in sorted(inventories) for name in files_of.get(inventory, [])):
            sweep.remove(f"{NAMED_FOLDER}/{name}")
        if number_of(plan_id) not in numbers:
            for name in diffs_of.get(number_of(plan_id), []):
                sweep.remove(f"diffs/{name}")
        for folder, names in there.items():
            for name in {plan_id, f"{plan_id}.json"} & names:
                sweep.remove(f"{folder}/{name}")


def _first_of_kept(events: EventLog, kept: Iterable[Plan], inventories: Collection[str]) -> int:
    """The number of the first event about something kept, or the next free number."""
    plans = {plan.id for plan in kept}
    number = 0
    while found := events.after(number, _EVENTS_AT_ONCE):
        for event in found:
            number = event.number
            if event.plan in plans or event.inventory in inventories:
                return number
    return number + 1


class _Sweep:
    """Removes files and folders below a sync's state, and counts files and bytes."""

    def __init__(self, state: Folder) -> None:
        self.bytes = 0
        self.files = 0
        self._state = state

    def remove(self, path: str) -> None:
        """Remove a file, or a folder and its content."""
        files, size = self._state.remove(path)
        self.files += files
        self.bytes += size

    def remove_older(self, folder: str, oldest: str, keep: Iterable[str]) -> None:
        """Remove entries of a folder that are older than `oldest` and not in `keep`; their names begin with ids."""
        wanted = set(keep)
        for name in self._state.names(folder):
            if is_older(name, oldest) and name.partition(".")[0] not in wanted:
                self.remove(f"{folder}/{name}")
