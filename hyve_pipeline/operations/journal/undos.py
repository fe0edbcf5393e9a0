"""Reads from the state which plans were undone, and in which order."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile

from hyve_pipeline.core.model.journal import Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.undo_summary import WAS_NEW, UndoSummary
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


def is_undone_in_order(context: SyncContext, plan: Plan) -> bool:
    """Whether a plan was undone completely after all plans that were applied later: nothing is left to be undone.

    Raises:
        StateError: a file of its undo is damaged.
    """
    summary = latest_undo(context, plan)
    return summary is not None and summary.in_order and not summary.failed


def left_by_undos(context: SyncContext, plans: Iterable[Plan]) -> Mapping[str, frozenset[str]]:
    """The ETags of the objects that undos of these plans put back or let stay in the store, by key.

    An object that was put back can have another ETag than it had: that of a multipart object follows from its parts.

    Raises:
        StateError: the journal of an undo is damaged.
    """
    left: dict[str, frozenset[str]] = {}
    for plan in plans:
        for key, etag in _left_by_undo(context, plan):
            left[key] = left.get(key, frozenset()) | {etag}
    return left


def _left_by_undo(context: SyncContext, plan: Plan) -> Iterator[tuple[str, str]]:
    folder = undo_folder(context, plan)
    for entry in folder.entries(recursive=True):
        if not entry.name.endswith(".parquet"):
            continue
        reader = ParquetReader(folder, entry.name)
        for table in reader.tables():
            for row in table.select(["key", "outcome", "code", "etag_before", "etag_after"]).to_pylist():
                etag = row["etag_before"] if row["code"] == WAS_NEW else row["etag_after"]
                if etag is not None and (row["code"] == WAS_NEW or row["outcome"] == Outcome.DONE.value):
                    yield row["key"], etag
        reader.close()
