"""Makes inventories of a sync with a mapping: from the keys that were listed, those that plans have.

Plans, journals and verifications know the keys of the store. So a source's inventory is sorted again by these, and a
store's loses the objects that the sync has nothing to do with. That no two keys become one is proved here, on all keys
and before anything is compared.
"""

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import total
from hyve_pipeline.core.base.errors import IncompleteInventoryError, RefusedError, spilling_to
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.inventory import (
    INVENTORY_SCHEMA,
    Inventory,
    MappedKeys,
    RangeEnd,
)
from hyve_pipeline.core.runtime.interruption import raise_if_interrupted
from hyve_pipeline.core.runtime.progress import end, expect, report
from hyve_pipeline.core.settings.mapping import KeyMapping, MappingRule, key_mapping
from hyve_pipeline.core.settings.place_fields import MAX_KEY_BYTES
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.list_range import RowGroups, derived_inventory
from hyve_pipeline.operations.inventory.sorted_runs import SortedRuns
from hyve_pipeline.state.parquet import ParquetReader, writing_parquet
from hyve_pipeline.state.plans import next_id

# A key of the inventory, below its prefix, to the key in plans; None for an object that no rule is about.
_Way = Callable[[str], str | None]


def map_inventory(context: SyncContext, whole: Inventory, rules: tuple[MappingRule, ...]) -> Inventory:
    """Keep of an inventory the objects that a mapping is about, by the keys that they have in the store.

    Args:
        context: the sync.
        whole: the inventory as it was listed, which was proved complete.
        rules: the rules of the mapping; without any, the inventory is returned as it is.

    Raises:
        RefusedError: two keys of the source could become one in the store, or one would become what is no key.
        StateError: a file is damaged, or can't be written.
    """
    if not rules:
        return whole
    is_source = whole.side == "source"
    mapping = key_mapping(rules)
    way: _Way = CheckedNames(mapping, whole.place, context.place("store")) if is_source else _belonging(mapping)
    shelf = context.inventories(whole.side)
    inventory_id = next_id(context.state, datetime.now(UTC))
    file = shelf.mapped_file_name(inventory_id)
    rewritten = _Rewriting(whole, way)
    expect(rewritten.activity, whole.objects, 0)
    with writing_parquet(context.state, file, INVENTORY_SCHEMA, repetitive=["storage_class"]) as writer:
        rows = RowGroups(writer, whole.place.uri, context.bounds)
        for table in rewritten.sorted_tables(context) if is_source else rewritten.tables(context):
            rows.add(table)
        rows.flush()
        proof = rows.prove(sum(walk.pages for walk in whole.proof), RangeEnd.ALL_MAPPED)
        left_out = rewritten.left_out
        if rows.objects + left_out.objects != whole.objects or rows.bytes + left_out.bytes != whole.bytes:
            raise IncompleteInventoryError(
                f"the listing of {whole.place.uri} has {whole.objects:,} objects, and {rows.objects:,} were mapped and "
                f"{left_out.objects:,} left out; no plan was made, run it again"
            )
    inventory = derived_inventory(
        whole,
        inventory_id,
        file,
        rows,
        proof,
        place=whole.place.model_copy(update={"mapping": rules}) if is_source else whole.place,
        mapped=MappedKeys(rules=rules, whole=whole.id, left_out=left_out),
    )
    shelf.save(inventory)
    end(rewritten.activity)
    return inventory


class _Rewriting:
    """The rows of an inventory with other keys.

    Args:
        whole: the inventory.
        way: gives each key its new one.

    Attributes:
        left_out: the rows that got none, so far.
        activity: the activity, for progress reports.
    """

    def __init__(self, whole: Inventory, way: _Way) -> None:
        self._whole = whole
        self._way = way
        self.left_out = Count()
        self.activity = f"map {whole.side}"

    def tables(self, context: SyncContext) -> Iterator[pa.Table]:
        """The rows in the order of the inventory, some at a time, none of them empty.

        Raises:
            StateError: a file is missing or damaged.
        """
        prefix = self._whole.place.prefix
        length = len(prefix)
        for file in self._whole.files:
            with ParquetReader(context.state, file) as reader:
                for table in reader.tables():
                    raise_if_interrupted()
                    report(self.activity, table.num_rows, 0)
                    found = [self._way(key[length:]) for key in table.column("key").to_pylist()]
                    kept = table.filter(pa.array([key is not None for key in found], pa.bool_()))
                    self.left_out += Count(
                        objects=table.num_rows - kept.num_rows,
                        bytes=total(table.column("size")) - total(kept.column("size")),
                    )
                    if kept.num_rows:
                        keys = pa.array([prefix + key for key in found if key is not None], pa.string())
                        place = kept.schema.get_field_index("key")
                        yield kept.set_column(place, INVENTORY_SCHEMA.field("key"), keys)

    def sorted_tables(self, context: SyncContext) -> Iterator[pa.Table]:
        """The rows in the order of their new keys, in bounded memory.

        Raises:
            StateError: a file is missing or damaged, or temporary data can't be written.
        """
        with spilling_to(tempfile.gettempdir()), tempfile.TemporaryDirectory(prefix="hyve-mapping-") as folder:
            runs = SortedRuns(Path(folder))
            for table in self.tables(context):
                runs.add(table)
            for table in runs.tables():
                raise_if_interrupted()
                yield table


def _belonging(mapping: KeyMapping) -> _Way:
    """The way of a store's keys: those that a key of the source could become stay as they are."""
    return lambda key: None if mapping.to_source(key) is None else key


class CheckedNames:
    """The way of a source's keys, each of which must be the only one that becomes its key in the store.

    Args:
        mapping: the mapping.
        source, store: the buckets.
    """

    def __init__(self, mapping: KeyMapping, source: BucketSettings, store: BucketSettings) -> None:
        self._mapping = mapping
        self._source = source.uri
        self._store = store

    def __call__(self, key: str) -> str | None:
        """What a key becomes; None if no rule is about it.

        Raises:
            RefusedError: that is no key, or not its own.
        """
        found = self._mapping.to_store(key)
        if found is None:
            return None
        whole = self._store.key_of(found)
        if not whole or len(whole.encode()) > MAX_KEY_BYTES:
            problem = f"has {len(whole.encode()):,} bytes, a key has 1 to {MAX_KEY_BYTES:,}"
            raise self._refused(key, f"would become {displayed(self._store.uri_of(found))}, which {problem}")
        back = self._mapping.to_source(found)
        if back == key:
            return found
        becomes = f"would become {displayed(self._store.uri_of(found))}"
        if back is None:
            problem = f"{becomes}, which the inverse of its rule does not turn back: set inverse"
        else:
            problem = f"{becomes}, as would {displayed(self._source + back)}"
        raise self._refused(key, problem)

    def _refused(self, key: str, problem: str) -> RefusedError:
        return RefusedError(
            "mapping",
            f"{displayed(self._source + key)} {problem}; no plan was made, change the rules of the mapping so that "
            "each key of the store comes from one key of the source",
        )
