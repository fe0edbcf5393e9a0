"""Charts of horizontal bars as SVG: with real text, in the colours and the font of the page that they are part of.

All lengths are in CSS pixels. A chart is as narrow as the screen of a phone, so that its text is readable there. The
text of a key goes through `core.base.widths.shortened_key`, and through the escaping of the XML library like all
other text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from hyve_pipeline.core.base.widths import shortened_key
from hyve_pipeline.core.model.diff import ChangeSet

WIDTH = 360

_GAP = 20  # between two charts of one picture
_HEADING = 24
_LEGEND = 20
_TEXT = 16  # the height of one line
_LABEL = 128  # where bars begin
_FIGURE = 84  # room for the figure after the longest bar
_LONGEST = WIDTH - _LABEL - _FIGURE
_BAR = 11
_SPACE = 5  # between two rows

# Of a monospaced font of 11 pixels; fonts differ by a few percent.
_CHARACTER = 6.7
_LABEL_COLUMNS = int((_LABEL - 8) / _CHARACTER)

# Where a variable is not defined by a page, as in a picture of its own, the colours are readable on white and on black:
# such a picture does not know what it is shown on. The sets differ in lightness, for colour-blind readers.
STYLE = """
.chart text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
.chart text { fill: var(--ink, #78828c); }
.chart text.title { font-size: 13px; font-weight: 600; }
.chart text.key { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
.chart text.faint, .chart text.figure { fill: var(--faint, #78828c); }
.chart .axis { fill: var(--line, #78828c); }
.chart rect.new { fill: var(--new, #2f95d6); }
.chart rect.modified { fill: var(--modified, #d79410); }
.chart rect.drifted { fill: var(--drifted, #44aa99); }
.chart rect.duplicate { fill: var(--duplicate, #bb4488); }
"""


@dataclass(frozen=True)
class Bar:
    """One bar: its set decides on its colour, and its value on its length.

    Attributes:
        name: the set.
        value: how long it is, beside the other bars of the chart.
        figure: the value for people.
    """

    name: ChangeSet
    value: int
    figure: str


@dataclass(frozen=True)
class Row:
    """A label and its bars, or a heading, which has none.

    Attributes:
        label: the text before the bars.
        bars: the bars, one below the other.
        is_key: whether the label is a key, or the beginning of keys, which may have any characters.
        swatch: for a heading, the set whose colour it explains.
    """

    label: str
    bars: tuple[Bar, ...] = ()
    is_key: bool = False
    swatch: ChangeSet | None = None


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        title: what the bars count, in words.
        rows: from top to bottom.
        legend: the sets whose colours are explained below the title, and how each is called there.
    """

    title: str
    rows: Sequence[Row]
    legend: Mapping[ChangeSet, str] = field(default_factory=dict)


def svg(charts: Sequence[Chart], *, is_standalone: bool = False) -> str:
    """The charts side by side as one SVG element.

    Args:
        charts: at least one.
        is_standalone: whether it is a picture of its own, with the style that a page otherwise has.
    """
    drawn = [_Drawing(chart) for chart in charts]
    width = len(drawn) * (WIDTH + _GAP) - _GAP
    height = max(drawing.height for drawing in drawn)
    root = ET.Element("svg", {"class": "chart", "role": "img", "viewBox": f"0 0 {width} {height}", "width": str(width)})
    root.set("aria-label", "; ".join(chart.title for chart in charts))
    if is_standalone:
        root.set("xmlns", "http://www.w3.org/2000/svg")
        root.set("height", str(height))
        ET.SubElement(root, "style").text = STYLE
    for number, drawing in enumerate(drawn):
        if number:
            drawing.group.set("transform", f"translate({number * (WIDTH + _GAP)} 0)")
        root.append(drawing.group)
    return ET.tostring(root, encoding="unicode")


class _Drawing:
    """The elements of one chart.

    Attributes:
        group: they, as one SVG group.
        height: of all of it.
    """

    def __init__(self, chart: Chart) -> None:
        self.group = ET.Element("g")
        self._text(0, 15, chart.title, "title")
        self.height = _HEADING
        if chart.legend:
            self._legend(chart.legend)
        self._most = max((bar.value for row in chart.rows for bar in row.bars), default=0)
        for row in chart.rows:
            self._row(row)

    def _row(self, row: Row) -> None:
        if not row.bars:
            self.height += 4
            self._swatch(0, self.height + 12, row)
            self.height += _TEXT + _SPACE
            return
        tall = max(len(row.bars) * (_BAR + 2), _TEXT)
        top = self.height
        label = shortened_key(row.label, _LABEL_COLUMNS) if row.is_key else row.label
        self._text(0, top + tall / 2 + 4, label, "key" if row.is_key else "label")
        self._rectangle(_LABEL - 3, top - 1, 1, tall + 2, "axis")
        top += (tall - len(row.bars) * (_BAR + 2)) // 2
        for bar in row.bars:
            length = max(_LONGEST * bar.value / self._most, 1.5) if bar.value else 0
            if bar.value:
                self._rectangle(_LABEL, top + 1, length, _BAR, bar.name.value)
                self._text(_LABEL + length + 5, top + _BAR - 1, bar.figure, "figure")
            top += _BAR + 2
        self.height += tall + _SPACE

    def _legend(self, labels: Mapping[ChangeSet, str]) -> None:
        left = 0.0
        for name, label in labels.items():
            width = 15 + 6.2 * len(label) + 14
            if left + width > WIDTH:
                left = 0.0
                self.height += _LEGEND
            self._swatch(left, self.height + 11, Row(label, swatch=name))
            left += width
        self.height += _LEGEND + 4

    def _swatch(self, left: float, baseline: float, row: Row) -> None:
        if row.swatch is not None:
            self._rectangle(left, baseline - 9, 10, 10, row.swatch.value)
            left += 15
        self._text(left, baseline, row.label, "label")

    def _rectangle(self, left: float, top: float, width: float, height: float, name: str) -> None:
        values = zip(("x", "y", "width", "height"), (left, top, width, height), strict=True)
        found = {attribute: f"{value:.1f}".removesuffix(".0") for attribute, value in values}
        ET.SubElement(self.group, "rect", {**found, "class": name})

    def _text(self, left: float, baseline: float, text: str, name: str) -> None:
        ET.SubElement(self.group, "text", {"x": f"{left:.0f}", "y": f"{baseline:.0f}", "class": name}).text = text
