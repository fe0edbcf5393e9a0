"""What commands did, seen in Dagster's web UI."""

import pytest
from playwright.sync_api import expect

from hyve_pipeline_tests.browser.conftest import SYNCED_BEFORE, Desk

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

_SECONDS = 60


def await_text(desk: Desk, path: str, text: str) -> None:
    """Open a page of the UI again and again until it shows a text; a minute must do."""
    for _ in range(_SECONDS // 5):
        page = desk.open(path)
        page.wait_for_timeout(5_000)
        if page.get_by_text(text).count():
            return
    pytest.fail(f"{path} does not show {text!r}: {desk.page.locator('body').inner_text()[:2000]}")


@pytest.mark.sync(SYNCED_BEFORE)
def test_what_a_command_did_before_the_ui_was_there_shows_in_it(desk: Desk) -> None:
    plan = next(iter((desk.answers.home / "state" / SYNCED_BEFORE / "plans").iterdir())).name
    await_text(desk, f"/assets/{SYNCED_BEFORE}/verification?view=events", "hyve sync")
    # The lineage: every asset was materialized.
    page = desk.open(f"/locations/hyve_pipeline/asset-groups/{SYNCED_BEFORE}/lineage")
    for asset in ("source_inventory", "duplicate_stores", "plan", "store", "verification", "journal"):
        expect(page.get_by_text(asset, exact=True).first).to_be_visible()
    # The plan's page, with who made it, and its pictures.
    page = desk.open(f"/assets/{SYNCED_BEFORE}/plan?view=events")
    expect(page.get_by_text("size to copy")).to_be_visible()
    expect(page.get_by_text("hyve sync").first).to_be_visible()
    expect(page.locator("img[src^='data:image/svg+xml']").first).to_be_visible()
    # The partitions of the store: two of copies and one of deletes.
    page = desk.open(f"/assets/{SYNCED_BEFORE}/store?view=partitions")
    expect(page.get_by_text("Materialized (3)")).to_be_visible()
    for number in (1, 2, 3):
        expect(page.get_by_text(f"{plan}-{number:04d}").first).to_be_attached()
    statuses = desk.answers.ask(
        "query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) "
        "{ ... on AssetNode { partitionStats { numMaterialized numPartitions } } } }",
        key={"path": [SYNCED_BEFORE, "store"]},
    )
    assert statuses["assetNodeOrError"]["partitionStats"] == {"numMaterialized": 3, "numPartitions": 3}
    # The checks.
    page = desk.open(f"/assets/{SYNCED_BEFORE}/verification?view=checks")
    expect(page.get_by_text("plan_holds").first).to_be_visible()
    expect(page.get_by_text("Passed").first).to_be_visible()
    # No run of Dagster did any of it.
    assert desk.runs() == []


@pytest.mark.sync("after")
def test_a_plan_of_the_ui_is_applied_by_a_command_and_shows_so(desk: Desk) -> None:
    desk.source.put({f"{number}": b"new" for number in range(7)})
    page = desk.job("dryrun", "playground")
    page.get_by_role("button", name="Launch Run").click()
    expect(page.get_by_text("RUN_SUCCESS").first).to_be_visible()
    desk.hyve("copy")
    assert desk.store.keys() == desk.source.keys()
    plan = next(iter((desk.answers.home / "state" / "after" / "plans").iterdir())).name
    await_text(desk, f"/assets/after/store?view=partitions&partition={plan}-0002", "hyve copy")
    page = desk.open("/assets/after/plan?view=events")
    expect(page.get_by_text("size to copy")).to_be_visible()
