"""One web UI for all of these tests, in which each has a sync of its own."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.demo.server import EmbeddedServer
from hyve_pipeline_tests.faults import FaultyServer, faulty_server
from hyve_pipeline_tests.pages import Page as Answers
from hyve_pipeline_tests.pages import running_ui, variables_of
from hyve_pipeline_tests.processes import run_hyve
from hyve_pipeline_tests.servers import REGION, client_for, put_objects
from hyve_pipeline_tests.syncs import Bucket, sync_table

# A sync for each test; names must be known before the UI loads them.
# One of them is synchronized by a command before there is any UI.
SYNCED_BEFORE = "before"
SYNCS = ("graph", "plan", "fresh", "launch", "shards", "switch", "gate", SYNCED_BEFORE, "after")

# What a browser does on its own account would only disturb.
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
# A name that leads to this machine without being one of its own.
_ARGUMENTS.append("--host-resolver-rules=MAP rebound.example 127.0.0.1")
_PATIENCE = 120_000  # milliseconds

_AUTOMATION = """
[sync.{name}]
apply = "all"
[sync.{name}.automation]
interval_seconds = 1
"""


@dataclass(frozen=True)
class Desk:
    """A person's place: the UI in a browser, and the buckets of one sync.

    Attributes:
        name: the sync's.
        page: a page of the browser.
        answers: the same UI, asked without a browser.
        source, store: the buckets.
        faulty: the proxy that all requests to the buckets go through.
    """

    name: str
    page: Page
    answers: Answers
    source: Bucket
    store: Bucket
    faulty: FaultyServer

    def open(self, path: str) -> Page:
        """Open a page of the UI."""
        self.page.goto(f"{self.answers.url}{path}")
        return self.page

    def job(self, job: str, tab: str) -> Page:
        """Open a tab of one of the sync's jobs."""
        return self.open(f"/locations/hyve_pipeline/jobs/{self.name}_{job}/{tab}")

    def runs(self) -> list[dict[str, str]]:
        """The sync's runs, newest first, with id and status."""
        data = self.answers.ask(
            "query($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results { runId status } } } }",
            filter={"tags": [{"key": "hyve/sync", "value": self.name}]},
        )
        return data["runsOrError"]["results"]

    def hyve(self, command: str) -> None:
        """Run a command for this sync."""
        finished = run_hyve(command, "--sync", self.name, variables=self.answers.variables)
        assert finished.returncode == 0, finished.stderr


def _find_chromium() -> str:
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.fail("these tests need a Chromium: install Debian's chromium, or name one by CHROMIUM")
    return found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_find_chromium(), args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def faulty() -> Iterator[FaultyServer]:
    with EmbeddedServer() as server, faulty_server(server.endpoint_url) as faulty:
        client = client_for(server.endpoint_url)
        for name in SYNCS:
            client.create_bucket(Bucket=f"{name}-source")
            client.create_bucket(Bucket=f"{name}-store")
        yield faulty


def _place(bucket: str, endpoint_url: str) -> BucketSettings:
    return BucketSettings(bucket=bucket, region=REGION, endpoint_url=endpoint_url)


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory, faulty: FaultyServer) -> Iterator[Answers]:
    home = tmp_path_factory.mktemp("browser") / "home"
    home.mkdir()
    tables = [
        sync_table(
            name,
            _place(f"{name}-source", faulty.endpoint_url),
            _place(f"{name}-store", faulty.endpoint_url),
            shard_objects=5,
        )
        + _AUTOMATION.format(name=name)
        for name in SYNCS
    ]
    (home / "hyve.toml").write_text("".join(tables))
    variables = variables_of(home)
    client = client_for(faulty.endpoint_url)
    put_objects(client, f"{SYNCED_BEFORE}-source", {f"photos/{number}": b"new" for number in range(7)})
    put_objects(client, f"{SYNCED_BEFORE}-store", {"gone": b"1"})
    synced = run_hyve("sync", "--sync", SYNCED_BEFORE, variables=variables)
    assert synced.returncode == 0, synced.stderr
    with running_ui(home, variables) as page:
        yield page


@pytest.fixture
def desk(
    request: pytest.FixtureRequest, chromium: Browser, answers: Answers, faulty: FaultyServer, tmp_path: Path
) -> Iterator[Desk]:
    """The sync that the test's mark `sync` names; what was on the screen at the end is kept in the test's folder."""
    mark = request.node.get_closest_marker("sync")
    assert mark is not None
    (name,) = mark.args
    server = client_for(faulty.endpoint_url).meta.endpoint_url
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(_PATIENCE)
    page.goto(answers.opening_url)
    source, store = (Bucket(_place(f"{name}-{side}", faulty.endpoint_url), server) for side in ("source", "store"))
    try:
        yield Desk(name, page, answers, source, store, faulty)
    finally:
        page.screenshot(path=tmp_path / "at_the_end.png")
        context.close()
