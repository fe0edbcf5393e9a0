"""The keys that were undone, for the comparison: their copies are out of date, whatever times and sizes say."""

import pyarrow as pa

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.base.ids import number_of
from hyve_pipeline.core.model.diff import UNDONE_SCHEMA
from hyve_pipeline.core.model.journal import Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.state.journals import shard_journals
from hyve_pipeline.state.undone import UndoneKeys


class UndoneRows:
    """The keys of a store that were undone and that no plan has copied or deleted since, by key range.

    Opening it removes from the state those that a later plan has done by its journal.

    Args:
        context: the sync.
        store: the store.

    Raises:
        StateError: a file of undone keys is damaged.
    """

    def __init__(self, context: SyncContext, store: BucketSettings) -> None:
        self._kept = UndoneKeys(context.state, store)
        self._bounds: dict[str, tuple[str, str]] = {}
        names = self._kept.names()
        plans = _plans_after(context, store, number_of(names[0])) if names else []
        for name in names:
            keys = self._kept.read(name)
            left = sorted(set(keys) - _done_later(context, plans, name, keys)) if keys else []
            if len(left) < len(keys):
                self._kept.replace(name, left)
            if left:
                self._bounds[name] = left[0], left[-1]

    def read(self, key_range: RelativeRange) -> pa.Table:
        """The keys of the range, and perhaps some before and after it, as in `core.diff.UNDONE_SCHEMA`."""
        keys: set[str] = set()
        for name, (first, last) in self._bounds.items():
            if last >= key_range.first and (key_range.end is None or first < key_range.end):
                keys.update(self._kept.read(name))
        return pa.table({"key": sorted(keys)}, UNDONE_SCHEMA)


def _plans_after(context: SyncContext, store: BucketSettings, number: int) -> list[Plan]:
    """The plans of a store that were made after a number; one that can't be read says nothing."""
    plans: list[Plan] = []
    for plan_id in context.plans.ids():
        if number_of(plan_id) > number:
            try:
                plan = context.plans.load(plan_id)
            except StateError:
                continue
            if plan.store.uri == store.uri:
                plans.append(plan)
    return plans


def _done_later(context: SyncContext, plans: list[Plan], name: str, keys: list[str]) -> set[str]:
    """Of the sorted keys of a file, those that a plan has done which was made after the undo."""
    wanted = set(keys)
    done: set[str] = set()
    for plan in plans:
        if number_of(plan.id) <= number_of(name):
            continue
        for shard, journal in shard_journals(context.state, plan):
            if shard.last_key >= keys[0] and shard.first_key <= keys[-1]:
                try:
                    rows = journal.last_rows()
                except StateError:
                    continue
                done.update(key for key in wanted & rows.keys() if rows[key].outcome is Outcome.DONE)
    return done
