"""The storage that commands use is Dagster's own, kept open: the same files, for others to read and to write."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import dagster as dg
import pytest
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy.exc import OperationalError

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.commands.instance import open_instance
from hyve_pipeline.orchestration.commands.output import CommandOutput
from hyve_pipeline.orchestration.commands.storage import KeptOpenStorage


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return Home(tmp_path / "home")


@pytest.fixture
def ours(home: Home) -> Iterator[dg.DagsterInstance]:
    with open_instance(home) as instance:
        yield instance


@pytest.fixture
def dagsters(ours: dg.DagsterInstance, home: Home) -> Iterator[dg.DagsterInstance]:
    """The same home as the web UI and the daemon open it, at the same time."""
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        yield instance


@dg.job(executor_def=dg.in_process_executor)
def work() -> None:
    @dg.op
    def act(context: dg.OpExecutionContext) -> None:
        context.log_event(dg.AssetMaterialization("result", metadata={"number": 7}))

    act()


def _storage_class(instance: dg.DagsterInstance) -> type[object]:
    return type(instance.get_ref().storage)


def _run_database(home: Home, run_id: str) -> Path:
    return home.dagster_home / "history" / "runs" / f"{run_id}.db"


def _content(path: Path) -> tuple[set[str], list[tuple[str]], str]:
    """What a database is made of: its tables and indexes, its migration, and how it writes."""
    with closing(sqlite3.connect(path)) as connection:
        made = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
        version = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return made, version, connection.execute("PRAGMA journal_mode").fetchone()[0]


def test_it_is_what_commands_open(ours: dg.DagsterInstance, dagsters: dg.DagsterInstance) -> None:
    assert _storage_class(ours) is KeptOpenStorage
    assert isinstance(ours.compute_log_manager, CommandOutput)
    assert _storage_class(dagsters) is DagsterSqliteStorage


def test_a_runs_database_is_as_dagster_makes_it(
    ours: dg.DagsterInstance, dagsters: dg.DagsterInstance, home: Home
) -> None:
    one = work.execute_in_process(instance=ours).run_id
    other = work.execute_in_process(instance=dagsters).run_id
    assert _content(_run_database(home, one)) == _content(_run_database(home, other))


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00 and then nothing", b"\x00" * 8192])
def test_a_damaged_template_of_a_runs_database_is_made_again(home: Home, content: bytes) -> None:
    template = home.dagster_home / "history" / f"empty-run-{dg.__version__}.db"
    with open_instance(home) as instance:
        work.execute_in_process(instance=instance)
    assert template.exists()
    template.write_bytes(content)
    with open_instance(home) as instance:
        run_id = work.execute_in_process(instance=instance).run_id
        assert len(instance.all_logs(run_id)) > 3
    assert _content(template)[:2] == _content(_run_database(home, run_id))[:2]


def test_each_sees_at_once_what_the_other_writes(ours: dg.DagsterInstance, dagsters: dg.DagsterInstance) -> None:
    for writer, reader in ((ours, dagsters), (dagsters, ours)) * 2:
        run_id = work.execute_in_process(instance=writer).run_id
        run = reader.get_run_by_id(run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.SUCCESS
        assert [event.message for event in reader.all_logs(run_id)] == [
            event.message for event in writer.all_logs(run_id)
        ]
        event = reader.get_latest_materialization_event(dg.AssetKey("result"))
        assert event is not None
        assert event.run_id == run_id


def test_a_database_that_another_process_had_begun_is_completed(ours: dg.DagsterInstance, home: Home) -> None:
    run = ours.create_run_for_job(work)
    _run_database(home, run.run_id).touch()
    assert ours.all_logs(run.run_id) == []
    made, version, _ = _content(_run_database(home, run.run_id))
    assert made
    assert version


def _open_files(home: Home) -> list[str]:
    targets = (str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.exists())
    return [target for target in targets if target.startswith(str(home.path))]


def test_few_databases_are_open_and_none_is_left_so(home: Home) -> None:
    with open_instance(home) as instance:
        for _ in range(5):
            work.execute_in_process(instance=instance)
        few = len(_open_files(home))
        for _ in range(10):
            work.execute_in_process(instance=instance)
        assert 0 < len(_open_files(home)) <= few
    assert _open_files(home) == []


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


def test_without_what_it_builds_on_dagsters_own_serves(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hyve_pipeline.orchestration.commands.storage", None)
    monkeypatch.setitem(sys.modules, "hyve_pipeline.orchestration.commands.output", None)
    with open_instance(home) as instance:
        assert _storage_class(instance) is DagsterSqliteStorage
        assert type(instance.compute_log_manager) is LocalComputeLogManager
        assert work.execute_in_process(instance=instance).success


def test_the_ui_says_that_nothing_was_captured(
    ours: dg.DagsterInstance, dagsters: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    @dg.op
    def speak() -> None:
        print("spoken")  # noqa: T201

    result = dg.GraphDefinition("speech", node_defs=[speak]).to_job().execute_in_process(instance=ours)
    assert capfd.readouterr().out == "spoken\n"
    captured = [event for event in result.all_events if event.event_type is dg.DagsterEventType.LOGS_CAPTURED]
    manager = dagsters.compute_log_manager
    assert isinstance(manager, LocalComputeLogManager)
    for event in captured:
        key = manager.build_log_key_for_run(result.run_id, event.logs_captured_data.file_key)
        assert manager.is_capture_complete(key)
        shown = manager.get_log_data(key)
        assert b"a command made this run" in (shown.stderr or b"")
        assert not shown.stdout
    assert len(captured) == 1


def test_a_database_that_does_not_answer_is_told_by_its_own_reason(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `dagster_postgres` tells it: how often it was asked, and why in the cause."""

    def fail(home: Home) -> NoReturn:
        refused = OperationalError("", {}, Exception('port 5432 failed:\nFATAL:  database "x" is not there\n'))
        raise RuntimeError("too many retries for DB connection") from refused

    monkeypatch.setattr("hyve_pipeline.orchestration.commands.instance._opened", fail)
    with pytest.raises(StateError) as caught, open_instance(home):
        pass
    reason = 'port 5432 failed: FATAL: database "x" is not there'
    assert str(caught.value) == f"{home.dagster_home}: Dagster's storage can't be read or written: {reason}"
