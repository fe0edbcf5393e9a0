"""Which runs are closed, and which are not, by whichever sensor comes next."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.common.liveness import GOING_ON, Graces, close_dead_runs
from hyve_pipeline.orchestration.common.names import HOME_TAG
from hyve_pipeline.state.liveness import RunSign
from hyve_pipeline_tests.orchestration.conftest import Daemon
from hyve_pipeline_tests.syncs import Pair

MakeDaemon = Callable[[Pair], Daemon]

_AT_ONCE = Graces(*[timedelta(seconds=-1)] * 4)


@pytest.fixture
def daemon(pair: Pair, make_daemon: MakeDaemon) -> Daemon:
    return make_daemon(pair)


def close(daemon: Daemon, graces: Graces | None = None) -> list[str]:
    return close_dead_runs(daemon.instance, daemon.sync, daemon.names, graces)


def test_whatever_counts_as_going_on_is_closed_when_it_never_began(daemon: Daemon) -> None:
    for status in GOING_ON:
        if status is dg.DagsterRunStatus.QUEUED:
            continue
        run = daemon.begin("images_dryrun", status)
        daemon.put_back(run, 4)
        assert close(daemon) == [], "it may be about to be submitted"
        daemon.put_back(run, 16)
        assert close(daemon) == [run.run_id]
        canceled = status is dg.DagsterRunStatus.CANCELING
        assert daemon.status_of(run) is (dg.DagsterRunStatus.CANCELED if canceled else dg.DagsterRunStatus.FAILURE)


def test_a_run_in_the_queue_is_the_queues(daemon: Daemon) -> None:
    run = daemon.begin("images_dryrun", dg.DagsterRunStatus.QUEUED)
    daemon.put_back(run, 600)
    assert close(daemon, _AT_ONCE) == []


@pytest.mark.local_state
def test_a_run_that_was_killed_with_its_server_is_closed_on_this_machine_in_a_minute(daemon: Daemon) -> None:
    run = daemon.begin("images_dryrun")
    sign = daemon.sign_of(run)
    assert close(daemon, _AT_ONCE) == [], "its lock is held"
    sign.end(seconds_ago=30)
    assert close(daemon) == [], "its last step has ended, and its last event may be yet to come"
    sign.end(seconds_ago=90)
    assert close(daemon) == [run.run_id]


@pytest.mark.local_state
def test_a_run_of_another_machine_is_closed_by_its_last_touch(daemon: Daemon) -> None:
    run = daemon.begin("images_dryrun")
    sign = daemon.sign_of(run)
    sign.end()
    assert sign.path is not None
    sign.path.write_text("0a1b2c3d-another-boot\n")
    sign.end(seconds_ago=90)
    assert close(daemon) == []
    sign.end(seconds_ago=300)
    assert close(daemon) == [run.run_id]


def test_runs_of_another_home_are_left_alone(daemon: Daemon, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        # Homes that share a state in a bucket are one.
        patched.delenv("HYVE_STATE", raising=False)
        other = Home(tmp_path / "other").id
    assert other != daemon.home.id
    run = daemon.begin("images_dryrun")
    daemon.instance.add_run_tags(run.run_id, {HOME_TAG: other})
    assert close(daemon, _AT_ONCE) == []


def test_a_run_keeps_its_sign_while_it_goes_on(pair: Pair, daemon: Daemon) -> None:
    """Also a run of assets that were chosen in the UI, which is of no job of the sync."""
    pair.source.put({"a": b"1"})
    job = daemon.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=daemon.instance, asset_selection=[daemon.names.inventory("source")], raise_on_error=True
    )
    run = daemon.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert {**daemon.names.job_tags}.items() <= run.tags.items()
    (sign,) = (name for name in daemon.sync.state.names("runs") if name.endswith(".alive"))
    assert sign == f"{result.run_id}.alive"


def test_every_sensor_closes_them(daemon: Daemon) -> None:
    for sensor in ("apply", "alert", "retention"):
        run = daemon.begin("images_dryrun")
        daemon.sign_of(run).end(seconds_ago=300)
        daemon.tick(sensor)
        assert daemon.status_of(run) is dg.DagsterRunStatus.FAILURE


def test_the_schedule_closes_them_and_goes_on(pair: Pair, make_daemon: MakeDaemon) -> None:
    with (pair.home / "hyve.toml").open("a") as file:
        file.write('[sync.images]\nschedule = "0 2 * * *"\n')
    daemon = make_daemon(pair)
    schedule = daemon.definitions.resolve_schedule_def("images_dryrun_schedule")
    run = daemon.begin("images_dryrun")
    sign = daemon.sign_of(run)
    assert isinstance(schedule(dg.build_schedule_context(daemon.instance)), dg.SkipReason)
    sign.end(seconds_ago=300)
    assert isinstance(schedule(dg.build_schedule_context(daemon.instance)), dg.RunRequest)


@pytest.mark.parametrize("state_kind", ["s3"], indirect=True)
def test_a_run_whose_heartbeats_in_a_bucket_stop_is_closed_on_any_host(daemon: Daemon) -> None:
    graces = Graces(other_system=timedelta(seconds=4))
    run = daemon.begin("images_dryrun")
    sign = RunSign(daemon.sync.state, run.run_id, beat=0.2)
    sign.begin()
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        assert close(daemon, graces) == []
        time.sleep(0.5)
    sign.end()
    assert close(daemon, graces) == [], "its last step has ended, and its last event may be yet to come"
    deadline = time.monotonic() + 60
    while not (closed := close(daemon, graces)):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert closed == [run.run_id]
    assert daemon.status_of(run) is dg.DagsterRunStatus.FAILURE
