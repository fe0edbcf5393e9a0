"""What was asked for of archived objects, and what the source's newest listing says of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import rows_with
from hyve_pipeline.core.base.ids import is_older
from hyve_pipeline.core.model.diff import ARCHIVED_CLASSES, ChangeSet
from hyve_pipeline.core.model.ranges import cut_ranges
from hyve_pipeline.core.model.restore import FAILED, LONGEST, RestoreStatus, RestoreSummary
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import open_inventory
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import ParquetReader
from hyve_pipeline.state.plans import newest_manifests

FOLDER = "restores"


# Outcomes after which there is nothing to wait for; the other objects come back, or are back.
_ENDED = (FAILED, "gone", "readable")


class _Ask(NamedTuple):
    """The newest request for an object."""

    etag: str
    at: datetime
    days: int


def archived_rows(state: Folder, changes: tuple[str, ...]) -> Iterator[pa.Table]:
    """The rows of archived objects among the changes of a plan, columns as in `core.diff.CHANGE_SCHEMA`.

    Raises:
        StateError: a file is damaged.
    """
    for file in changes:
        with ParquetReader(state, file) as reader:
            for table in reader.tables():
                skipped = rows_with(table, "set", [ChangeSet.SKIPPED.value])
                rows = rows_with(skipped, "storage_class", ARCHIVED_CLASSES)
                if rows.num_rows:
                    yield rows


def summaries(context: SyncContext) -> list[RestoreSummary]:
    """All times that restores were asked for, newest first.

    Raises:
        StateError: a manifest is damaged.
    """
    folder = context.state.below(FOLDER)
    return [folder.read_manifest(name, RestoreSummary) for name in newest_manifests(folder.names())]


def restore_summary(context: SyncContext, restore_id: str) -> RestoreSummary | None:
    """One of them by its id; None where it is not kept.

    Raises:
        StateError: it is damaged.
    """
    folder, name = context.state.below(FOLDER), f"{restore_id}.json"
    return folder.read_manifest(name, RestoreSummary) if folder.exists(name) else None


def is_restore_due(context: SyncContext, status: PlanStatus) -> bool:
    """Whether archived objects of a plan are to be restored, its copies are finished, and none was asked for yet.

    Raises:
        StateError: a manifest is damaged.
    """
    plan = status.plan
    if plan.options.restore is None or plan.as_of is not None or not plan.count(ChangeSet.SKIPPED).objects:
        return False
    if status.unfinished("copy") or status.refusal("copy") is not None:
        return False
    folder = context.state.below(FOLDER)
    since = [name for name in newest_manifests(folder.names()) if not is_older(name, plan.id)]
    return all(folder.read_manifest(name, RestoreSummary).plan != plan.id for name in since)


def _asks(context: SyncContext) -> dict[str, _Ask]:
    """The newest request for each object, by its whole key."""
    found: dict[str, _Ask] = {}
    for summary in summaries(context):
        with ParquetReader(context.state, summary.file) as reader:
            for table in reader.tables():
                for row in table.select(["key", "etag", "outcome", "at"]).to_pylist():
                    if row["outcome"] not in _ENDED:
                        found.setdefault(row["key"], _Ask(row["etag"], row["at"], summary.days))
    return found


def waiting_keys(context: SyncContext) -> dict[str, str]:
    """The ETags of the objects that may still come back, by their whole keys.

    Raises:
        StateError: the state is damaged.
    """
    due = datetime.now(UTC) - LONGEST
    return {key: ask.etag for key, ask in _asks(context).items() if ask.at > due}


def restore_status(context: SyncContext) -> RestoreStatus:
    """What became of all that was asked for, by the source's newest inventory.

    Raises:
        StateError: the state is damaged.
    """
    asks = _asks(context)
    if not asks:
        return RestoreStatus()
    inventory = context.inventories("source").newest()
    if inventory is None:
        return RestoreStatus(waiting=len(asks))
    now = datetime.now(UTC)
    counts = dict.fromkeys(RestoreStatus.model_fields, 0)
    listed: set[str] = set()
    keys = list(asks)
    columns = ["key", "etag", "storage_class", "restored_until"]
    with open_inventory(context.state, inventory, columns) as reader:
        for key_range in cut_ranges(reader.chunks, context.bounds.range_rows):
            for row in rows_with(reader.read(key_range), "key", keys).to_pylist():
                # A chunk may be read for two ranges.
                if row["key"] not in listed:
                    listed.add(row["key"])
                    counts[_state(asks[row["key"]], row, inventory.started, now)] += 1
    for key in asks.keys() - listed:
        counts["waiting" if asks[key].at > inventory.started else "changed"] += 1
    return RestoreStatus(**counts)


def _state(ask: _Ask, row: dict[str, object], listed: datetime, now: datetime) -> str:
    until = row["restored_until"]
    if ask.at <= listed and (row["etag"] != ask.etag or row["storage_class"] not in ARCHIVED_CLASSES):
        return "changed"
    if isinstance(until, datetime):
        return "restored" if until > now else "expired"
    return "waiting" if now <= ask.at + LONGEST + timedelta(days=ask.days) else "expired"
