"""The page of `hyve report` in a browser: dark, on a phone, and printed, with keys that are markup."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from hyve_pipeline.report.page import render_page
from hyve_pipeline_tests.report.hostile import begin, hostile_plan

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

_PHONE, _DESK = 390, 1100

_BRIGHTNESS = """element => {
  const parts = getComputedStyle(element)[element instanceof SVGElement ? "fill" : "backgroundColor"].match(/\\d+/g);
  return (Number(parts[0]) + Number(parts[1]) + Number(parts[2])) / 3;
}"""


@pytest.fixture
def report(tmp_path: Path) -> str:
    """The URL of a report whose keys are markup."""
    context, plan = hostile_plan(tmp_path)
    begin(context, plan)
    file = tmp_path / "report.html"
    file.write_text(render_page(context, plan), encoding="utf-8")
    return file.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [_PHONE, _DESK])
def test_it_fits_and_can_be_read(chromium: Browser, report: str, scheme: str, width: int) -> None:
    page = chromium.new_page(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page.goto(report)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = page.locator("body").evaluate(_BRIGHTNESS)
    assert (paper < 60) == (scheme == "dark")
    texts = page.locator("figure text")
    assert texts.count() > 20
    for number in range(0, texts.count(), 7):
        assert abs(texts.nth(number).evaluate(_BRIGHTNESS) - paper) > 80
    # On a phone, too, letters of charts are not scaled down.
    assert page.locator("figure text.figure").first.evaluate("element => element.getBoundingClientRect().height") > 10
    bars = page.locator("figure rect.duplicate")
    assert abs(bars.first.evaluate(_BRIGHTNESS) - paper) > 40
    assert page.locator("figure img, script, iframe").count() == 0
    page.close()


def test_its_charts_can_be_selected(chromium: Browser, report: str) -> None:
    page = chromium.new_page()
    page.goto(report)
    selected = page.evaluate(
        """() => {
          getSelection().selectAllChildren(document.querySelector("figure svg"));
          return getSelection().toString();
        }"""
    )
    assert "duplicate (to delete)" in selected
    page.close()


def test_it_is_printed_on_white(chromium: Browser, report: str) -> None:
    page = chromium.new_page(color_scheme="dark")
    page.goto(report)
    page.emulate_media(media="print")
    assert page.locator("body").evaluate(_BRIGHTNESS) == 255
    assert page.locator("figure text").first.evaluate(_BRIGHTNESS) == 0
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()
