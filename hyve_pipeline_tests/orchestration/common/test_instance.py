"""Dagster's storage in a home: made once, opened by several at once, and named where it can't be used."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NoReturn

import dagster as dg
import pytest
from sqlalchemy.exc import OperationalError

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.common import instance as instances
from hyve_pipeline.orchestration.common.instance import open_instance


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return Home(tmp_path / "home")


@dg.job(executor_def=dg.in_process_executor)
def work() -> None:
    @dg.op
    def act() -> None: ...

    act()


def _count_runs(home: Home) -> int:
    with open_instance(home) as instance:
        return instance.get_runs_count()


def test_several_can_open_a_new_home_at_once(home: Home) -> None:
    with ProcessPoolExecutor(3) as pool:
        assert list(pool.map(_count_runs, [home] * 3)) == [0, 0, 0]


def test_what_a_person_has_configured_is_kept(home: Home) -> None:
    with open_instance(home):
        pass
    settings = home.dagster_home / "dagster.yaml"
    own = "compute_logs:\n  module: dagster._core.storage.noop_compute_log_manager\n  class: NoOpComputeLogManager\n"
    own += f"storage:\n  sqlite:\n    base_dir: {home.path / 'elsewhere'}\n"
    settings.write_text(settings.read_text() + own)
    with open_instance(home) as instance:
        assert type(instance.compute_log_manager).__name__ == "NoOpComputeLogManager"
        run_id = work.execute_in_process(instance=instance).run_id
    assert (home.path / "elsewhere" / "history" / "runs" / f"{run_id}.db").exists()


def test_a_database_that_does_not_answer_is_told_by_its_own_reason(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of `dagster_postgres`: the number of attempts, with the reason in its cause."""

    def fail(home: Home) -> NoReturn:
        refused = OperationalError("", {}, Exception('port 5432 failed:\nFATAL:  database "x" is not there\n'))
        raise RuntimeError("too many retries for DB connection") from refused

    monkeypatch.setattr(instances, "_opened", fail)
    with pytest.raises(StateError) as caught, open_instance(home):
        pass
    reason = 'port 5432 failed: FATAL: database "x" is not there'
    assert str(caught.value) == f"{home.dagster_home}: Dagster's storage can't be read or written: {reason}"
