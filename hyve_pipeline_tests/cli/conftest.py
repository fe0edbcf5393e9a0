"""The command line in this process, and syncs to use it on."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from hyve_pipeline.cli.main import run
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.faults import FaultyServer, faulty_server
from hyve_pipeline_tests.syncs import Finished, Hyve, MakePair, Pair, new_pair


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests is seen."""
    for name in ("DAGSTER_HOME", "NO_COLOR", "FORCE_COLOR", "HYVE_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session", autouse=True)
def hasty_storage() -> Iterator[None]:
    """Dagster's SQLite does not wait for the disk at each of its many commits: no test pulls the plug."""

    def hurry(connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", hurry)
    yield
    event.remove(Engine, "connect", hurry)


@pytest.fixture(scope="session")
def empty_dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dagster's storage as the first command leaves it, without any run: to make its tables takes a second."""
    from hyve_pipeline.operations.context import Home
    from hyve_pipeline.orchestration.commands.instance import open_instance

    home = Home(tmp_path_factory.mktemp("empty"))
    with open_instance(home):
        return home.path / "dagster"


@pytest.fixture
def make_pair(
    tmp_path: Path, make_place: MakePlace, empty_dagster_home: Path, monkeypatch: pytest.MonkeyPatch
) -> MakePair:
    """Makes a sync whose home is the one that commands use by default."""

    def make(
        *,
        endpoint_url: str | None = None,
        through: FaultyServer | None = None,
        prefixes: tuple[str, str] = ("", ""),
        versioned: bool = False,
        **options: Any,
    ) -> Pair:
        home = tmp_path / "home"
        pair = new_pair(
            make_place, home, endpoint_url=endpoint_url, through=through, prefixes=prefixes, versioned=versioned
        )
        pair.configure(**options)
        shutil.copytree(empty_dagster_home, home / "dagster")
        monkeypatch.setenv("HYVE_HOME", str(home))
        return pair

    return make


@pytest.fixture
def pair(make_pair: MakePair) -> Pair:
    """A sync with shards of 5 objects, so that a few objects are several runs."""
    return make_pair(shard_objects=5)


@pytest.fixture
def hyve(capfd: pytest.CaptureFixture[str]) -> Hyve:
    """Runs commands in this process: a child of its own takes seconds to import everything."""

    def hyve(*arguments: str) -> Finished:
        capfd.readouterr()
        code = run(arguments)
        captured = capfd.readouterr()
        return Finished(code, captured.out, captured.err)

    return hyve


@pytest.fixture
def faulty(moto_endpoint: str) -> Iterator[FaultyServer]:
    """A proxy before moto's server."""
    with faulty_server(moto_endpoint) as server:
        yield server
