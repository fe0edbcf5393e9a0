"""Pictures of plans: small, readable, and drawn from the plan."""

import io
import random
from base64 import b64encode
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import PLANNED_SETS, ChangeSet
from hyve_pipeline.core.model.summary import AGE_BINS, SIZE_BINS, PlanSummary, PrefixSize, SetSummary
from hyve_pipeline.report.canvas import Canvas
from hyve_pipeline.report.pictures import COLOURS, compact, draw_glances, draw_histograms, draw_prefixes

_Draw = Callable[[PlanSummary], bytes]

_MOST_BYTES = 50_000
_DRAWINGS: tuple[_Draw, ...] = (
    draw_prefixes,
    draw_histograms,
    lambda summary: draw_glances(summary)["Objects by size"],
)


def _summary(
    prefixes: Sequence[str], *, scale: int = 1, object_bytes: int = 1000, sets: Sequence[ChangeSet] = PLANNED_SETS
) -> PlanSummary:
    """A summary with these prefixes in each set, and about `scale` objects in each bin."""
    count = Count(objects=7 * scale, bytes=7 * scale * object_bytes)
    return PlanSummary(
        {
            name: SetSummary(
                count=count,
                prefixes=tuple(PrefixSize(prefix, count) for prefix in prefixes),
                other_prefixes=count,
                sizes=tuple(Count(objects=scale * (number % 5), bytes=scale) for number in range(len(SIZE_BINS))),
                ages=tuple(Count(objects=scale * (number % 4), bytes=scale) for number in range(len(AGE_BINS))),
                first=(),
                largest=(),
            )
            for name in sets
        }
    )


def _opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG"
    assert image.mode == "P"
    return image


def _colours(png: bytes) -> set[object]:
    found = _opened(png).convert("RGB").getcolors()
    assert found is not None
    return {colour for _, colour in found}


@pytest.mark.parametrize("draw", _DRAWINGS)
def test_a_picture_has_the_colours_of_its_sets_only(draw: _Draw) -> None:
    for name, colour in COLOURS.items():
        others = set(COLOURS.values()) - {colour}
        found = _colours(draw(_summary(["a/"], sets=[name])))
        assert colour in found
        assert not others & found


@pytest.mark.parametrize("draw", _DRAWINGS)
def test_a_picture_differs_with_the_data(draw: _Draw) -> None:
    one, other = _summary(["a/"]), _summary(["a/"], sets=PLANNED_SETS[:2])
    assert draw(one) == draw(one)
    assert draw(one) != draw(other)


def test_a_picture_shows_the_prefixes() -> None:
    assert draw_prefixes(_summary(["a/"])) != draw_prefixes(_summary(["b/"]))


def test_the_largest_picture_is_small() -> None:
    letters = random.Random(1)
    prefixes = ["".join(letters.choices("abcdefghijklmnoprstuvxyz0123456789-", k=200)) + "/" for _ in range(6)]
    summary = _summary(prefixes, scale=123_456_789)
    for draw in (draw_prefixes, draw_histograms):
        png = draw(summary)
        assert len(png) < _MOST_BYTES
        assert _opened(png).width == 1080


def test_a_glance_is_a_few_hundred_bytes() -> None:
    """Dagster's UI shows Markdown inline only below 1,000 characters."""
    for png in draw_glances(_summary([])).values():
        assert _opened(png).width == 420
        assert len(b64encode(png)) < 1_000


@settings(max_examples=30)
@given(st.lists(st.text(max_size=1024), max_size=6), st.integers(1, 10**13), st.booleans())
def test_every_key_can_be_drawn(prefixes: list[str], scale: int, is_empty: bool) -> None:
    summary = _summary(prefixes, scale=scale, object_bytes=0 if is_empty else 1000)
    for draw in _DRAWINGS:
        assert len(draw(summary)) < _MOST_BYTES


@settings(max_examples=50)
@given(st.text(max_size=60), st.integers(30, 200))
def test_a_label_fits_its_width(key: str, width: int) -> None:
    canvas = Canvas(300, 20)
    label = canvas.label(key, width)
    assert label.isascii()
    assert label.isprintable() or label == ""
    assert canvas.width_of(label) <= width


def test_a_long_label_keeps_both_ends() -> None:
    label = Canvas(300, 20).label(f"begin-{'x' * 2000}-end/", 150)
    assert label.startswith("begin-x")
    assert label.endswith("x-end/")
    assert "..." in label


def test_labels_are_escaped_as_everywhere() -> None:
    canvas = Canvas(300, 20)
    assert canvas.label("a\\b\x1b\u202e", 300) == "a\\\\b\\x1b\\u202e"
    assert canvas.label("\u5199\xe9", 300) == "\\u5199\\xe9"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1250, "1.2k"),
        (9999, "9.9k"),
        (35_999, "35k"),
        (999_999, "999k"),
        (1_500_000, "1.5M"),
        (2_000_000_000, "2G"),
    ],
)
def test_compact_numbers(value: int, text: str) -> None:
    assert compact(value) == text
