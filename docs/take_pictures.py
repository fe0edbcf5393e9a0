"""Takes the pictures of the web UI that the README shows, and puts them into ``docs/pictures``.

    .venv/bin/python -m pip install -c constraints.txt -e '.[browser]'
    .venv/bin/python docs/take_pictures.py --browser /usr/bin/chromium

It fills an embedded S3 server with 1,500 source and 1,200 store objects, runs commands on it, and looks at what
came of them. No page is taken before what the picture is about is there.
"""

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Locator, Page, sync_playwright

from hyve_pipeline.demo.buckets import (
    SOURCE_BUCKET,
    STORE_BUCKET,
    open_client,
    put_images,
    wait_for_next_second,
)
from hyve_pipeline.demo.home import claimed_home, configure, own_environment
from hyve_pipeline.demo.images import make_album
from hyve_pipeline.demo.server import EmbeddedServer
from hyve_pipeline.orchestration.ui.access_token import bearer

PICTURES = Path(__file__).parent / "pictures"

# What a browser does on its own account would only disturb.
BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAVIGATION_WIDTH = 240  # pixels
WIDTH = 1160
PATIENCE = 60_000  # milliseconds


def fill_buckets(endpoint_url: str) -> None:
    """Make the buckets: 400 new, 200 modified, 100 duplicate and 900 unchanged objects."""
    client = open_client(endpoint_url)
    for bucket in (SOURCE_BUCKET, STORE_BUCKET):
        client.create_bucket(Bucket=bucket)
    unchanged = [*make_album("albums/2023", "JPEG", 500), *make_album("avatars", "PNG", 400)]
    put_images(client, SOURCE_BUCKET, unchanged)
    put_images(client, STORE_BUCKET, unchanged)
    put_images(client, STORE_BUCKET, make_album("albums/2024", "JPEG", 200))
    put_images(client, STORE_BUCKET, make_album("drafts", "PNG", 100))
    wait_for_next_second()
    put_images(client, SOURCE_BUCKET, make_album("albums/2024", "JPEG", 200, edition=2))
    put_images(client, SOURCE_BUCKET, make_album("albums/2025", "JPEG", 280))
    put_images(client, SOURCE_BUCKET, make_album("thumbnails", "PNG", 120))


def run_hyve(command: str) -> None:
    """Run one command to its end; it must succeed."""
    subprocess.run([sys.executable, "-m", "hyve_pipeline", command], check=True)  # noqa: S603 - our own


@contextmanager
def running_ui() -> Iterator[str]:
    """The URL that opens the web UI, which runs until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hyve_pipeline", "ui", "--port", "0", "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        if not line.startswith("Dagster UI: "):
            raise RuntimeError("the web UI did not start")
        yield line.removeprefix("Dagster UI: ").split()[0]
    finally:
        process.terminate()
        process.wait()


class Photographer:
    """Opens pages of the UI and takes their pictures, without the navigation at their left.

    Args:
        page: a browser's page.
        opening_url: opens the UI; it has the token.
    """

    def __init__(self, page: Page, opening_url: str) -> None:
        self.page = page
        self.page.goto(opening_url)
        self._url = opening_url.partition("/?")[0]
        self._height = 0

    def dismiss_greeting(self) -> None:
        """Close what Dagster shows to those who open it for the first time, if it does."""
        self.page.goto(f"{self._url}/deployment")
        with suppress(Error):
            self.page.get_by_role("button", name="Skip").click(timeout=20_000)

    def open(self, path: str, height: int, sight: Locator) -> None:
        """Open a page and wait for what there is to see.

        Args:
            path: the page, below the UI.
            height: of the picture, in pixels.
            sight: what must be visible.
        """
        self._height = height
        self.page.set_viewport_size({"width": NAVIGATION_WIDTH + WIDTH, "height": height})
        self.page.goto(f"{self._url}{path}")
        sight.first.wait_for()

    def take(self, name: str) -> None:
        """Take the picture of the page as it is, when nothing moves on it any more."""
        self.page.mouse.move(2, self._height - 2)
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_timeout(3_000)
        path = PICTURES / f"{name}.png"
        self.page.screenshot(path=path, clip={"x": NAVIGATION_WIDTH, "y": 0, "width": WIDTH, "height": self._height})
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 1000:.0f} kB\n")


def ask(opening_url: str, query: str, **variables: object) -> dict[str, Any]:
    """Ask the UI's server by GraphQL; the answer's data."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    url, _, token = opening_url.partition("/?token=")
    headers = {"Content-Type": "application/json", **bearer(token)}
    request = urllib.request.Request(f"{url}/graphql", body, headers)  # noqa: S310 - ours
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - likewise
        return json.load(answer)["data"]


_REPOSITORY = {"repositoryLocationName": "hyve_pipeline", "repositoryName": "__repository__"}


def do_dryrun(url: str) -> None:
    """Launch a dryrun in the UI; it must succeed."""
    launched = ask(
        url,
        "mutation($execution: ExecutionParams!) { launchRun(executionParams: $execution) "
        "{ ... on LaunchRunSuccess { run { runId } } } }",
        execution={
            "selector": {**_REPOSITORY, "jobName": "images_dryrun"},
            "runConfigData": {},
            "mode": "default",
        },
    )
    status = ""
    while status != "SUCCESS":
        time.sleep(1)
        run = ask(
            url,
            "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }",
            id=launched["launchRun"]["run"]["runId"],
        )
        status = run["runOrError"]["status"]
        if status in ("FAILURE", "CANCELED"):
            raise RuntimeError(f"the dryrun ended as {status}")


def do_shards(url: str, home: Path, count: int) -> None:
    """Let the UI do the first copy shards of the only plan, as its "Launch backfill" does."""
    (plan,) = (folder.name for folder in (home / "state" / "images" / "plans").iterdir())
    launched = ask(
        url,
        "mutation($backfill: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $backfill) "
        "{ ... on LaunchBackfillSuccess { backfillId } } }",
        backfill={
            "selector": {"repositorySelector": _REPOSITORY, "partitionSetName": "images_copy_partition_set"},
            "partitionNames": [f"{plan}-{number:04d}" for number in range(1, count + 1)],
        },
    )
    status = ""
    while status != "COMPLETED_SUCCESS":
        time.sleep(1)
        backfill = ask(
            url,
            "query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }",
            id=launched["launchPartitionBackfill"]["backfillId"],
        )
        status = backfill["partitionBackfillOrError"]["status"]
        if status in ("FAILED", "CANCELED", "COMPLETED_FAILED"):
            raise RuntimeError(f"the backfill ended as {status}")


def picture_plan(camera: Photographer) -> None:
    """What a person decides by: the newest plan's figures, and one of its pictures."""
    page = camera.page
    camera.open("/assets/images/plan?view=events", 1080, page.get_by_text("size to copy"))
    camera.take("plan")
    page.get_by_text("[Show Markdown]").first.click()
    dialog = page.get_by_role("dialog")
    dialog.locator("img").first.wait_for()
    page.wait_for_timeout(1_000)
    dialog.screenshot(path=PICTURES / "plan_by_prefix.png")


def picture_launchpad(camera: Photographer) -> None:
    """The Launchpad as a dryrun fills it, with some of it changed."""
    page = camera.page
    camera.open("/locations/hyve_pipeline/jobs/images_dryrun/playground", 760, page.get_by_text("max_overwrites"))
    editor = page.locator(".CodeMirror").first
    text = editor.evaluate("editor => editor.CodeMirror.getValue()")
    for before, after in (
        ("include: []", 'include: ["*.jpg"]'),
        ("max_deletes: as configured", 'max_deletes: "5%"'),
        ("compare: as_configured", "compare: etag"),
    ):
        if before not in text:
            raise RuntimeError(f"the Launchpad does not offer {before}")
        text = text.replace(before, after)
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)
    page.get_by_text("No errors").wait_for()
    camera.take("launchpad")


def picture_shard(camera: Photographer, plan: str) -> None:
    """What one shard came to."""
    page = camera.page
    path = f"/assets/images/store?view=partitions&partition={plan}-0001"
    camera.open(path, 900, page.get_by_text("objects per second"))
    camera.take("shard")


def picture_automation(camera: Photographer) -> None:
    """The switches of the schedule and the sensors, and the page of the sensor that applies plans."""
    page = camera.page
    camera.open("/automation", 500, page.get_by_text("images_record_sensor"))
    camera.take("automation")
    path = "/locations/hyve_pipeline/sensors/images_apply_sensor"
    camera.open(path, 560, page.get_by_text("Latest tick"))
    camera.take("sensor")


def picture_run(camera: Photographer) -> None:
    """The run of a dryrun."""
    page = camera.page
    first = page.locator("a[href^='/runs/']")
    camera.open("/locations/hyve_pipeline/jobs/images_dryrun/runs", 900, first)
    first.first.click()
    page.get_by_text("RUN_SUCCESS").first.wait_for()
    camera.take("dryrun")


def picture_shards(camera: Photographer) -> None:
    """How far the shards of a plan came: two of them are missing."""
    page = camera.page
    camera.open("/locations/hyve_pipeline/jobs/images_copy/partitions", 720, page.get_by_text("Missing partitions"))
    page.locator("text=/^2$/").first.wait_for()
    page.locator("canvas").first.wait_for()
    camera.take("shards_some")


def await_verification(url: str) -> None:
    """Wait until Dagster has learned of the verification, which a command made last of all."""
    verified: list[object] = []
    while not verified:
        time.sleep(1)
        answer = ask(
            url,
            "query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) "
            "{ ... on AssetNode { assetMaterializations(limit: 1) { runId } } } }",
            key={"path": ["images", "verification"]},
        )
        verified = answer["assetNodeOrError"]["assetMaterializations"]


def picture_lineage(camera: Photographer) -> None:
    """The graph from bucket to bucket."""
    page = camera.page
    camera.open("/asset-groups", 480, page.get_by_text("store_inventory"))
    # The list of assets beside the graph only takes its place, and the buttons at its edge would cover its end.
    page.get_by_placeholder("Jump to…").locator("xpath=following::button[1]").click()
    page.mouse.dblclick(NAVIGATION_WIDTH + WIDTH / 2, 460)  # beside the graph: fits it to the space again
    page.wait_for_timeout(1_000)
    page.locator("button:has([aria-label='zoom_out'])").click()
    camera.take("lineage")


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--browser", default="/usr/bin/chromium", help="a Chromium")
    parser.add_argument("--home", type=Path, default=Path("/tmp/hyve"), help="seen in the pictures")  # noqa: S108
    arguments = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    with claimed_home(arguments.home) as home, own_environment(home), EmbeddedServer() as server:
        fill_buckets(server.endpoint_url)
        configure(home, server.endpoint_url, shard_objects=100)
        file, table = home / "hyve.toml", "[sync.images]\n"
        more = 'schedule = "0 2 * * *"\napply = "all"\nowners = ["team:pictures"]\n'
        file.write_text(file.read_text(encoding="utf-8").replace(table, table + more), encoding="utf-8")
        with running_ui() as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=arguments.browser, args=BROWSER_ARGUMENTS)
            page = browser.new_page()
            page.set_default_timeout(PATIENCE)
            camera = Photographer(page, url)
            camera.dismiss_greeting()
            do_dryrun(url)
            (plan,) = (folder.name for folder in (home / "state" / "images" / "plans").iterdir())
            picture_plan(camera)
            picture_run(camera)
            picture_launchpad(camera)
            picture_automation(camera)
            do_shards(url, home, 4)
            picture_shards(camera)
            picture_shard(camera, plan)
            run_hyve("copy")
            run_hyve("delete")
            run_hyve("verify")
            await_verification(url)
            picture_lineage(camera)
            browser.close()


if __name__ == "__main__":
    main()
