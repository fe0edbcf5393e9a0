"""How the cost of a sync with nothing to do grows with the number of objects, as a table and as a picture."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import MIB, Usage
from benchmarks.serving import ServerProcess
from benchmarks.tasks import growth_task
from benchmarks.tools import Site

QUICK_SIZES = (10_000, 50_000)
FULL_SIZES = (100_000, 500_000, 1_000_000, 5_000_000)

_PANELS = (("wall", "seconds"), ("CPU", "CPU seconds"), ("peak", "peak memory, MiB"))
_COLOURS = {"hyve": "#4f43dd", "s5cmd": "#d1603d", "rclone": "#2a9d8f", "aws": "#8d99ae"}


@dataclass(frozen=True)
class Point:
    """What one tool needed for one size.

    Attributes:
        tool: which.
        title: its command.
        objects: in each of both buckets.
        usage: the cost of one run.
    """

    tool: str
    title: str
    objects: int
    usage: Usage

    def value(self, panel: str) -> float:
        """The figure that a panel shows."""
        return {"wall": self.usage.wall, "CPU": self.usage.cpu, "peak": self.usage.memory / MIB}[panel]


def measure_growth(
    sizes: Sequence[int], tools: Sequence[str], patience: float, server: ServerProcess, site: Site
) -> list[Point]:
    """Let every tool do each size once, the smallest first.

    Args:
        sizes: objects in each bucket, ascending.
        tools: which tools.
        patience: a tool that took over so many seconds gets no larger size; Hyve always does.
        server: the server.
        site: where the tools work.
    """
    points: list[Point] = []
    tired: set[str] = set()
    for size in sizes:
        task = growth_task(size)
        for contender in task.contenders:
            if contender.tool not in tools or contender.tool in tired:
                continue
            usage, _ = task.run(contender, server, site, patience)
            if usage.is_stopped:
                tired.add(contender.tool)
                continue
            points.append(Point(contender.tool, contender.title, size, usage))
            print(f"growth {size}: {usage.wall:7.2f} s, {usage.cpu:7.2f} s CPU  {contender.title}", file=sys.stderr)
    return points


def describe_growth(points: Sequence[Point], patience: float) -> str:
    """The table, in Markdown."""
    tools = list(dict.fromkeys(point.tool for point in points))
    by_place = {(point.tool, point.objects): point for point in points}
    heading = " | ".join(f"{tool}, {panel}" for tool in tools for panel, _ in _PANELS)
    lines = [
        "### Growth: a dryrun, or a sync with nothing to do, of so many objects in each bucket",
        "",
        f"| objects | {heading} |",
        "|--:|" + "--:|" * (len(tools) * len(_PANELS)),
    ]
    for size in sorted({point.objects for point in points}):
        cells: list[str] = []
        for tool in tools:
            point = by_place.get((tool, size))
            cells += [_figure(point.value(panel)) if point else "" for panel, _ in _PANELS]
        lines.append(f"| {size:,} | {' | '.join(cells)} |")
    commands = "; ".join(dict.fromkeys(point.title for point in points))
    return "\n".join(
        [
            *lines,
            "",
            f"Seconds, CPU seconds and MiB, of one run each: {commands}. A tool was stopped after {patience:.0f} "
            "seconds, and got no larger size.",
        ]
    )


def _figure(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def draw_growth(points: Sequence[Point], path: Path) -> None:
    """Draw seconds, CPU seconds and memory by size, both on logarithmic scales, into a PNG file."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(_PANELS), figsize=(13, 4.2), layout="constrained")
    for axis, (panel, title) in zip(axes, _PANELS, strict=True):
        for tool in dict.fromkeys(point.tool for point in points):
            mine = [point for point in points if point.tool == tool]
            axis.plot(
                [point.objects for point in mine],
                [point.value(panel) for point in mine],
                marker="o",
                label=tool,
                color=_COLOURS[tool],
                linewidth=2.4 if tool == "hyve" else 1.4,
            )
        axis.set(xscale="log", yscale="log", xlabel="objects in each bucket", title=title)
        axis.grid(visible=True, which="both", alpha=0.25)
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
