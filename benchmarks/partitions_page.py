"""How fast the pages of partitions are in a browser: ``python -m benchmarks.partitions_page [PLANS [SHARDS]]``.

It makes up plans with partitions in Dagster, those of the newest plan materialized, starts ``hyve ui``, and opens in a
headless Chromium the partitions of the job that copies, and those of the asset of the store. Needs the extra for tests
(playwright) and a Chromium.
"""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import dagster as dg
from playwright.sync_api import Page, sync_playwright
from sqlalchemy import Engine, event

from benchmarks.made_up import make_home, make_inventories, newest_inventories
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline.orchestration.common.instance import open_instance
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.partitions import register_shards

_LINE_START = "Dagster UI: "

# Milliseconds.
_PATIENCE = 60_000


def main() -> None:
    """Measure, and print a table in Markdown."""
    numbers = [int(text) for text in sys.argv[1:]]
    plans, shards = (*numbers, *(10, 2_000)[len(numbers) :])
    with tempfile.TemporaryDirectory(prefix="hyve-page-") as folder:
        home = Path(folder) / "home"
        newest = _make_plans(home, plans, shards)
        variables = os.environ | {"HYVE_HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}
        command = [sys.executable, "-m", "hyve_pipeline", "ui", "--port", "0", "--no-browser"]
        with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
            try:
                line = process.stdout.readline() if process.stdout is not None else ""
                url = line.removeprefix(_LINE_START).split()[0]
                print(f"| page, with {plans} plans of {shards:,} shards | seconds, first time | again |\n|---|--:|--:|")
                _measure_pages(url, newest)
            finally:
                process.terminate()


def _make_plans(home: Path, plans: int, shards: int) -> Plan:
    """Plans with partitions, those of the newest materialized; returns that one."""
    context = make_home(home, "shard_objects = 1")
    names = Names(context.name, context.home.id)
    plan: Plan | None = None
    event.listen(Engine, "connect", _hurry)
    with open_instance(context.home) as instance:
        for number in range(plans):
            # A few keys are in the store alone.
            make_inventories(context, shards - number, is_store_empty=True)
            plan = freeze_plan(context, diff_inventories(context, *newest_inventories(context)))
            register_shards(instance, names, plan, ())
        if plan is None:
            raise SystemExit("at least one plan is needed")
        for shard in plan.shards:
            partition = plan.partition_key(shard)
            instance.report_runless_asset_event(dg.AssetMaterialization(names.bucket("store"), partition=partition))
    return plan


def _hurry(connection: Any, _record: object) -> None:
    """Let SQLite not wait for the disk while the plans are made."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


def _measure_pages(opening_url: str, newest: Plan) -> None:
    url = opening_url.partition("/?")[0]
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(_PATIENCE)
        page.goto(opening_url)
        key = f"{newest.id}-0001"
        # Long names are shortened in the middle.
        any_shard = re.compile(r"^\d{6}-20\d\d")
        pages = {
            "partitions of the job that copies": ("/locations/hyve_pipeline/jobs/images_copy/partitions", any_shard),
            "partitions of the store": ("/assets/images/store?view=partitions", any_shard),
            "one partition of the store": (f"/assets/images/store?view=partitions&partition={key}", any_shard),
        }
        for name, (path, awaited) in pages.items():
            first, again = (_seconds(page, f"{url}{path}", awaited) for _ in range(2))
            print(f"| {name} | {first:.1f} | {again:.1f} |", flush=True)
        browser.close()


def _seconds(page: Page, url: str, awaited: re.Pattern[str]) -> float:
    page.goto("about:blank")
    began = time.perf_counter()
    page.goto(url)
    page.get_by_text(awaited).locator("visible=true").first.wait_for()
    seconds = time.perf_counter() - began
    if "HYVE_SCREENSHOTS" in os.environ:
        page.wait_for_timeout(2_000)
        name = url.rpartition("/")[2].partition("?")[0] + str(len(url))
        page.screenshot(path=Path(os.environ["HYVE_SCREENSHOTS"]) / f"{name}.png")
    return seconds


if __name__ == "__main__":
    main()
