"""A sync as a component of somebody's own project, with translated assets, in Dagster's own web UI."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, expect

from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline_tests.contract.test_dg import make_project
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.pages import variables_of
from hyve_pipeline_tests.processes import descendants, run_hyve
from hyve_pipeline_tests.servers import REGION, client_for, put_objects
from hyve_pipeline_tests.syncs import sync_table

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]

# In a project of its own, each step of a run is a process, which a busy machine starts slowly.
_SECONDS = 240
_BUCKETS = ("component-source", "component-store")


@pytest.fixture
def project(tmp_path: Path, faulty: FaultyServer) -> Path:
    """A project whose sync is called `images`, with a home of its own."""
    client = client_for(faulty.endpoint_url)
    for bucket in _BUCKETS:
        client.create_bucket(Bucket=bucket)
    put_objects(client, _BUCKETS[0], {f"photos/{number}": b"new" for number in range(7)})
    source, store = ({"bucket": name, "region": REGION, "endpoint_url": faulty.endpoint_url} for name in _BUCKETS)
    translation = {"key": "media/{{ sync }}_{{ name }}", "group_name": "media", "description": "{{ name }} of #media"}
    attributes = {"source": source, "store": store, "home": ".hyve", "translation": translation}
    folder = make_project(tmp_path / "project")
    # Without the dialog that greets newcomers.
    (folder / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    images = folder / "shop" / "defs" / "images"
    images.mkdir()
    (images / "defs.yaml").write_text(
        yaml.safe_dump({"type": "hyve_pipeline.BucketSync", "attributes": attributes}, sort_keys=False)
    )
    return folder


@pytest.fixture
def url(project: Path) -> Iterator[str]:
    """The URL of the project's UI, with its daemon."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = str(project / "home")
    with (project / "dagster.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-m", "shop.definitions", "-h", "127.0.0.1", "-p", str(port)],
            cwd=project,
            env=os.environ | variables_of(project / ".hyve") | {"DAGSTER_HOME": home, "PYTHONPATH": str(project)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _await_answer(f"http://127.0.0.1:{port}/server_info", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        children = descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            # Dagster's command waits for its own processes, and does not always get to the end.
            for pid in (process.pid, *children):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()


def _await_answer(address: str, process: "subprocess.Popen[bytes]") -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with opener.open(address):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    pytest.fail(f"{address} does not answer")


def test_a_translated_sync_is_run_and_its_commands_are_reported(
    chromium: Browser, url: str, project: Path, faulty: FaultyServer, tmp_path: Path
) -> None:
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(_SECONDS * 1_000)
    try:
        page.goto(f"{url}/locations/shop.definitions/asset-groups/media/lineage")
        for name in ("images_source", "images_new", "images_plan", "images_store"):
            expect(page.get_by_text(name, exact=True).first).to_be_visible()
        page.get_by_role("button", name="Materialize all").click()
        expect(page.get_by_text("Launched run").first).to_be_visible()
        page.goto(f"{url}/runs")
        expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=_SECONDS * 1_000)
        page.goto(f"{url}/assets/media/images_plan?view=events")
        expect(page.get_by_text("size to copy").first).to_be_visible()
        page.screenshot(path=tmp_path / "plan.png")
        # What a command does in the component's home is reported under the same keys.
        places = yaml.safe_load((project / "shop" / "defs" / "images" / "defs.yaml").read_text())["attributes"]
        (project / ".hyve" / "hyve.toml").write_text(_table_of(places))
        synced = run_hyve("sync", variables=variables_of(project / ".hyve"))
        assert synced.returncode == 0, synced.stderr
        page.goto(f"{url}/assets/media/images_verification?view=events")
        expect(page.get_by_text("hyve sync").first).to_be_visible(timeout=_SECONDS * 1_000)
        page.goto(f"{url}/assets/media/images_verification?view=overview")
        expect(page.get_by_text("verification of #media").first).to_be_visible()
    finally:
        page.screenshot(path=tmp_path / "at_the_end.png")
        context.close()


def _table_of(places: dict[str, dict[str, str]]) -> str:
    return sync_table(
        "images", BucketSettings.model_validate(places["source"]), BucketSettings.model_validate(places["store"])
    )
