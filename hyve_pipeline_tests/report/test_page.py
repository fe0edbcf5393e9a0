"""The page of a plan: complete, and safe from whatever keys contain."""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import lxml.html
import pytest

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.model.estimate import Estimate, Step, StepEstimate
from hyve_pipeline.core.model.history import HISTORY_SCHEMA
from hyve_pipeline.core.model.plan import Approval
from hyve_pipeline.core.model.undo_summary import UndoSummary
from hyve_pipeline.operations.journal.status import undo_folder
from hyve_pipeline.operations.journal.undos import UNDO_SUMMARY
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline.operations.prove.prove import prove_plan
from hyve_pipeline.report.page import render_page
from hyve_pipeline_tests.operations.listings import START, Entry, History, context_at, written_inventory
from hyve_pipeline_tests.operations.prove.proved import plan_of, verify
from hyve_pipeline_tests.report.hostile import HOSTILE_KEYS, begin, hostile_plan

# All that the template itself uses; injected markup would be something else.
_TAGS = {"html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "div", "strong", "span", "dl"}
_TAGS |= {"dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "bdi", "figure", "code", "svg", "g", "text", "rect"}
_ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "tabindex"}
_ATTRIBUTES |= {"role", "aria-label", "viewbox", "width", "height", "x", "y", "transform"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def _parsed(text: str) -> lxml.html.HtmlElement:
    """The page, which runs no script and loads nothing."""
    document = lxml.html.document_fromstring(text)
    elements = [element for element in document.iter() if isinstance(element.tag, str)]
    assert {element.tag for element in elements} <= _TAGS
    assert {name for element in elements for name in element.attrib} <= _ATTRIBUTES
    # Comments count as elements here.
    assert len(list(document.iter())) == len(elements)
    (policy,) = document.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy == _POLICY
    (style,) = document.xpath("//style/text()")
    assert "url(" not in style
    assert "@import" not in style
    return document


def _cells(document: lxml.html.HtmlElement, heading: str) -> list[list[str]]:
    """The rows of the table that follows a heading."""
    (table,) = document.xpath(f"//*[self::h2 or self::h3][normalize-space()='{heading}'][1]/following::table[1]")
    return [[cell.text_content().strip() for cell in row.xpath("td")] for row in table.xpath("tbody/tr")]


def _chart_texts(document: lxml.html.HtmlElement) -> list[str]:
    return [element.text_content() for element in document.xpath("//figure/svg//text")]


def test_keys_and_messages_stay_text(tmp_path: Path) -> None:
    context, plan = hostile_plan(tmp_path)
    begin(context, plan)
    document = _parsed(render_page(context, plan))
    shown = {element.text_content() for element in document.xpath("//bdi")}
    assert {displayed(key) for key in HOSTILE_KEYS} <= shown
    assert displayed("d" + max(HOSTILE_KEYS, key=len))[:100] in document.text_content()
    charted = [text for text in _chart_texts(document) if text.startswith("n<")]
    assert charted
    text = document.text_content()
    assert "<iframe src='https://example.org'>" in text
    assert "<script>*</script>.never" in text
    assert "{{ 7 * 7 }}" in text
    assert [character for character in text if not character.isprintable() and character != "\n"] == []


def test_a_page_shows_the_plan_and_its_progress(tmp_path: Path) -> None:
    context = context_at(tmp_path, max_deletes="50%", shard_objects=2)
    source = {"a/1": Entry(size=5), "a/2": Entry(size=2_000), "same": Entry(), "z": Entry(size=3, time=9)}
    store = {"z": Entry(size=4), "gone": Entry(size=7), "same": Entry()}
    diff = diff_inventories(
        context, written_inventory(context, "source", source), written_inventory(context, "store", store)
    )
    plan = freeze_plan(context, diff)
    document = _parsed(render_page(context, plan))
    assert document.xpath("normalize-space(//h1)") == f"Plan {plan.id} planned"
    assert "s3://source-bucket/ to s3://store-bucket/" in document.text_content()
    facts = dict(zip(document.xpath("//dt/text()"), document.xpath("//dd"), strict=False))
    assert facts["shard_objects"].text_content() == "2"
    assert facts["max_deletes"].text_content() == "50%"
    assert _cells(document, "Summary") == [
        ["new (to copy)", "2", "2.0 kB"],
        ["modified (to overwrite)", "1", "3 B"],
        ["duplicate (to delete)", "1", "7 B"],
        ["unchanged (no action)", "1", "3 B"],
    ]
    assert document.xpath("//figure/svg/@aria-label") == [
        *("Objects by top-level prefix", "Bytes by top-level prefix", "Objects by size", "Objects by age")
    ]
    assert {"new (to copy): 2.0 kB", "duplicate (to delete)", "1 kB to 10 kB", "a/"} <= set(_chart_texts(document))
    assert _cells(document, "Progress") == [
        ["copy", "3", "0", "0", "0", "0 B"],
        ["delete", "1", "0", "0", "0", "0 B"],
    ]
    assert [row[:4] for row in _cells(document, "Shards")] == [
        ["0001", "copy", "pending", "2"],
        ["0002", "copy", "pending", "1"],
        ["0003", "delete", "pending", "1"],
    ]
    assert _cells(document, "New objects (to copy)") == [["a/", "2", "2.0 kB"]]
    times = f"{START:%Y-%m-%d %H:%M:%S} UTC"
    (row,) = [row for row in _cells(document, "All objects") if row[0] == "a/1"]
    assert row == ["a/1", "5 B", "missing in store", times]
    assert "Verification" not in document.text_content()


def test_a_plan_with_nothing_to_do_is_a_page_too(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    same = {"a": Entry()}
    diff = diff_inventories(
        context, written_inventory(context, "source", same), written_inventory(context, "store", same)
    )
    document = _parsed(render_page(context, freeze_plan(context, diff)))
    assert "There is nothing to do" in document.text_content()
    assert _chart_texts(document) == []


def test_a_plan_that_was_undone_says_so_and_one_object_is_no_objects(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    plan = plan_of(context, {"a": Entry()}, {"a": Entry()})
    verify(context, plan, written_inventory(context, "store", {"a": Entry()}))
    undo_folder(context, plan).write_manifest(f"0001/{UNDO_SUMMARY}", UndoSummary.of(plan.id, Counter()))
    document = _parsed(render_page(context, plan))
    assert document.xpath("normalize-space(//h1)") == f"Plan {plan.id} empty undone"
    assert "1 object of the store matched the plan" in document.text_content()


def test_a_plan_of_all_versions_overwrites_nothing(tmp_path: Path) -> None:
    context = context_at(tmp_path, versions="all")
    source, store = {"a": History(etags=("1", "2"))}, {"a": History(etags=("1",))}
    diff = diff_inventories(
        context,
        written_inventory(context, "source", source, schema=HISTORY_SCHEMA),
        written_inventory(context, "store", store, schema=HISTORY_SCHEMA),
    )
    document = _parsed(render_page(context, freeze_plan(context, diff)))
    shown = document.text_content()
    assert "Of all versions: what the store lacks of a key is added in its order" in shown
    assert "Modified objects (to continue)" in shown
    assert "to overwrite" not in shown


def test_refusals_and_what_was_approved_later(tmp_path: Path) -> None:
    context, plan = hostile_plan(tmp_path, max_deletes=1)
    (refusal,) = plan.refusals
    document = _parsed(render_page(context, plan))
    (notice,) = document.xpath("//div[@class='notice']")
    assert notice.text_content() == f"Refused by max_deletes (too many deletes): {refusal.detail}"
    context.plans.approve(plan.id, Approval.model_validate({"given": START, "max_deletes": "100%"}))
    document = _parsed(render_page(context, plan))
    assert document.xpath("//div[@class='notice']") == []
    assert "approved later" in document.text_content()


def test_long_tables_are_truncated(tmp_path: Path) -> None:
    context, plan = hostile_plan(tmp_path)
    begin(context, plan)
    document = _parsed(render_page(context, plan, most_shards=2, most_unsettled=3))
    assert len(_cells(document, "Shards")) == 2
    assert f"and {len(plan.shards) - 2} more: hyve show {plan.id}" in document.text_content()
    assert len(_cells(document, "Objects that failed or were skipped")) == 3
    assert f"and more: hyve show {plan.id} --failed" in document.text_content()


def test_the_proof_of_a_plan(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    objects = {"a/1": Entry(), "a/2": Entry(size=7), "c": Entry(etag="opaque")}
    plan = plan_of(context, objects | {"d": Entry(storage_class="GLACIER")}, objects)
    verify(context, plan, written_inventory(context, "store", objects))
    assert "Proof" not in _parsed(render_page(context, plan)).xpath("//h2/text()")
    proof, _ = prove_plan(context, plan)
    document = _parsed(render_page(context, plan))
    assert [row[:3] for row in _cells(document, "Proof")] == [
        ["md5_etag", "2", "10 B"],
        ["not_proved", "1", "3 B"],
        ["not in the tree: only_in_source", "1", "3 B"],
    ]
    assert proof.tree.root in document.text_content()
    assert _cells(document, "Roots by top-level prefix") == [
        [one.prefix or "(none)", str(one.objects), f"{one.bytes} B", one.root] for one in proof.tree.prefixes
    ]


@pytest.mark.parametrize(
    ("known", "columns"),
    [
        ({}, []),
        ({"seconds": 60}, ["seconds"]),
        ({"cost": Decimal("0.01")}, ["cost"]),
        ({"cost": Decimal(), "seconds": 60}, ["cost", "seconds"]),
    ],
)
def test_the_estimate_has_no_column_of_what_is_not_known(
    known: dict[str, object], columns: list[str], tmp_path: Path
) -> None:
    context, plan = hostile_plan(tmp_path)
    steps = {Step.COPY: StepEstimate.model_validate(known), Step.VERIFY: StepEstimate(seconds=0)}
    document = _parsed(render_page(context, plan.model_copy(update={"estimate": Estimate(steps=steps)})))
    heads = document.xpath("//h2[normalize-space()='Estimate']/following::table[1]//th")
    assert [head.text_content() for head in heads] == ["step", "requests", "by operation", *columns]
    assert {len(row) for row in _cells(document, "Estimate")} == {len(heads)}
