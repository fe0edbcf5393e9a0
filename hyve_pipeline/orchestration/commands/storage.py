"""Dagster's own storage on this machine, as a command wants it: kept open, and made at once.

Dagster's SQLite storage makes an engine for every statement, opens the database and closes it again. So each
statement is compiled anew and SQLite's write-ahead log is taken down and up: some 15 ms of CPU an event, of
which a run has sixty. Here a database stays open while it is used. What is written is the same, and the web
UI and the daemon, which use Dagster's own classes, see it at once.

Dagster takes such classes by its configuration. They build on classes that it keeps private, in this one
file; `open_instance` does without them where those are not as expected.
"""

import os
import sqlite3
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

import dagster as dg
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sql import get_alembic_config
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData

# Databases of single runs that stay open: those of the runs that go on, and of the one before.
_OPEN_RUNS = 4


class KeptOpenStorage(DagsterSqliteStorage):
    """What `DagsterSqliteStorage` is, in the same files."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        DagsterStorage.__init__(self)  # the class between would open its own
        self.base_dir = base_dir
        self._inst_data = inst_data
        history = Path(base_dir) / "history"
        self._run_storage = _Runs.opened(history)
        self._event_log_storage = _Events(str(history / "runs"))
        self._schedule_storage = _Schedules.opened(Path(base_dir) / "schedules")

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "KeptOpenStorage":
        """Make it as Dagster's configuration says."""
        return cls(inst_data=inst_data, **config_value)


def _engine(url: str) -> sa.Engine:
    # The default pool keeps connections; Dagster's own has none.
    return sa.create_engine(url, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})


class _KeptOpen:
    """Goes before one of Dagster's storages that have a single database, and keeps that open."""

    def __init__(self, conn_string: str, *arguments: Any) -> None:
        self._engine = _engine(conn_string)
        super().__init__(conn_string, *arguments)  # pyright: ignore[reportCallIssue] - of the class that comes next

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        self._engine.dispose()
        super().dispose()  # pyright: ignore[reportAttributeAccessIssue]


class _Runs(_KeptOpen, SqliteRunStorage):
    @classmethod
    def opened(cls, folder: Path) -> "_Runs":
        if _is_made(folder / "runs.db", "instance_info"):
            return cls(create_db_conn_string(str(folder), "runs"))
        return cls.from_local(str(folder))


class _Schedules(_KeptOpen, SqliteScheduleStorage):
    @classmethod
    def opened(cls, folder: Path) -> "_Schedules":
        url = create_db_conn_string(str(folder), "schedules")
        if not _is_made(folder / "schedules.db", "job_ticks"):
            SqliteScheduleStorage.from_local(str(folder)).dispose()
        return cls(url)


class _Events(sqlite_event_log.SqliteEventLogStorage):
    """Events: one database a run, and one, the index, for what is asked across runs."""

    def __init__(self, base_dir: str) -> None:
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()
        self._in_use = Lock()
        super().__init__(base_dir)

    def run_connection(self, run_id: str | None = None) -> AbstractContextManager[sa.Connection]:
        return self._connected(run_id or "")

    def index_connection(self) -> AbstractContextManager[sa.Connection]:
        return self._connected(sqlite_event_log.INDEX_SHARD_NAME)

    def dispose(self) -> None:
        with self._in_use:
            while self._engines:
                self._engines.popitem()[1].dispose()
        super().dispose()

    def _empty_run(self) -> bytes:
        """The database of a run without events, as this version of Dagster makes it.

        Kept beside the others: to make one takes reading all of Dagster's migrations.
        """
        kept = Path(self._base_dir).parent / f"empty-run-{dg.__version__}.db"
        with suppress(sqlite3.DatabaseError, FileNotFoundError):
            if _is_made(kept, "event_logs"):
                return kept.read_bytes()
        kept.unlink(missing_ok=True)
        made = _make_empty_run()
        _lay_down(kept, made)
        return made

    @contextmanager
    def _connected(self, shard: str) -> Iterator[sa.Connection]:
        # One at a time, as Dagster's own does it.
        with self._in_use, self._opened(shard).begin() as connection:
            yield connection

    def _opened(self, shard: str) -> sa.Engine:
        if shard in self._engines:
            self._engines.move_to_end(shard)
            return self._engines[shard]
        engine = _engine(self.conn_string_for_shard(shard))
        path = Path(self.path_for_shard(shard))
        if not path.exists():
            _lay_down(path, self._empty_run())
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        if not _is_made(path, "event_logs"):
            self._initdb(engine)
        self._engines[shard] = engine
        runs = [name for name in self._engines if name != sqlite_event_log.INDEX_SHARD_NAME]
        for name in runs[:-_OPEN_RUNS]:
            self._engines.pop(name).dispose()
        return engine


def _make_empty_run() -> bytes:
    with sa.create_engine("sqlite://").connect() as connection:
        SqlEventLogStorageMetadata.create_all(connection, checkfirst=False)
        migrations = ScriptDirectory.from_config(get_alembic_config(sqlite_event_log.__file__))
        MigrationContext.configure(connection).stamp(migrations, "head")
        connection.commit()
        memory = connection.connection.driver_connection
        assert isinstance(memory, sqlite3.Connection)  # noqa: S101 - it is what the URL asks for
        return memory.serialize()


def _lay_down(path: Path, content: bytes) -> None:
    """Make a file at once with all of its content, unless another process has made it or links are unknown here."""
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    with suppress(OSError):
        os.link(unfinished, path)
    unfinished.unlink()


def _is_made(path: Path, table: str) -> bool:
    """Whether a database has been made to its end: its tables, one of them `table`, and then its stamp."""
    if not path.exists():
        return False
    with closing(sqlite3.connect(path, timeout=SQLITE_BUSY_TIMEOUT_SECONDS)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {table, "alembic_version"} <= tables:
            return False
        return connection.execute("SELECT 1 FROM alembic_version").fetchone() is not None
