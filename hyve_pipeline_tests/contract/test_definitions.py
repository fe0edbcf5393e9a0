"""What Dagster loads: complete, without a cycle, and for as many syncs as there are."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.definitions.build import load_definitions
from hyve_pipeline_tests.syncs import sync_table

# What the promise and the design name; there may be more.
_ASSETS = {
    "source",
    "source_inventory",
    "store_inventory",
    "new",
    "modified",
    "duplicate_stores",
    "plan",
    "store",
    "verification",
}
_JOBS = {"dryrun", "copy", "delete", "verify"}
_SYNCS = ("images", "backup")


@pytest.fixture
def home(tmp_path: Path, aws_profile: str) -> Home:
    """Two syncs in one home; no bucket of them exists."""
    first = BucketSettings(bucket="in-bucket", profile=aws_profile)
    second = BucketSettings(bucket="out-bucket", prefix="images")
    third = BucketSettings(bucket="archive")
    (tmp_path / "hyve.toml").write_text(
        sync_table("images", first, second, compare="etag", exclude=["tmp/*"])
        + sync_table("backup", second, third)
        + '[sync.backup]\nschedule = "0 2 * * *"\ntimezone = "Europe/Berlin"\n'
    )
    return Home(tmp_path)


def test_every_sync_has_all_assets_and_jobs(home: Home) -> None:
    definitions = load_definitions(home)
    dg.Definitions.validate_loadable(definitions)
    keys = {tuple(key.path) for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert keys >= {(sync, asset) for sync in _SYNCS for asset in _ASSETS}
    assert {sync for sync, _ in keys} == set(_SYNCS)
    names = {job.name for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")}
    assert names >= {f"{sync}_{job}" for sync in _SYNCS for job in _JOBS}
    assert {name.partition("_")[0] for name in names} == set(_SYNCS)


def test_the_asset_graph_has_no_cycle_and_runs_from_bucket_to_bucket(home: Home) -> None:
    graph = load_definitions(home).resolve_asset_graph()
    order = [key.path[-1] for key in graph.toposorted_asset_keys if key.path[0] == "images"]
    assert set(order) >= _ASSETS
    flow = ["source", "source_inventory", "new", "plan", "store", "verification"]
    assert [asset for asset in order if asset in flow] == flow
    ancestors = graph.get_ancestor_asset_keys(dg.AssetKey(["images", "store"]))
    assert dg.AssetKey(["images", "source"]) in ancestors
    assert not {key.path[0] for key in ancestors} - {"images"}


def test_no_configuration_is_no_definition(tmp_path: Path) -> None:
    definitions = load_definitions(Home(tmp_path))
    assert definitions.resolve_asset_graph().get_all_asset_keys() == set()


def test_a_wrong_configuration_says_where(home: Home) -> None:
    home.settings_file.write_text(home.settings_file.read_text() + "[sync.third]\n")
    with pytest.raises(ConfigurationError, match=r"hyve\.toml.*\[sync\.third\]"):
        load_definitions(home)


def test_every_job_can_be_launched_without_editing_its_config(home: Home) -> None:
    definitions = load_definitions(home)
    for job in (definitions.resolve_job_def(f"{sync}_{name}") for sync in _SYNCS for name in _JOBS):
        assert dg.validate_run_config(job, {})


def test_the_ui_shows_settings_and_no_secret(home: Home) -> None:
    resources = load_definitions(home).resources or {}
    shown = str({name: getattr(resource, "model_dump", dict)() for name, resource in resources.items()})
    assert "in-bucket" in shown
    assert "hyve-tests'" in shown
    assert "secret" not in shown.lower()


def test_the_code_location_of_the_installed_package_loads(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYVE_HOME", str(home.path))
    script = "from hyve_pipeline.definitions import defs; print(*(job.name for job in defs.resolve_all_job_defs()))"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert {f"{sync}_{name}" for sync in _SYNCS for name in _JOBS} <= set(finished.stdout.split())
