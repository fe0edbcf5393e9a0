"""Charts: real text that fits, and bars as long as their values."""

import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.base.widths import shortened_key
from hyve_pipeline.core.model.diff import PLANNED_SETS, ChangeSet
from hyve_pipeline.report.chart import WIDTH, Bar, Chart, Row, svg

_NEW = ChangeSet.NEW


def _bars(picture: str) -> list[float]:
    """The lengths of the bars of new objects."""
    return [float(bar.get("width", "")) for bar in ET.fromstring(picture).iter("rect") if bar.get("class") == "new"]


def _texts(picture: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(picture).iter("text")]


def test_bars_are_as_long_as_their_values_and_have_figures() -> None:
    rows = [Row(str(value), (Bar(_NEW, value, f"{value} objects"),)) for value in (1_000, 500, 250, 0, 1)]
    picture = svg([Chart("Objects", rows)])
    longest, half, quarter, least = _bars(picture)
    assert (half, quarter) == (longest / 2, longest / 4)
    assert 1 <= least < 2  # it can be seen
    assert _texts(picture) == [
        "Objects",
        "1000",
        "1000 objects",
        "500",
        "500 objects",
        "250",
        "250 objects",
        "0",
        "1",
        "1 objects",
    ]


def test_charts_stand_side_by_side_and_nothing_leaves_them() -> None:
    rows = [Row("new", swatch=_NEW), *(Row("a" * 300, (Bar(_NEW, 7, "1,000,000,000"),), is_key=True) for _ in range(9))]
    charts = [Chart("One", rows, {name: name.described() for name in PLANNED_SETS}), Chart("Two", rows[:3])]
    root = ET.fromstring(svg(charts))
    _, _, width, height = map(float, root.get("viewBox", "").split())
    assert width > 2 * WIDTH
    for element in root.iter():
        if element.tag in ("rect", "text"):
            assert 0 <= float(element.get("x", "")) + float(element.get("width", "0")) <= WIDTH
            assert 0 <= float(element.get("y", "")) + float(element.get("height", "0")) <= height


def test_a_standalone_picture_has_its_own_style() -> None:
    picture = svg([Chart("Objects", [])], is_standalone=True)
    assert ET.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(--new, #" in picture
    assert "<style>" not in svg([Chart("Objects", [])])


@settings(max_examples=100)
@given(st.text(st.characters(), max_size=1_024))
def test_every_key_is_a_text_of_the_picture(key: str) -> None:
    picture = svg([Chart("Objects", [Row(key, (Bar(_NEW, 1, "1"),), is_key=True)])], is_standalone=True)
    (label,) = [text.text or "" for text in ET.fromstring(picture.encode()).iter() if text.get("class") == "key"]
    assert label == shortened_key(key, 17)
    assert label.isprintable()
    assert len(label) <= 20


def test_markup_in_a_key_is_text() -> None:
    picture = svg([Chart("Objects", [Row("<script>", (Bar(_NEW, 1, "1"),), is_key=True)])])
    assert "<script" not in picture
    assert "<script>" in _texts(picture)
