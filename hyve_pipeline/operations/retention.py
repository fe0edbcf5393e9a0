"""Drops old plans, and the inventories, diffs, journals and verifications that no kept plan needs.

A plan's manifest is removed first, and the plan no longer exists then; its other files follow. So an interrupted
retention leaves no incomplete plan, and the next one completes it. Files newer than the oldest kept plan are never
removed: the next plan may be made from them.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.ids import is_older, order_of, time_of
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.core.model.named_keys import NAMED_BY
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.metrics import count_dropped
from hyve_pipeline.operations.restore.asked import FOLDER, is_over, summaries
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


def plans_to_drop(
    context: SyncContext, keep_plans: int | None, keep_days: int | None, now: datetime, in_use: Collection[str] = ()
) -> list[str]:
    """The ids of the plans that no rule keeps, oldest first.

    A plan is kept while one of the two rules keeps it. Always kept are the newest plan, the newest one of all keys, and
    every plan that is being applied or in use, also by jobs of S3 Batch Operations, with all later ones.

    Args:
        context: the sync.
        keep_plans: how many of the newest plans are kept, those of some keys not counted; None means no such rule.
        keep_days: how many days a plan is kept; None means no such rule.
        now: the present time.
        in_use: plans that are about to be applied.

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
    partial = context.plans.partial_ids()
    whole = [plan_id for plan_id in ids if plan_id not in partial] or ids
    kept = whole[-max(1, keep_plans or 1) :][0]
    candidates = ids[: ids.index(kept)]
    if keep_days is not None:
        oldest = now - timedelta(days=keep_days)
        times = _times_in_order(ids, now)
        candidates = [plan_id for plan_id, time in zip(candidates, times, strict=False) if time < oldest]
    applied, opened = context.applied_beside(), open_round(context.state)
    needed = [*in_use, *filter(None, (applied, opened.plan if opened is not None else None))]
    return [plan_id for plan_id in candidates if all(is_older(plan_id, other) for other in needed)]


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
        dropped: the oldest plans of the sync, as returned by `plans_to_drop`.

    Raises:
        StateError: a file can't be removed, or a kept plan is damaged; in that case nothing is removed.
    """
    kept = [context.plans.load(plan_id) for plan_id in context.plans.ids() if plan_id not in set(dropped)]
    if not kept:
        raise ConfigurationError(f"sync {context.name}: the newest plan is always kept")
    count_dropped(context, dropped)
    sweep = _Sweep(context.state)
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
        if is_older(summary.id, kept[0].id) and is_over(summary, datetime.now(UTC)):
            sweep.remove(f"{FOLDER}/{summary.id}.json")
            sweep.remove(summary.file)
    drop_lost_tables(context.state)
    context.events.prune(_first_of_kept(context.events, kept, needed))
    context.note(EventKind.PLANS_DROPPED, dropped=tuple(dropped))
    return Dropped(sweep.bytes, sweep.files)


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
