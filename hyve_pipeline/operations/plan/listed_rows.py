"""Reads the objects of one set of a plan, no more of its files than is needed."""

from collections.abc import Iterator

from hyve_pipeline.core.base.arrow_columns import rows_with
from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.diff import ACTION_OF, ChangeSet
from hyve_pipeline.core.model.listed_row import ListedRow
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import ParquetReader

# Rows in memory at once.
_BATCH_ROWS = 8_192

_COLUMNS = ["key", "set", "size", "store_size", "reason"]


def listed_rows(state: Folder, plan: Plan, name: ChangeSet, most: int | None = None) -> Iterator[ListedRow]:
    """The objects of a set of a plan, in key order.

    Args:
        state: the sync's state.
        plan: the plan.
        name: the set.
        most: how many at most; None means all. Only the row groups up to the last one of them are read.

    Raises:
        StateError: a file of the plan is damaged or can't be read.
    """
    there_are = plan.count(name).objects
    left = there_are if most is None else min(most, there_are)
    # The rows of sets that the plan does not act on are in the files of the comparison alone.
    action = ACTION_OF.get(name)
    files = plan.changes if action is None else plan.files[action]
    if left and action is None and not all(map(state.exists, files[:1] or [""])):
        # Of an earlier version, or what it was made from was removed.
        examples = plan.skipped_examples if name is ChangeSet.SKIPPED else ()
        yield from (ListedRow(key, name, None, None, reason) for key, reason in examples[:left])
        return
    for file in files:
        if not left:
            return
        for row in _rows_of_file(state, file, name):
            yield row
            left -= 1
            if not left:
                return
    if left:
        raise StateError(f"{state.uri_of(f'plans/{plan.id}')}: damaged: {left} objects of the set {name} are missing")


def _rows_of_file(state: Folder, file: str, name: ChangeSet) -> Iterator[ListedRow]:
    with ParquetReader(state, file) as reader:
        for row_group in reader.row_groups_with("set", name.value):
            for table in reader.batches(row_group, _COLUMNS, _BATCH_ROWS):
                for row in rows_with(table, "set", [name.value]).to_pylist():
                    yield ListedRow(row["key"], name, row["size"], row["store_size"], row["reason"])
