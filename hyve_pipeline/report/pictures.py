"""Draws the objects of a plan by top-level prefix, by size and by age."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.summary import AGE_BINS, SIZE_BINS, PlanSummary, SetSummary
from hyve_pipeline.report.canvas import AMBER, BLUE, FAINT, GREEN, INK, LINE, WINE, Canvas, Colour

COLOURS: dict[ChangeSet, Colour] = {
    ChangeSet.NEW: BLUE,
    ChangeSet.MODIFIED: AMBER,
    ChangeSet.DRIFTED: GREEN,
    ChangeSet.DUPLICATE: WINE,
}

# What the plan does with the objects of a set.
ACTS = {
    ChangeSet.NEW: "to copy",
    ChangeSet.MODIFIED: "to overwrite",
    ChangeSet.DRIFTED: "to repair",
    ChangeSet.DUPLICATE: "to delete",
}

_WIDTH = 720
_MARGIN = 16
_TITLE = 15
_SMALL = 11
_FIGURE = 10


def draw_prefixes(summary: PlanSummary) -> bytes:
    """Objects and bytes of each set by top-level prefix, as a PNG; the summary must have a set."""
    return _Prefixes(summary).canvas.png()


def draw_histograms(summary: PlanSummary) -> bytes:
    """Histograms of the objects of each set by size and by age, as a PNG; the summary must have a set."""
    canvas = Canvas(_WIDTH, len(_AXES) * _Histogram.HEIGHT)
    for number, axis in enumerate(_AXES):
        _Histogram(canvas, summary, axis).draw(number * _Histogram.HEIGHT)
    return canvas.png()


def draw_glances(summary: PlanSummary) -> dict[str, bytes]:
    """The two histograms by title, each as a PNG of a few hundred bytes without figures."""
    return {axis.title: _glance(_Bins(summary, axis)) for axis in _AXES}


def _legend(canvas: Canvas, summary: PlanSummary, baseline: float) -> None:
    """Draw the legend of the colours, at the right."""
    right = float(_WIDTH - _MARGIN)
    for name in reversed(summary.sets):
        canvas.text(right, baseline, name.label, anchor="rs")
        right -= canvas.width_of(name.label) + 15
        canvas.bar(right, baseline - 9, right + 10, baseline + 1, COLOURS[name])
        right -= 16


@dataclass(frozen=True)
class _Row:
    label: str
    count: Count
    is_key: bool = True


class _Prefixes:
    """A section for each set, with a line for each prefix: one bar for its objects and one for its bytes."""

    _LINE = 21
    _HEADING = 34
    _BARS = (250, 480)  # where the bars begin
    _LONGEST = 150

    def __init__(self, summary: PlanSummary) -> None:
        sections = {name: list(_rows(entry)) for name, entry in summary.sets.items()}
        lines = sum(len(rows) for rows in sections.values())
        self.canvas = Canvas(_WIDTH, 44 + len(sections) * self._HEADING + lines * self._LINE + 12)
        self.canvas.text(_MARGIN, 28, "Objects and bytes by top-level prefix", size=_TITLE)
        _legend(self.canvas, summary, 28)
        counts = [row.count for rows in sections.values() for row in rows]
        # One scale for all sets, so that bars can be compared.
        self._most = max(count.objects for count in counts), max(count.bytes for count in counts)
        top = 44
        for name, rows in sections.items():
            top = self._section(top, name, summary.sets[name], rows)

    def _section(self, top: int, name: ChangeSet, entry: SetSummary, rows: Sequence[_Row]) -> int:
        baseline = top + 20
        self.canvas.bar(_MARGIN, top + 1, _WIDTH - _MARGIN, top + 1.5, LINE)
        self.canvas.bar(_MARGIN, baseline - 9, _MARGIN + 10, baseline + 1, COLOURS[name])
        self.canvas.text(_MARGIN + 16, baseline, f"{name.value} ({ACTS[name]})", size=13)
        self.canvas.text(self._BARS[0], baseline, f"{entry.count.objects:,} objects", size=13)
        self.canvas.text(self._BARS[1], baseline, readable_bytes(entry.count.bytes), size=13)
        top += self._HEADING
        for row in rows:
            self._line(top, row, COLOURS[name])
            top += self._LINE
        return top

    def _line(self, top: int, row: _Row, colour: Colour) -> None:
        baseline = top + 12
        width = self._BARS[0] - _MARGIN - 12
        label = self.canvas.label(row.label, width) if row.is_key else row.label
        self.canvas.text(_MARGIN, baseline, label, colour=INK if row.is_key else FAINT)
        figures = (row.count.objects, f"{row.count.objects:,}"), (row.count.bytes, readable_bytes(row.count.bytes))
        for left, most, (value, figure) in zip(self._BARS, self._most, figures, strict=True):
            length = max(self._LONGEST * value / most, 1.5) if value else 0
            self.canvas.bar(left, top + 1, left + length, top + 15, colour)
            self.canvas.text(left + length + 5, baseline, figure, size=_SMALL, colour=FAINT)


def _rows(entry: SetSummary) -> Iterator[_Row]:
    for prefix in entry.prefixes:
        yield _Row(prefix.prefix or "(no prefix)", prefix.count, is_key=bool(prefix.prefix))
    if entry.other_prefixes.objects:
        yield _Row("(other prefixes)", entry.other_prefixes, is_key=False)


@dataclass(frozen=True)
class _Axis:
    """What objects are counted by: a title, a note on the names of the bins, these names, and the bins of a set."""

    title: str
    note: str
    names: Sequence[str]
    bins_of: Callable[[SetSummary], tuple[Count, ...]]


_AXES = (
    _Axis(
        title="Objects by size",
        note="each from this size up to the next",
        names=[name for _, name in SIZE_BINS],
        bins_of=lambda entry: entry.sizes,
    ),
    _Axis(
        title="Objects by age",
        note="each from this age up to the next",
        names=[name for _, name in AGE_BINS],
        bins_of=lambda entry: entry.ages,
    ),
)


class _Bins:
    """The bins that have any objects, and those between them.

    Attributes:
        names: the names of the bins.
        objects: the objects of each set, by bin.
        most: the most objects of a set in a bin.
    """

    def __init__(self, summary: PlanSummary, axis: _Axis) -> None:
        objects = {name: [count.objects for count in axis.bins_of(entry)] for name, entry in summary.sets.items()}
        filled = [number for number in range(len(axis.names)) if any(bins[number] for bins in objects.values())]
        shown = slice(min(filled, default=0), max(filled, default=0) + 1)
        self.names = axis.names[shown]
        self.objects = {name: bins[shown] for name, bins in objects.items()}
        self.most = max(max(bins) for bins in self.objects.values())


class _Histogram:
    """Vertical bars, side by side for each set.

    Args:
        canvas: where to draw.
        summary: the plan's summary.
        axis: what objects are counted by.
    """

    HEIGHT = 224
    _PLOT = (44, 190)  # from the title down to the axis
    _LEFT = 64

    def __init__(self, canvas: Canvas, summary: PlanSummary, axis: _Axis) -> None:
        self._canvas = canvas
        self._summary = summary
        self._axis = axis
        self._bins = _Bins(summary, axis)
        self._step = _step(self._bins.most)
        self._top = max(-(-self._bins.most // self._step), 1) * self._step

    def draw(self, top: int) -> None:
        """Draw it below `top`."""
        canvas, axis, baseline = self._canvas, top + self._PLOT[1], top + 28
        canvas.text(_MARGIN, baseline, self._axis.title, size=_TITLE)
        beside = _MARGIN + canvas.width_of(self._axis.title, _TITLE) + 10
        canvas.text(beside, baseline, self._axis.note, size=_SMALL, colour=FAINT)
        _legend(canvas, self._summary, baseline)
        for value in range(0, self._top + 1, self._step):
            height = self._height(value)
            canvas.bar(self._LEFT, axis - height, _WIDTH - _MARGIN, axis - height + 0.5, LINE)
            canvas.text(self._LEFT - 6, axis - height + 4, compact(value), size=_SMALL, colour=FAINT, anchor="rs")
        width = (_WIDTH - _MARGIN - self._LEFT) / len(self._bins.names)
        for number, name in enumerate(self._bins.names):
            self._bin(number, self._LEFT + number * width, width, axis)
            canvas.text(self._LEFT + (number + 0.5) * width, axis + 16, name, size=_SMALL, anchor="ms")

    def _bin(self, number: int, left: float, width: float, axis: int) -> None:
        bar = min(width * 0.84 / len(self._bins.objects), 56)
        left += (width - bar * len(self._bins.objects)) / 2
        heights = [self._height(objects[number]) for objects in self._bins.objects.values()]
        for place, (name, objects) in enumerate(self._bins.objects.items()):
            value, height = objects[number], heights[place]
            if value:
                self._canvas.bar(left + 1, axis - height, left + bar - 1, axis, COLOURS[name])
                figure = compact(value)
                beside = [*heights[max(place - 1, 0) : place], *heights[place + 1 : place + 2]]
                # A figure wider than its bar fits only above the neighbouring bars and their figures.
                if self._canvas.width_of(figure, _FIGURE) <= bar or height > max(beside, default=0) + _FIGURE + 2:
                    self._canvas.text(left + bar / 2, axis - height - 4, figure, size=_FIGURE, anchor="ms")
            left += bar

    def _height(self, value: int) -> float:
        height = (self._PLOT[1] - self._PLOT[0] - 14) * value / self._top
        return max(height, 1.5) if value else 0


_GLANCE = (420, 96)  # wide, high


def _glance(bins: _Bins) -> bytes:
    width, height = _GLANCE
    canvas = Canvas(width, height, is_coarse=True)
    step = width // len(bins.names)
    bar = min(step * 8 // 10 // len(bins.objects), 30)
    for number, name in enumerate(bins.names):
        left = number * step + (step - bar * len(bins.objects)) // 2
        for objects, colour in zip(bins.objects.values(), map(COLOURS.__getitem__, bins.objects), strict=True):
            if objects[number]:
                tall = max(round((height - 20) * objects[number] / bins.most), 1)
                canvas.bar(left, height - 16 - tall, left + bar - 1, height - 16, colour)
            left += bar
        canvas.text(number * step + step // 2, height - 4, name, size=_FIGURE, colour=FAINT, anchor="ms")
    return canvas.png()


def _step(most: int) -> int:
    """The step of an axis with at most five steps: 1, 2 or 5 times a power of ten."""
    return next(step for power in count() for step in (10**power, 2 * 10**power, 5 * 10**power) if most <= 5 * step)


def compact(value: int) -> str:
    """A number in at most four characters, rounded down: `950`, `1.2k` or `35M`, and above that billions, `G`."""
    for limit, divisor, unit in ((10**3, 1, ""), (10**6, 10**3, "k"), (10**9, 10**6, "M")):
        if value < limit:
            whole, tenth = divmod(value * 10 // divisor, 10)
            return f"{whole}.{tenth}{unit}" if whole < 10 and tenth else f"{whole}{unit}"
    return f"{value // 10**9}G"
