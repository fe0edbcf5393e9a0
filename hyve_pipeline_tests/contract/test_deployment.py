"""The settings of Dagster that are there to be copied: they load as they are, and runs go where they say."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage

from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.common.instance import open_instance
from hyve_pipeline.orchestration.definitions.build import build_sync
from hyve_pipeline_tests.postgresql import PostgreSql, postgresql_server
from hyve_pipeline_tests.syncs import Hyve, Pair

# They share a server.
pytestmark = pytest.mark.xdist_group("postgresql")

_DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSql]:
    with postgresql_server() as server:
        yield server


@pytest.fixture
def dagster_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "dagster_home"
    folder.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return folder


def use(name: str, dagster_home: Path) -> None:
    """Do what the first line of a file says."""
    shutil.copy(_DEPLOY / name / "dagster.example.yaml", dagster_home / "dagster.yaml")


def settings_of(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What an instance makes of its settings; each of its parts is made for it."""
    assert all((instance.run_launcher, instance.scheduler, instance.compute_log_manager))
    coordinator = instance.run_coordinator
    assert isinstance(coordinator, QueuedRunCoordinator)
    concurrency = instance.get_concurrency_config()
    queue = concurrency.run_queue_config
    assert queue is not None
    return {
        "runs": queue.max_concurrent_runs,
        "limits": queue.tag_concurrency_limits,
        "interval": coordinator.dequeue_interval_seconds,
        "threads": coordinator.dequeue_use_threads,
        "pools": concurrency.pool_config.pool_granularity,
        "monitored": instance.run_monitoring_enabled,
        "retries": (instance.run_retries_enabled, instance.run_retries_max_retries),
        "telemetry": instance.telemetry_enabled,
    }


def test_both_files_differ_in_their_storage_alone() -> None:
    one, other = (
        yaml.safe_load((_DEPLOY / name / "dagster.example.yaml").read_text()) for name in ("one_machine", "postgresql")
    )
    assert set(other) - set(one) == {"storage"}
    assert {name: value for name, value in other.items() if name != "storage"} == one


def test_the_settings_for_one_machine_mean_what_they_say(dagster_home: Path) -> None:
    use("one_machine", dagster_home)
    with dg.DagsterInstance.get() as instance:
        settings = settings_of(instance)
        assert isinstance(instance.event_log_storage, SqliteEventLogStorage)
        assert settings.pop("pools").value == "run"
        assert settings == {
            "runs": 4,
            "limits": [{"key": "hyve/sync", "value": {"applyLimitPerUniqueValue": True}, "limit": 3}],
            "interval": 1,
            "threads": True,
            "monitored": True,
            "retries": (True, 0),
            "telemetry": False,
        }


def _dryrun(pair: Pair, instance: dg.DagsterInstance) -> bool:
    sync = pair.context()
    job = build_sync(sync.home, sync.settings).resolve_job_def("images_dryrun")
    return job.execute_in_process(instance=instance).success


def test_runs_are_kept_in_postgresql(
    postgresql: PostgreSql, dagster_home: Path, pair: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("postgresql", dagster_home)
    for name, value in postgresql.environment.items():
        monkeypatch.setenv(name, value)
    pair.source.put({"a": b"1"})
    with open_instance(Home(pair.home)) as instance:
        assert settings_of(instance)["runs"] == 4
        assert _dryrun(pair, instance)
    with sa.create_engine(postgresql.url).connect() as connection:
        runs = connection.exec_driver_sql("SELECT pipeline_name, status FROM runs").all()
        assert [tuple(run) for run in runs] == [("images_dryrun", "SUCCESS")]
        plans = 'SELECT count(*) FROM event_logs WHERE asset_key = \'["images", "plan"]\''
        assert connection.exec_driver_sql(plans).scalar_one() > 0
    assert list(dagster_home.rglob("*.db")) == []
    assert hyve("copy").code == 0
    assert pair.store.read() == {"a": b"1"}


def test_a_password_that_is_missing_is_told_in_one_line(
    postgresql: PostgreSql, dagster_home: Path, pair: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("postgresql", dagster_home)
    for name, value in postgresql.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DAGSTER_PG_PASSWORD")
    told = hyve("ui", "--no-browser", "--port", "0").only_line
    needed = "needs the environment variable DAGSTER_PG_PASSWORD, which is not set"
    assert told == f"hyve: {dagster_home / 'dagster.yaml'}: {needed}"
