"""The set of objects that drifted: an asset of syncs that compare properties, and of no others."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from hyve_pipeline.core.model.diff import PLANNED_SETS, ChangeSet, planned_sets, sets_of
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.definitions.build import build_sync
from hyve_pipeline.orchestration.metadata.plan import plan_metadata
from hyve_pipeline_tests.orchestration.conftest import Daemon, failure_of
from hyve_pipeline_tests.orchestration.test_definitions import NAMES, sync_named
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

MakeDaemon = Callable[[Pair], Daemon]

_DRIFTED = NAMES.change_set(ChangeSet.DRIFTED)


@pytest.fixture
def drifted(make_pair: MakePair) -> Pair:
    """A sync that compares properties, with something in each set."""
    pair = make_pair(compare_properties=True)
    pair.source.put({"new": b"1", "modified": b"22", "a/drifted": b"333", "same": b"1"}, ContentType="text/plain")
    pair.store.put({"modified": b"2", "gone": b"1", "same": b"1"}, ContentType="text/plain")
    pair.store.put({"a/drifted": b"333"}, ContentType="text/html")
    return pair


def test_sets_by_options() -> None:
    on, off = Options(compare_properties=True), Options()
    assert sets_of(on) == tuple(ChangeSet)
    assert set(ChangeSet) - set(sets_of(off)) == {ChangeSet.DRIFTED}
    assert planned_sets(on) == PLANNED_SETS
    assert planned_sets(off) == (ChangeSet.NEW, ChangeSet.MODIFIED, ChangeSet.DUPLICATE)


@pytest.mark.parametrize("is_on", [True, False])
def test_the_asset_is_there_with_the_option_alone(tmp_path: Path, is_on: bool) -> None:
    sync = sync_named("images", schedule="0 2 * * *", options=Options(compare_properties=is_on))
    definitions = build_sync(Home(tmp_path), sync)
    graph = definitions.resolve_asset_graph()
    assert (_DRIFTED in graph.get_all_asset_keys()) is is_on
    selected = definitions.resolve_job_def(NAMES.dryrun_job).asset_layer.selected_asset_keys
    assert (_DRIFTED in selected) is is_on
    if is_on:
        node = graph.get(_DRIFTED)
        assert node.child_keys == {NAMES.plan}
        assert node.parent_keys == {NAMES.inventory("source"), NAMES.inventory("store")}
        assert "dagster/column_schema" in node.metadata
        assert node.freshness_policy is not None
        assert node.description


def test_jobs_find_and_repair(drifted: Pair, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(drifted)
    assert daemon.run("images_dryrun").success
    event = daemon.instance.get_latest_materialization_event(_DRIFTED)
    assert event is not None
    assert event.asset_materialization is not None
    shown = event.asset_materialization.metadata
    assert (shown["objects"].value, shown["bytes"].value, shown["dagster/row_count"].value) == (1, 3, 1)
    assert str(shown["list"].value).endswith("/drifted.txt")
    first = shown["first keys"]
    assert isinstance(first, dg.TableMetadataValue)
    assert [row.data for row in first.records] == [
        {"key": "a/drifted", "size": "3 B", "reason": "differs: content-type"}
    ]
    assert daemon.run("images_copy").success
    assert daemon.run("images_delete").success
    assert daemon.run("images_verify").success
    keys = drifted.source.keys()
    assert drifted.store.carried(keys) == drifted.source.carried(keys)
    assert daemon.run("images_dryrun").success
    assert drifted.lines("drifted") == []


def test_pages_show_the_set(drifted: Pair, hyve: Hyve) -> None:
    drifted.source.put({"archived": b"1"}, StorageClass="GLACIER")
    drifted.store.put({"archived": b"1"})
    hyve("dryrun")
    plan = drifted.context().plans.newest()
    assert plan is not None
    metadata = plan_metadata(drifted.context(), plan)
    assert (metadata["copies"], metadata["repairs"], metadata["properties not compared"]) == (2, 1, 1)
    assert {"set": "drifted (to repair)", "objects": 1, "size": "3 B"} in [
        row.data for row in metadata["summary"].records
    ]
    assert [row.data["reason"] for row in metadata["first drifted"].records] == ["differs: content-type"]
    assert metadata["objects by size"].value.endswith(
        "blue: new, amber: modified, purple: duplicate (to delete), green: drifted"
    )
    assert hyve("report").code == 0
    page = (drifted.home / "out" / "images" / f"{plan.id}.html").read_text()
    assert '<td class="drifted">drifted <span class="faint">(to repair)</span></td>' in page
    assert "differs: content-type" in page
    assert "Unchanged, but headers, metadata and tags were not compared: 1 object, archived." in page
    shown = hyve("show", plan.id).out
    assert "drifted 1 object" in " ".join(shown.split())


def test_pages_of_other_plans_do_not(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1"})
    hyve("dryrun")
    plan = pair.context().plans.newest()
    assert plan is not None
    assert not [
        name
        for name in plan_metadata(pair.context(), plan)
        if "repair" in name or "compared" in name or "drifted" in name
    ]
    hyve("report")
    page = (pair.home / "out" / "images" / f"{plan.id}.html").read_text()
    assert '<td class="drifted">' not in page
    assert "drifted" not in hyve("show", plan.id).out


def test_a_plan_of_sets_of_different_runs_is_refused(drifted: Pair, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(drifted)
    assert daemon.run("images_dryrun").success
    sync = daemon.sync
    shelf = sync.state.below("assets/drifted")
    note = shelf.read_text("newest.json")
    assert daemon.run("images_dryrun").success
    shelf.write_text("newest.json", note)
    definitions = daemon.definitions
    job = dg.define_asset_job("plan_alone", selection=dg.AssetSelection.assets(NAMES.plan))
    alone = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
    result = alone.resolve_job_def("plan_alone").execute_in_process(instance=daemon.instance, raise_on_error=False)
    assert failure_of(result) == (
        "new, modified, drifted and duplicate_stores come from different runs: materialize them together"
    )
