"""What the copies of a plan of all versions take, by the rules that `apply.history` follows."""

from contextlib import ExitStack
from dataclasses import dataclass

import pyarrow as pa

from hyve_pipeline.core.model.history import DELETE_MARKER, SEPARATOR
from hyve_pipeline.core.model.history_diff import UNPROVED_REASONS
from hyve_pipeline.core.model.inventory import SIDES, Inventory, Side
from hyve_pipeline.core.model.ranges import RangeDatabase, RelativeRange, below
from hyve_pipeline.operations.inventory.sorted_rows import open_inventory
from hyve_pipeline.s3.listing.walk import MAX_KEYS
from hyve_pipeline.state.files import Folder


@dataclass(frozen=True)
class HistoryWork:
    """What is to be done with some keys.

    Attributes:
        copied: the versions to copy, with ``size``, ``source_etag`` and ``storage_class``. A listing has the class of a
            key's newest version alone, which stands for all.
        markers: how many delete markers are to be put.
        pages: pages of versions that are listed of single keys, by bucket.
        compared: the versions whose contents are to be compared, with ``size``.
    """

    copied: pa.Table
    markers: int
    pages: dict[Side, int]
    compared: pa.Table

    @property
    def written(self) -> int:
        """How many versions and delete markers the store gets."""
        return self.copied.num_rows + self.markers


class HistoryRequests:
    """Finds out of the inventories of a plan what its keys take.

    Args:
        state: the sync's state.
        source, store: the inventories.
        stack: closes the inventories.

    Raises:
        StateError: an inventory is missing or damaged.
    """

    def __init__(self, state: Folder, source: Inventory, store: Inventory, stack: ExitStack) -> None:
        columns = ["key", "history", "storage_class"]
        self._listed = {
            side: stack.enter_context(open_inventory(state, inventory, columns))
            for side, inventory in (("source", source), ("store", store))
        }
        self._database = stack.enter_context(RangeDatabase())
        self._keys = _keys_of({"source": source.place.prefix, "store": store.place.prefix})

    def of(self, rows: pa.Table) -> HistoryWork:
        """What some keys take: rows of a plan in key order, at least one.

        Raises:
            StateError: an inventory is damaged.
        """
        first, last = rows.column("key")[0].as_py(), rows.column("key")[-1].as_py()
        key_range = RelativeRange(first, last + "\0")
        tables = {f"{side}_rows": self._listed[side].read(key_range) for side in SIDES}
        with self._database.showing({"planned_rows": rows.select(["key", "reason"]), **tables}) as connection:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE planned_keys AS {self._keys}")
            copied = connection.sql(_COPIED).to_arrow_table()
            compared = connection.sql(_COMPARED).to_arrow_table()
            ((markers, of_source, of_store),) = connection.execute(_TOTALS).fetchall()
        return HistoryWork(copied, markers, {"source": of_source, "store": of_store}, compared)


def _keys_of(prefixes: dict[str, str]) -> str:
    """The SQL of the planned keys with both histories."""
    reasons = ", ".join(f"'{reason}'" for reason in UNPROVED_REASONS)
    listed = ", ".join(
        f"{side} AS (SELECT *, {below(prefix)} AS relative FROM {side}_rows)"  # noqa: S608 - the prefix is only counted
        for side, prefix in prefixes.items()
    )
    # No untrusted text.
    return f"""
        WITH {listed}
        SELECT
            s.history AS source_history,
            coalesce(t.history, []) AS store_history,
            s.history[len(store_history) + 1:] AS missing,
            s.storage_class AS storage_class,
            reason IN ({reasons}) AS is_unproved
        FROM planned_rows p
        JOIN source s ON s.relative = p.key
        LEFT JOIN store t ON t.relative = p.key"""  # noqa: S608


_SIZE = f"split_part(text, '{SEPARATOR}', 1)::BIGINT"

_COPIED = f"""
    SELECT {_SIZE} AS size, text[instr(text, '{SEPARATOR}') + 1:] AS source_etag, storage_class
    FROM (SELECT unnest(missing) AS text, storage_class FROM planned_keys) WHERE text <> '{DELETE_MARKER}'"""  # noqa: S608

# A version whose text is the same on both sides need not be compared.
_COMPARED = f"""
    SELECT {_SIZE} AS size
    FROM (
        SELECT unnest(source_history[1:len(store_history)]) AS text, unnest(store_history) AS other
        FROM planned_keys WHERE is_unproved
    ) WHERE text <> other"""  # noqa: S608

# The source's versions are listed once, and those of the store before the first write and after the last one.
_TOTALS = f"""
    SELECT
        coalesce(sum(len([text for text in missing if text = '{DELETE_MARKER}'])), 0)::BIGINT,
        coalesce(sum(greatest(ceil(len(source_history) / {MAX_KEYS}), 1)), 0)::BIGINT,
        coalesce(sum(
            greatest(ceil(len(store_history) / {MAX_KEYS}), 1) + greatest(ceil(len(source_history) / {MAX_KEYS}), 1)
        ), 0)::BIGINT
    FROM planned_keys"""  # noqa: S608
