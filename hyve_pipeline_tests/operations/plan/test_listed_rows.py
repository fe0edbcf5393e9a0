"""The first keys of a set of a plan, and all of them, read from its files."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline.operations.plan.listed_rows import listed_rows
from hyve_pipeline.state.parquet import ParquetReader
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory


@pytest.fixture
def context(tmp_path: Path) -> SyncContext:
    return context_at(tmp_path, shard_objects=10)


@pytest.fixture
def plan(context: SyncContext) -> Plan:
    """A plan of five shards of new objects, of which the last has a modified one too, and one of deletes."""
    source = {f"new/{number:02}": Entry(size=number) for number in range(48)} | {"z": Entry(size=7)}
    source["arch"] = Entry(storage_class="GLACIER")
    store = {f"old/{number:02}": Entry() for number in range(12)} | {"z": Entry(size=5)}
    inventories = written_inventory(context, "source", source), written_inventory(context, "store", store)
    return freeze_plan(context, diff_inventories(context, *inventories))


def _keys(context: SyncContext, plan: Plan, name: ChangeSet, most: int | None = None) -> list[str]:
    return [row.key for row in listed_rows(context.state, plan, name, most)]


def test_all_objects_of_each_set_in_key_order(context: SyncContext, plan: Plan) -> None:
    assert _keys(context, plan, ChangeSet.NEW) == [f"new/{number:02}" for number in range(48)]
    assert _keys(context, plan, ChangeSet.DUPLICATE) == [f"old/{number:02}" for number in range(12)]
    assert _keys(context, plan, ChangeSet.UNCHANGED) == []
    (modified,) = listed_rows(context.state, plan, ChangeSet.MODIFIED)
    assert (modified.key, modified.size, modified.store_size, modified.why) == ("z", 7, 5, "size 5 B -> 7 B")
    (skipped,) = listed_rows(context.state, plan, ChangeSet.SKIPPED)
    assert (skipped.key, skipped.size, skipped.why) == ("arch", 3, "archived as GLACIER, missing in store")


def test_the_first_objects_are_found_without_reading_the_rest(
    context: SyncContext, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    batches = ParquetReader.batches

    def watched(reader: ParquetReader, row_group: int, columns: list[str], rows: int) -> Iterator[pa.Table]:
        read.append(row_group)
        return batches(reader, row_group, columns, rows)

    monkeypatch.setattr(ParquetReader, "batches", watched)
    assert _keys(context, plan, ChangeSet.NEW, 10) == [f"new/{number:02}" for number in range(10)]
    assert read == [0]
    read.clear()
    # The bounds of the other row groups show that they have no modified object.
    assert _keys(context, plan, ChangeSet.MODIFIED, 10) == ["z"]
    assert read == [4]
    read.clear()
    assert _keys(context, plan, ChangeSet.DRIFTED, 10) == _keys(context, plan, ChangeSet.NEW, 0) == []
    assert read == []


def test_skipped_objects_are_those_that_the_plan_names_where_the_comparison_was_removed(
    context: SyncContext, plan: Plan
) -> None:
    for name in plan.changes:
        context.state.remove(name)
    (skipped,) = listed_rows(context.state, plan, ChangeSet.SKIPPED)
    assert (skipped.key, skipped.size) == ("arch", None)
    earlier = plan.model_copy(update={"changes": ()})
    assert _keys(context, earlier, ChangeSet.SKIPPED) == ["arch"]


def test_rows_that_are_missing_are_damage(context: SyncContext, plan: Plan) -> None:
    more = plan.model_copy(update={"counts": {ChangeSet.MODIFIED: plan.count(ChangeSet.DUPLICATE)}})
    with pytest.raises(StateError, match="damaged: 11 objects of the set modified are missing"):
        _keys(context, more, ChangeSet.MODIFIED)
