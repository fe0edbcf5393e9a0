"""What Dagster loads of a configuration."""

from pathlib import Path

import dagster as dg
import pytest

from hyve_pipeline.core.settings import BucketSettings, SyncSettings
from hyve_pipeline.dag.build import build_sync, load_definitions
from hyve_pipeline.dag.names import Names
from hyve_pipeline.flow.context import Home

NAMES = Names("images")


def sync_named(name: str, **more: str) -> SyncSettings:
    return SyncSettings(
        name=name,
        source=BucketSettings(bucket="hyve-rootwork", profile="hyve"),
        store=BucketSettings(bucket="hyve-store"),
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture
def definitions(tmp_path: Path) -> dg.Definitions:
    return build_sync(Home(tmp_path), sync_named("images"))


def test_the_lineage_runs_from_bucket_to_bucket(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    order = [key.path[-1] for key in graph.toposorted_asset_keys]
    assert set(order) == {
        "source",
        "source_inventory",
        "store_inventory",
        "new",
        "modified",
        "duplicate_stores",
        "plan",
        "store",
        "verification",
        "journal",
    }
    ancestors = graph.get_ancestor_asset_keys(NAMES.bucket("store"))
    assert NAMES.bucket("source") in ancestors
    assert NAMES.inventory("store") in ancestors
    assert NAMES.bucket("store") not in graph.get_ancestor_asset_keys(NAMES.inventory("store"))


def test_jobs_carry_the_name_of_their_sync_and_need_no_configuration(definitions: dg.Definitions) -> None:
    jobs = {job.name: job for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")}
    launched_as_they_are = {"images_dryrun", "images_copy", "images_delete", "images_verify"}
    assert set(jobs) == {*launched_as_they_are, "images_undo"}
    for name in launched_as_they_are:
        assert dg.validate_run_config(jobs[name], {}) is not None


def test_buckets_are_external_and_the_store_has_a_partition_a_shard(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for side in ("source", "store"):
        assert graph.get(NAMES.bucket(side)).is_external
    partitions = graph.get(NAMES.bucket("store")).partitions_def
    assert isinstance(partitions, dg.DynamicPartitionsDefinition)
    assert partitions.name == "images_shards"


def test_limits_are_blocking_checks(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    checks = {key.name: graph.get_check_spec(key).blocking for key in graph.asset_check_keys}
    assert checks == {
        "listing_complete": False,
        "overwrite_limits": True,
        "delete_limits": True,
        "plan_holds": False,
        "no_failed_objects": False,
    }


def test_several_syncs_live_in_one_project(tmp_path: Path) -> None:
    home = Home(tmp_path)
    merged = dg.Definitions.merge(build_sync(home, sync_named("images")), build_sync(home, sync_named("films")))
    groups = {node.group_name for node in merged.resolve_asset_graph().asset_nodes}
    assert groups == {"images", "films"}


def test_a_schedule_takes_dryruns_and_is_off(tmp_path: Path) -> None:
    sync = sync_named("images", schedule="0 2 * * *", timezone="Europe/Berlin")
    schedules = list(build_sync(Home(tmp_path), sync).schedules or [])
    assert len(schedules) == 1
    schedule = schedules[0]
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.cron_schedule == "0 2 * * *"
    assert schedule.execution_timezone == "Europe/Berlin"
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_a_home_without_configuration_loads_as_empty(tmp_path: Path) -> None:
    assert not list(load_definitions(Home(tmp_path)).resolve_asset_graph().get_all_asset_keys())


def test_resources_show_the_profile_by_name_and_hold_no_key(definitions: dg.Definitions) -> None:
    resource = (definitions.resources or {})[NAMES.resource]
    assert isinstance(resource, dg.ConfigurableResource)
    shown = resource.model_dump()
    assert shown["source"] == {
        "bucket": "hyve-rootwork",
        "prefix": "",
        "profile": "hyve",
        "region": None,
        "endpoint_url": None,
    }
