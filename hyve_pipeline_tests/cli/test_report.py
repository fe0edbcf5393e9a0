"""`hyve report`: the newest plan, or another one, as a file or on standard output."""

from pathlib import Path

import lxml.html
import pytest

from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory
from hyve_pipeline_tests.syncs import Hyve, Pair, sync_table


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SyncContext:
    """A sync that has no plan yet, in the home that commands use by default."""
    context = context_at(tmp_path / "home")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "hyve.toml").write_text(
        sync_table(context.name, context.settings.source, context.settings.store)
    )
    monkeypatch.setenv("HYVE_HOME", str(tmp_path / "home"))
    return context


def _plan(context: SyncContext, *keys: str) -> Plan:
    source = written_inventory(context, "source", dict.fromkeys(keys, Entry()))
    return freeze_plan(context, diff_inventories(context, source, written_inventory(context, "store", {})))


def _keys(page: str) -> set[str]:
    return {element.text_content() for element in lxml.html.document_fromstring(page).xpath("//td/bdi")}


def test_the_newest_plan_or_another_one(context: SyncContext, hyve: Hyve) -> None:
    older, newer = _plan(context, "old"), _plan(context, "new <b>ü")
    out = context.home.path / "out" / "images"
    finished = hyve("report")
    assert (finished.code, finished.err) == (0, "")
    assert finished.out == f"{out / newer.id}.html\n"
    assert _keys((out / f"{newer.id}.html").read_text(encoding="utf-8")) == {"new <b>ü"}
    assert hyve("report", older.id, "--json").document == {
        "sync": "images",
        "plan": older.id,
        "file": f"{out / older.id}.html",
    }
    assert _keys((out / f"{older.id}.html").read_text(encoding="utf-8")) == {"old"}


def test_a_file_of_ones_own(context: SyncContext, hyve: Hyve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _plan(context, "a")
    monkeypatch.chdir(tmp_path)
    Path("page.html").write_text("before")
    finished = hyve("report", plan.id, "--output", "page.html")
    assert finished.out == f"{tmp_path}/page.html\n"
    assert _keys(Path("page.html").read_text(encoding="utf-8")) == {"a"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "page.html"]
    assert not (context.home.path / "out" / "images" / f"{plan.id}.html").exists()


def test_standard_output(context: SyncContext, hyve: Hyve) -> None:
    _plan(context, "\u5199\u771f")
    finished = hyve("report", "--output", "-")
    assert (finished.code, finished.err) == (0, "")
    assert finished.out.startswith("<!DOCTYPE html>\n")
    assert finished.out.endswith("</html>\n")
    assert _keys(finished.out) == {"\u5199\u771f"}


def test_a_page_and_a_document_can_not_both_be_on_standard_output(context: SyncContext, hyve: Hyve) -> None:
    _plan(context, "a")
    finished = hyve("report", "--json", "--output", "-")
    assert finished.code == 2
    assert "--json" in finished.only_line


@pytest.mark.parametrize("output", ["missing/page.html", "home", "home/hyve.toml/page.html", "a\x1b[2J/page.html"])
def test_what_can_not_be_written(
    output: str, context: SyncContext, hyve: Hyve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _plan(context, "a")
    monkeypatch.chdir(tmp_path)
    finished = hyve("report", "--output", output)
    assert finished.code == 2
    assert finished.only_line.isprintable()
    assert finished.only_line.startswith("hyve")
    assert output.split("/")[0].replace("\x1b", "\\x1b") in finished.only_line


def test_a_default_place_that_is_taken(context: SyncContext, hyve: Hyve) -> None:
    plan = _plan(context, "a")
    (context.home.path / "out" / "images" / f"{plan.id}.html").mkdir()
    finished = hyve("report", "--json")
    assert finished.code == 2
    assert f"{plan.id}.html" in finished.only_line


def test_no_plan(context: SyncContext, hyve: Hyve) -> None:
    for arguments, word in (((), "hyve dryrun"), (("nothing",), "hyve plans"), (("../../x",), "hyve plans")):
        finished = hyve("report", *arguments)
        assert finished.code == 2
        assert word in finished.only_line


def test_a_damaged_plan_is_told(context: SyncContext, hyve: Hyve) -> None:
    plan = _plan(context, "a")
    Path(context.state.uri_of(plan.files["copy"][0])).write_bytes(b"PAR1")
    finished = hyve("report")
    assert finished.code == 4
    assert "copies.parquet: damaged" in finished.only_line


def test_a_refused_plan_has_a_page_too(pair: Pair, hyve: Hyve) -> None:
    pair.store.put({"gone\u202e<script>": b"1"})
    plan = hyve("dryrun", "--json").document["plan"]
    assert hyve("report").code == 0
    page = (pair.home / "out" / "images" / f"{plan}.html").read_text(encoding="utf-8")
    assert _keys(page) == {"gone\\u202e<script>"}
    assert "Refused by empty_source" in page


def test_a_page_is_shown_by_the_browser_of_the_environment(
    context: SyncContext, hyve: Hyve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = _plan(context, "a")
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", str(browser))
    page = context.home.path / "out" / "images" / f"{plan.id}.html"
    finished = hyve("report", "--open")
    assert (finished.code, finished.err, finished.out) == (0, "", f"{page}\n")
    assert (tmp_path / "opened").read_text().strip() == page.as_uri()


def test_a_page_is_written_where_it_can_not_be_shown(
    context: SyncContext, hyve: Hyve, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = _plan(context, "a")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    finished = hyve("report", "--open")
    assert finished.code == 0
    assert finished.out == f"{context.home.path}/out/images/{plan.id}.html\n"
    assert "not shown: there is no display here" in finished.err
    refused = hyve("report", "--open", "--output", "-")
    assert refused.code == 2
    assert "--open" in refused.only_line
