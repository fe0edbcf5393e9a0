"""Draws the objects of a plan by top-level prefix, by size and by age."""

import itertools
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from hyve_pipeline.core.base.counts import noun
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.summary import AGE_BINS, SIZE_BINS, PlanSummary, SetSummary
from hyve_pipeline.report.chart import Bar, Chart, Row, svg

# The figure of an amount, and the amount itself.
_Measure = tuple[Callable[[Count], int], Callable[[int], str]]
_OBJECTS: _Measure = (lambda count: count.objects), "{:,}".format
_BYTES: _Measure = (lambda count: count.bytes), readable_bytes


def charts_of(summary: PlanSummary) -> list[Chart]:
    """All charts of a plan; none where it has nothing to do."""
    return [*_prefix_charts(summary), *_histograms(summary)] if summary.sets else []


def draw_prefixes(summary: PlanSummary) -> str:
    """Objects and bytes of each set by top-level prefix, as the URL of an SVG; the summary must have a set."""
    return _embedded(svg(_prefix_charts(summary), is_standalone=True))


def draw_histograms(summary: PlanSummary) -> str:
    """Objects of each set by size and by age, as the URL of an SVG; the summary must have a set."""
    return _embedded(svg(_histograms(summary), is_standalone=True))


def draw_glances(summary: PlanSummary) -> dict[str, str]:
    """The two histograms by title, each as the URL of an SVG of a few hundred bytes without figures."""
    return {axis.title: _glance(_Bins(summary, axis)) for axis in _AXES}


def _embedded(picture: str) -> str:
    return f"data:image/svg+xml;base64,{b64encode(picture.encode()).decode()}"


def _prefix_charts(summary: PlanSummary) -> list[Chart]:
    return [
        Chart("Objects by top-level prefix", list(_prefix_rows(summary, _OBJECTS))),
        Chart("Bytes by top-level prefix", list(_prefix_rows(summary, _BYTES))),
    ]


def _prefix_rows(summary: PlanSummary, measure: _Measure) -> Iterator[Row]:
    value, figure = measure
    for name, entry in summary.sets.items():
        total = figure(value(entry.count))
        unit = "" if measure is _BYTES else f" {noun(entry.count.objects)}"
        yield Row(f"{summary.label(name)}: {total}{unit}", swatch=name)
        for prefix in entry.prefixes:
            amount = value(prefix.count)
            bars = (Bar(name, amount, figure(amount)),)
            yield Row(prefix.prefix or "(no prefix)", bars, is_key=bool(prefix.prefix))
        if entry.other_prefixes.objects:
            amount = value(entry.other_prefixes)
            yield Row("(other prefixes)", (Bar(name, amount, figure(amount)),))


@dataclass(frozen=True)
class _Axis:
    """What objects are counted by: a title, the names of the bins, those of ranges, and the bins of a set."""

    title: str
    names: Sequence[str]
    ranges: Sequence[str]
    bins_of: Callable[[SetSummary], tuple[Count, ...]]


def _ranges(names: Sequence[str]) -> list[str]:
    """A bin ends where the next one begins, and the last has no end."""
    ranges = [f"{low} to {high}" for low, high in itertools.pairwise(names)]
    return [*ranges, f"{names[-1]} and more"]


_SIZES = [name for _, name in SIZE_BINS]
_AGES = [name for _, name in AGE_BINS]
_AXES = (
    _Axis("Objects by size", _SIZES, ["empty", *_ranges(_SIZES[1:])], lambda entry: entry.sizes),
    _Axis("Objects by age", _AGES, ["less than 1 hour", *_ranges(_AGES[1:])], lambda entry: entry.ages),
)


class _Bins:
    """The bins that have any objects, and those between them.

    Attributes:
        names: where each bin begins.
        ranges: the range of each bin, in words.
        objects: the objects of each set, by bin.
        most: the most objects of a set in a bin.
    """

    def __init__(self, summary: PlanSummary, axis: _Axis) -> None:
        objects = {name: [count.objects for count in axis.bins_of(entry)] for name, entry in summary.sets.items()}
        filled = [number for number in range(len(axis.names)) if any(bins[number] for bins in objects.values())]
        shown = slice(min(filled, default=0), max(filled, default=0) + 1)
        self.names = axis.names[shown]
        self.ranges = axis.ranges[shown]
        self.objects = {name: bins[shown] for name, bins in objects.items()}
        self.most = max(max(bins) for bins in self.objects.values())


def _histograms(summary: PlanSummary) -> list[Chart]:
    return [_histogram(axis.title, _Bins(summary, axis), summary) for axis in _AXES]


def _histogram(title: str, bins: _Bins, summary: PlanSummary) -> Chart:
    rows = [
        Row(name, tuple(Bar(of, objects[number], f"{objects[number]:,}") for of, objects in bins.objects.items()))
        for number, name in enumerate(bins.ranges)
    ]
    return Chart(title, rows, legend={name: summary.label(name) for name in bins.objects})


# Dagster's UI shows Markdown at once only below 1,000 characters. So a glance is one path for each set, and its labels
# are one line of monospaced text, which is fitted to its width.
_GLANCE = (420, 96)  # wide, high
_AXIS = 80
_CHARACTER = 5.1  # how wide one is of that text

# Readable on white and on black: the picture does not know what it is shown on.
_COLOURS = {
    ChangeSet.NEW: "#29d",
    ChangeSet.MODIFIED: "#d91",
    ChangeSet.DRIFTED: "#4a9",
    ChangeSet.DUPLICATE: "#b48",
}


def _glance(bins: _Bins) -> str:
    width, height = _GLANCE
    step = width // len(bins.names)
    bar = min(step * 8 // 10 // len(bins.objects), 30)
    paths = ""
    for place, (name, objects) in enumerate(bins.objects.items()):
        left = (step - bar * len(bins.objects)) // 2 + bar * place + bar // 2
        bars = "".join(
            f"M{number * step + left},{_AXIS - max(round(76 * value / bins.most), 1)}V{_AXIS}"
            for number, value in enumerate(objects)
            if value
        )
        paths += f"<path stroke='{_COLOURS[name]}' d='{bars}'/>"
    columns = int(step / _CHARACTER)
    labels = "".join(name.center(columns)[:columns] for name in bins.names).replace("<", "&lt;")
    picture = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' stroke-width='{bar}'>{paths}"
        f"<text xml:space='preserve' y='92' textLength='{step * len(bins.names)}' font-family='monospace' "
        f"font-size='8.5' fill='#78828c'>{labels}</text></svg>"
    )
    # Only what a URL in Markdown can't have is percent-encoded: base64 would be a third longer.
    return "data:image/svg+xml," + quote(picture, safe="/:=',;")
