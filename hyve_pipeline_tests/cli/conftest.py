"""The command line in this process, and syncs to use it on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hyve_pipeline.cli.main import run
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.faults import FaultyServer, faulty_server
from hyve_pipeline_tests.syncs import Finished, Hyve, MakePair, Pair, new_pair


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hides the settings of the user who runs the tests."""
    for name in ("DAGSTER_HOME", "NO_COLOR", "FORCE_COLOR", "HYVE_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make_pair(tmp_path: Path, make_place: MakePlace, monkeypatch: pytest.MonkeyPatch) -> MakePair:
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
