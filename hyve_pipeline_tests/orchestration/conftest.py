"""A daemon that ticks on demand."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster.components.core import package_entry, snapshot
from sqlalchemy import Engine, QueuePool, create_engine, event

from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline.orchestration.common.instance import open_instance
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.definitions.build import build_sync
from hyve_pipeline.state.liveness import RunSign
from hyve_pipeline_tests.syncs import NAME, Pair


@pytest.fixture(scope="session", autouse=True)
def hasty_storage() -> Iterator[None]:
    """Dagster's SQLite does not wait for the disk at each of its many commits: no test pulls the plug.

    Nor are engines and connections made anew for each statement, the scripts of Dagster's migrations loaded anew for
    the database of each run, and all installed components described anew for each project: all take longer than most
    of what is tested.
    """

    def hurry(connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    load, known = ScriptDirectory.from_config, dict[tuple[object, object], ScriptDirectory]()

    def load_once(config: Config) -> ScriptDirectory:
        key = config.config_file_name, config.get_main_option("script_location")
        if key not in known:
            known[key] = load(config)
        return known[key]

    event.listen(Engine, "connect", hurry)

    def engine_of(url: str, **settings: Any) -> Engine:
        if url not in _engines:
            engine = create_engine(url, **(settings | {"poolclass": QueuePool}))
            _engines[url] = engine, engine.dispose
            # Dagster does so after each statement.
            engine.dispose = lambda close=True: None
        return _engines[url][0]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ScriptDirectory, "from_config", load_once)
        find = package_entry.discover_entry_point_package_objects
        patched.setattr(package_entry, "discover_entry_point_package_objects", cache(find))
        patched.setattr(snapshot, "get_package_entry_snap", cache(snapshot.get_package_entry_snap))
        for module in (sqlite_run_storage, sqlite_event_log):
            patched.setattr(module, "create_engine", engine_of)
        yield
    event.remove(Engine, "connect", hurry)


# One for each database of Dagster that a test uses, and what closes its connections.
_engines: dict[str, tuple[Engine, Callable[[], None]]] = {}


@pytest.fixture(autouse=True)
def closed_databases() -> Iterator[None]:
    """Closes Dagster's databases after each test."""
    yield
    close_databases()


def close_databases() -> None:
    while _engines:
        _, dispose = _engines.popitem()[1]
        dispose()


@pytest.fixture(scope="session")
def empty_dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dagster's storage without any run: to make its tables takes a second."""
    home = Home(tmp_path_factory.mktemp("empty"))
    with open_instance(home):
        pass
    close_databases()
    return home.path / "dagster"


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """Why the one step of a run failed that did."""
    assert not result.success
    (event,) = (event for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_FAILURE)
    data = event.step_failure_data.user_failure_data
    return (data.description or "") if data is not None else str(event.step_failure_data.error)


class Sign(RunSign):
    """A sign of life whose end can be put back in time."""

    def end(self, *, seconds_ago: float = 0.0) -> None:
        super().end()
        if self.path is None:
            if seconds_ago:
                pytest.skip("no file in a bucket can be made older")
            return
        then = time.time() - seconds_ago
        os.utime(self.path, (then, then))


@dataclass
class Daemon:
    """Evaluates sensors as Dagster's daemon does, and makes the runs that they ask for, at once and one by one."""

    instance: dg.DagsterInstance
    home: Home
    made: list[str] = field(default_factory=list)
    cursors: dict[str, str | None] = field(default_factory=dict)
    sensors: dict[str, dg.SensorDefinition] = field(default_factory=dict)  # in place of the sync's own
    _built: tuple[SyncSettings, dg.Definitions] | None = None

    @property
    def definitions(self) -> dg.Definitions:
        """The sync's definitions by its present settings; building them takes as long as many a run."""
        settings = self.sync.settings
        if self._built is None or self._built[0] != settings:
            self._built = settings, build_sync(self.home, settings)
        return self._built[1]

    @property
    def names(self) -> Names:
        return Names(NAME, self.home.id)

    @property
    def sync(self) -> SyncContext:
        return SyncContext.choose(self.home, NAME)

    def evaluate(self, sensor: str) -> tuple[list[dg.RunRequest], str]:
        """Evaluate a sensor: its run requests, and its skip reason."""
        definition = self.sensors.get(sensor) or self.definitions.resolve_sensor_def(f"{NAME}_{sensor}_sensor")
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursors.get(sensor), definitions=self.definitions
        )
        result = definition(context)
        self.cursors[sensor] = context.cursor
        if isinstance(result, dg.SkipReason):
            return [], result.skip_message or ""
        if isinstance(result, dg.SensorResult):
            self._store(result)
            self.cursors[sensor] = result.cursor if result.cursor is not None else context.cursor
            reason = result.skip_reason
            said = reason.skip_message if isinstance(reason, dg.SkipReason) else reason
            return list(result.run_requests or []), said or ""
        assert isinstance(result, dg.RunRequest)
        return [result], ""

    def _store(self, result: dg.SensorResult) -> None:
        """Store what a sensor reports, in the order that the daemon has."""
        for told in result.asset_events:
            self.instance.report_runless_asset_event(told)
        for request in result.dynamic_partitions_requests or ():
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                self.instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
            else:
                for key in request.partition_keys:
                    self.instance.delete_dynamic_partition(request.partitions_def_name, key)

    def tick(self, sensor: str = "apply") -> tuple[list[str], str]:
        """Evaluate a sensor and make the runs: the run keys, and the sensor's skip reason."""
        requests, reason = self.evaluate(sensor)
        for request in requests:
            assert request.run_key is not None
            # Dagster makes no second run for a key.
            if request.run_key not in self.made:
                self.made.append(request.run_key)
                self.run(
                    request.job_name or f"{NAME}_{sensor}", request.partition_key, request.tags, request.run_config
                )
        return [str(request.run_key) for request in requests], reason

    def begin(
        self, job: str, status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED, /, **tags: str
    ) -> dg.DagsterRun:
        """A run that has begun elsewhere, or is about to."""
        definition = self.definitions.resolve_job_def(job)
        run = self.instance.create_run_for_job(definition, tags={**definition.run_tags, **tags})
        self._update(run, status=status.value)  # by itself, Dagster queues only what a code server can run
        return run

    def put_back(self, run: dg.DagsterRun, minutes: float) -> None:
        """Let a run have been made, and changed last, so long ago."""
        then = (datetime.now(UTC) - timedelta(minutes=minutes)).replace(tzinfo=None).isoformat(sep=" ")
        self._update(run, create_timestamp=then, update_timestamp=then)

    def _update(self, run: dg.DagsterRun, **columns: str) -> None:
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        file = Path(self.instance.root_directory) / "history" / "runs.db"
        with closing(sqlite3.connect(file, timeout=30)) as database, database:
            changed = database.execute(f"UPDATE runs SET {changes} WHERE run_id = :id", {"id": run.run_id, **columns})
            assert changed.rowcount == 1

    def sign_of(self, run: dg.DagsterRun) -> Sign:
        """The sign of life of a run that is in progress, until it is ended."""
        sign = Sign(self.sync.state, run.run_id)
        sign.begin()
        return sign

    def status_of(self, run: dg.DagsterRun) -> dg.DagsterRunStatus:
        found = self.instance.get_run_by_id(run.run_id)
        assert found is not None
        return found.status

    def run(
        self,
        job: str,
        partition: str | None = None,
        tags: Mapping[str, str] | None = None,
        run_config: Mapping[str, Any] | None = None,
    ) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=partition,
            tags=tags,
            run_config=run_config,
            raise_on_error=False,
        )


@pytest.fixture
def make_daemon(empty_dagster_home: Path) -> Iterator[Callable[[Pair], Daemon]]:
    """Opens Dagster's storage of a sync for a daemon; closed at the end."""
    with ExitStack() as stack:

        def make(pair: Pair) -> Daemon:
            home = Home(pair.home)
            if not home.dagster_home.exists():
                shutil.copytree(empty_dagster_home, home.dagster_home)
            return Daemon(stack.enter_context(open_instance(home)), home)

        yield make
