"""Reads from the state which plans were undone, and in which order."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import takewhile

import pyarrow as pa

from hyve_pipeline.core.model.journal import Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import RangeDatabase
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.model.undo_summary import WAS_NEW, UndoSummary
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import last_undo, undo_folder
from hyve_pipeline.state.journals import begun_shards
from hyve_pipeline.state.parquet import ParquetReader

# The file with the result of an undo, in its folder.
UNDO_SUMMARY = "summary.json"


def latest_undo(context: SyncContext, plan: Plan) -> UndoSummary | None:
    """The result of the last undo of `plan`; None if there was none, or the last one was interrupted.

    Raises:
        StateError: its file is damaged.
    """
    folder = undo_folder(context, plan)
    path = f"{last_undo(context, plan):04d}/{UNDO_SUMMARY}"
    return folder.read_manifest(path, UndoSummary) if folder.exists(path) else None


def applied_since(context: SyncContext, plan: Plan) -> list[Plan]:
    """The plans after `plan` that were applied, at least in part, newest first; `plan` itself is the last.

    Raises:
        StateError: the manifest of one of them is damaged.
    """
    later = takewhile(lambda plan_id: plan_id != plan.id, context.plans.newest_ids())
    return [*(context.plans.load(plan_id) for plan_id in later if begun_shards(context.state, plan_id)), plan]


def newest_to_undo(context: SyncContext) -> Plan | None:
    """The newest plan that was applied, at least in part, and not undone; None if there is none.

    Raises:
        StateError: its manifest is damaged.
    """
    for plan_id in context.plans.newest_ids():
        if begun_shards(context.state, plan_id):
            plan = context.plans.load(plan_id)
            if not last_undo(context, plan):
                return plan
    return None


def is_undone_in_order(context: SyncContext, plan: Plan) -> bool:
    """Whether a plan was undone completely after all plans that were applied later: nothing is left to be undone.

    Raises:
        StateError: a file of its undo is damaged.
    """
    summary = latest_undo(context, plan)
    return summary is not None and summary.in_order and not summary.failed


class LeftByUndos(Closing):
    """The ETags of the objects that undos of some plans put back or let stay in the store. Use it as a context manager.

    An object that was put back can have another ETag than it had: that of a multipart object follows from its parts.
    All of them are in a database that spills, and in memory are those of one shard.

    Args:
        context: the sync.
        plans: the plans.

    Raises:
        StateError: the journal of an undo is damaged, or neither memory nor disk has room.
    """

    def __init__(self, context: SyncContext, plans: Iterable[Plan]) -> None:
        self._database: RangeDatabase | None = None
        for plan in plans:
            for rows in _left_by_undo(context, plan):
                self._add(rows)

    def close(self) -> None:
        """Close the database."""
        if self._database is not None:
            self._database.close()

    def of(self, shard: Shard) -> Mapping[str, Collection[str]]:
        """The ETags by key, of the keys between the first and the last one of a shard."""
        if self._database is None:
            return {}
        bounds = {"first": shard.first_key, "last": shard.last_key}
        with self._database.showing({}) as connection:
            found = connection.execute(_OF_SHARD, bounds).fetchall()
        return dict(found)

    def _add(self, rows: pa.Table) -> None:
        if self._database is None:
            self._database = RangeDatabase()
            with self._database.showing({}) as connection:
                connection.execute("CREATE OR REPLACE TEMP TABLE left_objects (key VARCHAR, etag VARCHAR)")
        with self._database.showing({"undo_rows": rows}) as connection:
            connection.execute(_ADD)


# What was put back; and of objects that the plan added, what was there before the undo and stayed.
_ADD = f"""
    INSERT INTO left_objects
    SELECT key, etag FROM (
        SELECT key, code = '{WAS_NEW}' AS is_new, outcome, CASE WHEN is_new THEN etag_before ELSE etag_after END AS etag
        FROM undo_rows
    ) WHERE etag IS NOT NULL AND (is_new OR outcome = '{Outcome.DONE}')"""  # noqa: S608 - constants
_OF_SHARD = "SELECT key, list(DISTINCT etag) FROM left_objects WHERE key BETWEEN $first AND $last GROUP BY key"


def _left_by_undo(context: SyncContext, plan: Plan) -> Iterator[pa.Table]:
    folder = undo_folder(context, plan)
    for entry in folder.entries(recursive=True):
        if entry.name.endswith(".parquet"):
            reader = ParquetReader(folder, entry.name)
            for table in reader.tables():
                yield table.select(["key", "outcome", "code", "etag_before", "etag_after"])
            reader.close()
