"""What Dagster loads of a configuration."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from hyve_pipeline.core.settings.model import Automation, SyncSettings
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.common.instance import open_instance
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.definitions.build import build_sync, load_definitions

NAMES = Names("images", "1234abcd")


def sync_named(name: str, **more: Any) -> SyncSettings:
    return SyncSettings(
        name=name,
        source=BucketSettings(bucket="hyve-rootwork", profile="hyve"),
        store=BucketSettings(bucket="hyve-store"),
        **more,
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
    names = ("dryrun", "copy", "delete", "verify", "restore", "undo", "retention")
    assert set(jobs) == {f"images_{name}" for name in names}
    for job in jobs.values():
        assert dg.validate_run_config(job, {}) is not None


def test_no_run_is_made_again_by_the_settings_of_an_instance(definitions: dg.Definitions, tmp_path: Path) -> None:
    """It would repeat what was refused."""
    jobs = [job for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")]
    own = {"hyve/sync": "images", ".dagster/hyve_home": Home(tmp_path).id, "dagster/max_retries": "0"}
    assert jobs
    for job in jobs:
        assert own.items() <= job.run_tags.items(), job.name


def test_buckets_are_external_and_the_store_has_a_partition_a_shard(
    tmp_path: Path, definitions: dg.Definitions
) -> None:
    graph = definitions.resolve_asset_graph()
    for side in ("source", "store"):
        assert graph.get(NAMES.bucket(side)).is_external
    partitions = graph.get(NAMES.bucket("store")).partitions_def
    assert isinstance(partitions, dg.DynamicPartitionsDefinition)
    assert partitions.name == f"images_store_shards_{Home(tmp_path).id}"


def test_limits_are_blocking_checks(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    checks = {key.name: graph.get_check_spec(key).blocking for key in graph.asset_check_keys}
    assert checks == {
        "listing_complete": False,
        "nothing_altered": False,
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
    assert schedule.job_name == "images_dryrun"
    assert schedule.cron_schedule == "0 2 * * *"
    assert schedule.execution_timezone == "Europe/Berlin"
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_a_schedule_does_not_overtake_itself(tmp_path: Path) -> None:
    definitions = build_sync(Home(tmp_path), sync_named("images", schedule="0 2 * * *"))
    schedule = definitions.resolve_schedule_def("images_dryrun_schedule")
    with open_instance(Home(tmp_path)) as instance:
        assert isinstance(schedule(dg.build_schedule_context(instance)), dg.RunRequest)
        job = definitions.resolve_job_def("images_dryrun")
        run = instance.create_run_for_job(job, tags=job.run_tags, status=dg.DagsterRunStatus.STARTED)
        skipped = schedule(dg.build_schedule_context(instance))
        assert isinstance(skipped, dg.SkipReason)
        assert run.run_id in str(skipped.skip_message)
        instance.report_run_canceled(run)
        assert isinstance(schedule(dg.build_schedule_context(instance)), dg.RunRequest)


@pytest.mark.parametrize("running", [False, True])
def test_what_goes_on_without_a_person_is_off_until_it_is_switched_on(tmp_path: Path, running: bool) -> None:
    sync = sync_named("images", schedule="0 2 * * *", apply="all", automation=Automation(running=running))
    definitions = build_sync(Home(tmp_path), sync)
    repository = definitions.get_repository_def()
    on = {sensor.name: sensor.default_status is dg.DefaultSensorStatus.RUNNING for sensor in repository.sensor_defs}
    # What commands did is reported in any case: that launches nothing.
    assert on == {
        "images_record_sensor": True,
        **{f"images_{name}_sensor": running for name in ("apply", "alert", "retention")},
    }
    (schedule,) = repository.schedule_defs
    assert (schedule.default_status is dg.DefaultScheduleStatus.RUNNING) == running


def test_assets_say_whose_they_are_and_what_is_in_them(tmp_path: Path) -> None:
    sync = sync_named(
        "images",
        schedule="0 2 * * *",
        timezone="Europe/Berlin",
        owners=("team:data", "me@example.org"),
        tags={"cost": "42"},
    )
    graph = build_sync(Home(tmp_path), sync).resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.owners == ["team:data", "me@example.org"]
        assert {"hyve/sync": "images", "cost": "42"}.items() <= node.tags.items()
        assert node.description
        assert node.kinds
        shown = node.metadata
        assert "dagster/uri" in shown if key.path[-1] in ("source", "store") else "dagster/column_schema" in shown
    fresh = {key.path[-1] for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy is not None}
    assert fresh == {"source_inventory", "store_inventory", "new", "modified", "duplicate_stores", "plan"}
    assert graph.get(NAMES.plan).freshness_policy == dg.FreshnessPolicy.cron(
        "0 4 * * *", lower_bound_delta=timedelta(hours=3), timezone="Europe/Berlin"
    )


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
        "resource": None,
        "requester_pays": False,
        "accelerate": False,
        "dual_stack": False,
        "addressing_style": "auto",
        "inventory": None,
        "role_arn": None,
        "external_id": None,
        "anonymous": False,
    }
