"""What a person does in Dagster's web UI, click by click."""

import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from hyve_pipeline_tests.browser.conftest import Desk
from hyve_pipeline_tests.operations.applying import is_copy_of
from hyve_pipeline_tests.s3.scripted import Answer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

_HOSTILE = [
    "<img src=x onerror=\"document.title='broken'\">",
    "<script>document.title='broken'</script>",
    "[a](javascript:b)",
]


@pytest.mark.sync("graph")
def test_the_graph_leads_from_bucket_to_bucket(desk: Desk) -> None:
    page = desk.open("/locations/hyve_pipeline/asset-groups/graph/lineage")
    for asset in ("source", "source_inventory", "duplicate_stores", "plan", "store", "verification", "journal"):
        expect(page.get_by_text(asset, exact=True).first).to_be_visible()
    page = desk.open("/assets/graph/store?view=lineage&lineageScope=upstream")
    page.get_by_role("button", name="All", exact=True).click()
    expect(page.get_by_text("source_inventory").first).to_be_visible()


@pytest.mark.sync("plan")
def test_the_plan_shows_pictures_and_takes_no_key_for_markup(desk: Desk) -> None:
    desk.source.put({f"photos/{number}": b"new" * number for number in range(9)} | dict.fromkeys(_HOSTILE, b"1"))
    desk.store.put({"gone/1": b"1"})
    desk.hyve("dryrun")
    page = desk.open("/assets/plan/plan?view=events")
    expect(page.get_by_text("size to copy")).to_be_visible()
    pictures = page.locator("img[src^='data:image/svg+xml']")
    expect(pictures.first).to_be_visible()
    page.get_by_text("[Show Markdown]").first.click()
    dialog = page.get_by_role("dialog").locator("img[src^='data:image/svg+xml']")
    expect(dialog.first).to_be_visible()
    assert dialog.first.evaluate("picture => picture.complete && picture.naturalWidth") > 500
    page.keyboard.press("Escape")
    for key in _HOSTILE:
        expect(page.get_by_text(key).first).to_be_attached()
    assert "broken" not in page.title()
    assert page.locator("img[src='x']").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0


@pytest.mark.sync("fresh")
def test_materialize_all_in_a_fresh_project_shows_nothing_red_and_says_what_applies_the_plan(desk: Desk) -> None:
    desk.source.put({f"photos/{number}": b"new" for number in range(7)})
    desk.store.put({"gone": b"1"})
    # In a smaller window, the graph is so far away that it shows only names.
    desk.page.set_viewport_size({"width": 1900, "height": 1000})
    page = desk.open("/locations/hyve_pipeline/asset-groups/fresh/lineage")
    expect(_asset(page, "store")).to_contain_text("0% filled")
    page.get_by_role("button", name=re.compile("Materialize all")).click()
    expect(_asset(page, "plan")).to_contain_text("Materialized")
    expect(_asset(page, "journal")).to_contain_text("Materialized")
    for asset in ("source_inventory", "store_inventory", "new", "modified", "duplicate_stores"):
        expect(_asset(page, asset)).to_contain_text("Materialized")
    # The plan is not applied.
    expect(_asset(page, "store")).to_contain_text("0% filled")
    expect(_asset(page, "verification")).to_contain_text("Never materialized")
    expect(_asset(page, "verification").get_by_label("warning_outline")).to_be_visible()
    expect(page.locator("foreignObject").get_by_text("Failed")).to_have_count(0)
    (run,) = desk.runs()
    assert desk.answers.await_end(run["runId"]) == "SUCCESS"
    page = desk.open("/assets/fresh/verification?view=checks")
    expect(page.get_by_text("is not applied yet: launch fresh_copy, then fresh_delete").first).to_be_visible()
    assert desk.store.keys() == ["gone"]


def _asset(page: Page, name: str) -> Locator:
    """An asset in the lineage."""
    return page.locator("foreignObject", has=page.get_by_text(name, exact=True)).first


@pytest.mark.sync("launch")
def test_a_dryrun_is_launched_from_the_launchpad_and_a_whole_plan_applied(desk: Desk) -> None:
    desk.source.put({f"{number}.{ending}": b"new" for number in range(7) for ending in ("jpg", "tmp")})
    page = desk.job("dryrun", "playground")
    editor = page.locator(".CodeMirror").first
    expect(editor).to_contain_text("max_overwrites")
    offered = editor.evaluate("editor => editor.CodeMirror.getValue()")
    # Nothing but what a run can set.
    assert [line for line in offered.splitlines() if not line.startswith(" ")] == ["ops:"]
    assert len(offered.splitlines()) <= 12
    edited = offered.replace("include: []", 'include: ["*.jpg"]')
    assert edited != offered
    editor.click()
    page.keyboard.press("Control+a")
    # Line by line it would be indented by the editor.
    page.keyboard.insert_text(edited)
    expect(page.get_by_text("No errors")).to_be_visible()
    page.get_by_role("button", name="Launch Run").click()
    expect(page.get_by_text("RUN_SUCCESS").first).to_be_visible()
    page = desk.job("copy", "playground")
    page.get_by_role("button", name="Launch Run").click()
    # Without a partition it does all that is left.
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url(re.compile("/runs/"))
    expect(page.get_by_text("RUN_SUCCESS").first).to_be_visible()
    assert desk.store.keys() == [f"{number}.jpg" for number in range(7)]


@pytest.mark.sync("shards")
def test_a_failed_shard_shows_and_is_run_again(desk: Desk) -> None:
    desk.source.put({f"{number:02d}": b"new" for number in range(12)})
    desk.hyve("dryrun")
    plan = next(iter((desk.answers.home / "state" / "shards" / "plans").iterdir())).name
    desk.faulty.fault = lambda received: (
        Answer(b"<Error><Code>AccessDenied</Code></Error>", 403) if is_copy_of(received, "shards-source/07") else None
    )
    # Dagster learns of the command's plan from the record sensor, at its next tick.
    _await_figure(desk, failed=0, missing=3)
    page = desk.job("copy", "partitions")
    page.get_by_role("button", name=re.compile("Launch backfill")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="All", exact=True).click()
    dialog.get_by_role("button", name=re.compile("3 runs|Launch|Submit")).last.click()
    _await_figure(desk, failed=1, missing=0)
    desk.faulty.fault = lambda _: None
    (failed,) = (run for run in desk.runs() if run["status"] == "FAILURE")
    page = desk.open(f"/runs/{failed['runId']}")
    page.get_by_role("button", name=re.compile("Re-execute")).first.click()
    expect(page.get_by_text("RUN_SUCCESS").first).to_be_visible()
    _await_figure(desk, failed=0, missing=0)
    assert desk.store.keys() == desk.source.keys()
    page = desk.open(f"/assets/shards/store?view=partitions&partition={plan}-0002")
    expect(page.get_by_text("objects per second").first.or_(page.get_by_text("attempt").first)).to_be_visible()


def _await_figure(desk: Desk, failed: int, missing: int) -> None:
    """Look at the job's partitions until the figures above them are these."""
    for _ in range(30):
        page = desk.job("copy", "partitions")
        expect(page.get_by_text("Failed partitions")).to_be_visible()
        page.wait_for_timeout(1_000)
        text = page.locator("body").inner_text()
        found = re.search(r"(\d+)\s*Failed partitions\s*(\d+)\s*Missing partitions", text)
        if found is not None and (int(found[1]), int(found[2])) == (failed, missing):
            return
    pytest.fail(f"the partitions are not {failed} failed and {missing} missing")


@pytest.mark.sync("switch")
def test_the_sensor_is_switched_on_and_applies_the_plan(desk: Desk) -> None:
    desk.source.put({f"{number}": b"new" for number in range(3)})
    desk.store.put({"gone": b"1"})
    desk.hyve("dryrun")
    page = desk.open("/locations/hyve_pipeline/sensors/switch_apply_sensor")
    switch = page.get_by_role("checkbox").first
    expect(switch).not_to_be_checked()
    # The box itself is drawn by what it is in.
    switch.locator("xpath=..").click()
    expect(switch).to_be_checked()
    deadline = time.monotonic() + 90
    while desk.store.keys() != ["0", "1", "2"]:
        assert time.monotonic() < deadline, "the plan was not applied"
        time.sleep(1)
    expect(page.get_by_text("Requested").or_(page.get_by_text("Skipped")).first).to_be_visible()
