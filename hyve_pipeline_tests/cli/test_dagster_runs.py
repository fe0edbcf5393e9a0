"""Runs that commands make are runs like any other: in their job's list, in the lineage, able to be re-executed."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.commands.instance import open_instance
from hyve_pipeline.orchestration.commands.janitor import process_tags
from hyve_pipeline.orchestration.common.names import LOCATION
from hyve_pipeline_tests.syncs import Hyve, Pair


@pytest.fixture
def instance(pair: Pair) -> Iterator[dg.DagsterInstance]:
    with open_instance(Home(pair.home)) as instance:
        yield instance


def test_every_run_has_its_job_its_tags_and_its_origin(pair: Pair, hyve: Hyve, instance: dg.DagsterInstance) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    pair.store.put({"gone": b"1"})
    document = hyve("sync", "--json").document
    plan = document["plan"]
    runs = [instance.get_run_by_id(run_id) for run_id in document["runs"]]
    assert all(run is not None and run.status is dg.DagsterRunStatus.SUCCESS for run in runs)
    found = [run for run in runs if run is not None]
    assert [run.job_name for run in found] == [
        "images_dryrun",
        "images_copy",
        "images_copy",
        "images_delete",
        "images_verify",
    ]
    assert [run.tags.get("dagster/partition") for run in found] == [
        None,
        f"{plan}-0001",
        f"{plan}-0002",
        f"{plan}-0003",
        None,
    ]
    for run in found:
        assert run.tags["hyve/command"] == "sync"
        assert run.tags["hyve/sync"] == "images"
        assert run.tags["hyve/plan"] == plan
        assert run.tags["hyve/host"] == socket.gethostname()
        origin = run.remote_job_origin
        assert origin is not None
        assert (origin.job_name, origin.location_name) == (run.job_name, LOCATION)
        assert run.job_code_origin is None or run.job_code_origin.job_name == run.job_name
    assert [run.tags.get("dagster/partition_set") for run in found][1:4] == [
        "images_copy_partition_set",
        "images_copy_partition_set",
        "images_delete_partition_set",
    ]
    assert instance.get_runs_count(dg.RunsFilter(job_name="images_copy")) == 2


def test_the_lineage_runs_from_bucket_to_bucket(pair: Pair, hyve: Hyve, instance: dg.DagsterInstance) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    pair.store.put({"gone": b"1"})
    plan = hyve("sync", "--json").document["plan"]
    materialized = {key.path[-1]: instance.get_latest_materialization_event(key) for key in instance.get_asset_keys()}
    assert {name for name, event in materialized.items() if event is not None} == {
        "source_inventory",
        "store_inventory",
        "new",
        "modified",
        "duplicate_stores",
        "plan",
        "store",
        "verification",
    }
    shards = [f"{plan}-{number:04d}" for number in (1, 2, 3)]
    assert instance.get_materialized_partitions(dg.AssetKey(["images", "store"])) == set(shards)
    assert instance.get_dynamic_partitions("images_copy_shards") == shards[:2]
    assert instance.get_dynamic_partitions("images_delete_shards") == shards[2:]
    assert instance.get_dynamic_partitions("images_store_shards") == shards


def test_refused_deletes_can_not_be_launched(pair: Pair, hyve: Hyve, instance: dg.DagsterInstance) -> None:
    pair.source.put({"new": b"1"})
    pair.store.put({"a": b"1", "b": b"1"})
    document = hyve("sync", "--max-deletes", "1", "--json").document
    plan = document["plan"]
    assert instance.get_dynamic_partitions("images_copy_shards") == [f"{plan}-0001"]
    assert instance.get_dynamic_partitions("images_delete_shards") == []
    dryrun = instance.get_run_by_id(document["runs"][0])
    assert dryrun is not None
    assert [event for event in instance.all_logs(dryrun.run_id) if "limits" in event.user_message]
    assert hyve("delete", "--max-deletes", "2").code == 0
    assert instance.get_dynamic_partitions("images_delete_shards") == [f"{plan}-0002"]


def test_a_run_whose_command_was_killed_is_closed_by_the_next_one(
    pair: Pair, hyve: Hyve, instance: dg.DagsterInstance
) -> None:
    job = dg.job(name="images_dryrun")(lambda: None)
    # No process has this number: Linux gives at most 2**22.
    tags = {"hyve/host": socket.gethostname(), "hyve/pid": str(2**22 + 1)}
    dead = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    elsewhere = instance.create_run_for_job(
        job, tags=tags | {"hyve/host": "another-host"}, status=dg.DagsterRunStatus.STARTED
    )
    alive = instance.create_run_for_job(job, tags=tags | {"hyve/pid": "1"}, status=dg.DagsterRunStatus.STARTED)
    mine = process_tags()
    ours = instance.create_run_for_job(job, tags=mine, status=dg.DagsterRunStatus.STARTED)
    # The process is gone, and another one has got its number since.
    replaced = instance.create_run_for_job(
        job, tags=mine | {"hyve/process_begun": f"{mine['hyve/process_begun']}0"}, status=dg.DagsterRunStatus.STARTED
    )
    assert hyve("dryrun").code == 0
    statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses[dead.run_id] is statuses[replaced.run_id] is dg.DagsterRunStatus.FAILURE
    still = (elsewhere, alive, ours)
    assert {statuses[run.run_id] for run in still} == {dg.DagsterRunStatus.STARTED}


def test_commands_leave_nothing_behind_in_the_process(
    pair: Pair, hyve: Hyve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    assert hyve("sync").code == 0
    threads, descriptors = set(threading.enumerate()), set(Path("/proc/self/fd").iterdir())
    for _ in range(2):
        assert hyve("sync").code == 0
    assert set(threading.enumerate()) <= threads
    assert len(set(Path("/proc/self/fd").iterdir())) <= len(descriptors)
    assert list(temporary.iterdir()) == []
