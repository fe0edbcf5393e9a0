"""Every table loads as what people and notebooks ask for, by annotation."""

from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.common.instance import open_instance
from hyve_pipeline.orchestration.definitions.build import load_definitions
from hyve_pipeline_tests.syncs import Hyve, Pair

pytestmark = pytest.mark.usefixtures("made_storage")

_INVENTORY_COLUMNS = ["key", "size", "last_modified", "etag", "storage_class", "restored_until"]


def _key(asset: str) -> dg.AssetKey:
    return dg.AssetKey(["images", asset])


def test_tables_load_by_annotation(pair: Pair, hyve: Hyve) -> None:
    keys = [f"{number}.jpg" for number in range(7)]
    pair.source.put(dict.fromkeys(keys, b"12345"))
    pair.store.put({"0.jpg": b"old", "gone": b"1"})
    assert hyve("sync").code == 0
    home = Home(pair.home)
    definitions = load_definitions(home)
    with open_instance(home) as instance:
        # Any: the type is what is asked for, and pyarrow has no types of its own.
        def load(asset: str, kind: type) -> Any:
            value = definitions.load_asset_value(_key(asset), python_type=kind, instance=instance)
            assert isinstance(value, kind)
            return value

        frame = load("source_inventory", pd.DataFrame)
        assert list(frame.columns) == _INVENTORY_COLUMNS
        assert list(frame["key"]) == keys
        assert set(frame["size"]) == {5}
        assert str(frame["last_modified"].dt.tz) == "UTC"

        dataset = load("store_inventory", ds.Dataset)
        assert dataset.schema.names == _INVENTORY_COLUMNS

        table = load("new", pa.Table)
        assert table.column("key").to_pylist() == keys[1:]

        relation = load("duplicate_stores", duckdb.DuckDBPyRelation)
        assert relation.project("key").fetchall() == [("gone",)]

        whole_plan = load("plan", pd.DataFrame)
        assert sorted(whole_plan["key"]) == [*keys, "gone"]

        verification = load("verification", pd.DataFrame)
        assert len(verification) == 0

        with pytest.raises(TypeError, match="source_inventory can't be loaded as"):
            load("source_inventory", dict)


def test_the_journal_is_a_table_of_what_happened_to_each_object(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({f"{number}.jpg": b"12345" for number in range(7)})
    pair.store.put({"0.jpg": b"old", "gone": b"1"})
    planned = hyve("dryrun", "--json").document["plan"]
    pair.source.put({"3.jpg": b"changed since"})
    assert hyve("copy").code == 1
    home = Home(pair.home)
    definitions = load_definitions(home)
    with open_instance(home) as instance:
        run = definitions.resolve_implicit_job_def_def_for_assets([_key("journal")])
        assert run is not None
        result = run.execute_in_process(instance=instance, asset_selection=[_key("journal")])
        assert result.success
        frame = definitions.load_asset_value(_key("journal"), python_type=pd.DataFrame, instance=instance)
        (check,) = result.get_asset_check_evaluations()
        event = instance.get_latest_materialization_event(_key("journal"))
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["key"]) == [f"{number}.jpg" for number in range(7)]
    assert frame.set_index("key")["outcome"].to_dict() == {
        f"{number}.jpg": "skipped" if number == 3 else "done" for number in range(7)
    }
    assert {shard.rpartition("-")[0] for shard in frame["shard"]} == {planned}
    assert (check.check_name, check.passed) == ("no_failed_objects", True)
    assert event is not None
    assert event.asset_materialization is not None
    shown = event.asset_materialization.metadata
    assert (shown["plan"].value, shown["copied"].value, shown["skipped"].value) == (planned, 6, 1)


def test_what_was_never_made_says_what_makes_it(pair: Pair) -> None:
    home = Home(pair.home)
    with open_instance(home) as instance, pytest.raises(StateError, match="hyve dryrun"):
        load_definitions(home).load_asset_value(_key("new"), python_type=pd.DataFrame, instance=instance)


def test_the_newest_table_is_loaded(pair: Pair, hyve: Hyve) -> None:
    home = Home(pair.home)
    for number in range(2):
        pair.source.put({f"{number}": b"1"})
        assert hyve("dryrun").code == 0
        with open_instance(home) as instance:
            frame = load_definitions(home).load_asset_value(
                _key("source_inventory"), python_type=pd.DataFrame, instance=instance
            )
            assert isinstance(frame, pd.DataFrame)
            assert len(frame) == number + 1
