"""Pictures of plans: small, readable, and drawn from the plan."""

import random
import xml.etree.ElementTree as ET
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.model.diff import PLANNED_SETS, ChangeSet
from hyve_pipeline.core.model.summary import AGE_BINS, SIZE_BINS, PlanSummary
from hyve_pipeline.report.pictures import charts_of, draw_glances, draw_histograms, draw_prefixes
from hyve_pipeline_tests.report.summaries import made_up_summary

_MOST_CHARACTERS = 50_000
_DRAWINGS: tuple[Callable[[PlanSummary], str], ...] = (draw_prefixes, draw_histograms)


def _drawn(url: str) -> ET.Element:
    """The SVG in a URL, which can stand in Markdown."""
    assert not set(url) & set(" ()<>&\\`*")
    kind, _, content = url.partition(",")
    assert kind in ("data:image/svg+xml", "data:image/svg+xml;base64")
    return ET.fromstring(b64decode(content) if kind.endswith("base64") else unquote(content))


def _texts(picture: ET.Element) -> list[str]:
    return [element.text or "" for element in picture.iter() if element.tag.endswith("text")]


@pytest.mark.parametrize("name", PLANNED_SETS)
def test_a_picture_has_the_colours_of_its_sets_only(name: ChangeSet) -> None:
    for draw in _DRAWINGS:
        classes = {element.get("class") for element in _drawn(draw(made_up_summary(["a/"], sets=[name]))).iter()}
        assert classes & {str(of) for of in ChangeSet} == {name.value}


def test_a_picture_says_what_becomes_of_a_set() -> None:
    texts = _texts(_drawn(draw_histograms(made_up_summary(["a/"]))))
    assert {"new (to copy)", "modified (to overwrite)", "drifted (to repair)", "duplicate (to delete)"} <= set(texts)


def test_a_picture_of_a_plan_of_all_versions_overwrites_nothing() -> None:
    summary = replace(made_up_summary(["a/"]), has_histories=True)
    for draw in _DRAWINGS:
        shown = " ".join(_texts(_drawn(draw(summary))))
        assert "modified (to continue)" in shown
        assert "to overwrite" not in shown


def test_a_picture_shows_the_prefixes_with_their_figures() -> None:
    texts = _texts(_drawn(draw_prefixes(made_up_summary(["a/", ""], scale=1_000))))
    assert {"a/", "(no prefix)", "(other prefixes)", "7,000", "7.0 MB", "new (to copy): 7,000 objects"} <= set(texts)


def test_bins_are_named_in_words() -> None:
    by_size, by_age = (
        [row.label for row in chart.rows] for chart in charts_of(made_up_summary([], sets=[ChangeSet.NEW]))[2:]
    )
    assert by_size[0] == "1 B to 1 kB"  # no object is empty
    assert by_size[-1] == "1 TB and more"
    assert by_age[0] == "1 hour to 1 day"
    assert by_age[-1] == "10 years and more"
    assert len(by_size) == len(SIZE_BINS) - 1
    assert len(by_age) == len(AGE_BINS) - 1


def test_a_plan_with_nothing_to_do_has_no_charts() -> None:
    assert charts_of(PlanSummary({})) == []


def test_the_largest_picture_is_small() -> None:
    letters = random.Random(1)
    prefixes = ["".join(letters.choices("abcdefghijklmnoprstuvxyz0123456789-", k=200)) + "/" for _ in range(6)]
    summary = made_up_summary(prefixes, scale=123_456_789)
    for draw in _DRAWINGS:
        assert len(draw(summary)) < _MOST_CHARACTERS


def test_a_glance_is_a_few_hundred_characters() -> None:
    """Dagster's UI shows Markdown inline only below 1,000 characters, and the legend is 60."""
    for url in draw_glances(
        made_up_summary([], sets=[ChangeSet.NEW, ChangeSet.MODIFIED, ChangeSet.DUPLICATE])
    ).values():
        assert len(url) < 930
        picture = _drawn(url)
        assert len([element for element in picture if element.tag.endswith("path")]) == 3
        (labels,) = _texts(picture)
        assert labels.split()[-2:] in (["1", "TB"], ["10", "years"])


@settings(max_examples=30)
@given(st.lists(st.text(max_size=1024), max_size=6), st.integers(1, 10**13), st.booleans())
def test_every_plan_can_be_drawn(prefixes: list[str], scale: int, is_empty: bool) -> None:
    summary = made_up_summary(prefixes, scale=scale, object_bytes=0 if is_empty else 1000)
    for draw in _DRAWINGS:
        assert len(draw(summary)) < _MOST_CHARACTERS
        _drawn(draw(summary))
    for url in draw_glances(summary).values():
        _drawn(url)
