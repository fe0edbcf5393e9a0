"""Progress bars for a terminal. `rich` is loaded with this module, so only if there is a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hyve_pipeline.cli.activities import Activities, Activity
from hyve_pipeline.cli.signals import interruption_hint

_FRAMES_A_SECOND = 8

# The marks of an activity that goes on, in turn; that is done, has failures, or was cut short. For terminals of ASCII
# alone there are others.
_GOING_ON, _DONE, _FAILED, _STOPPED = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "✓", "!", "■"
_ASCII_GOING_ON, _ASCII_DONE, _ASCII_STOPPED = "|/-\\", "+", "-"

_LEAST_BAR, _MOST_BAR = 8, 24

# Left free for the "^C" that a terminal shows at Ctrl-C: where it began a new line, a bar would stay behind.
_ECHO = 2

# The columns that a narrow terminal does without, the first one first.
_DROPPED = ("rate", "left", "bar", "size", "elapsed")


@contextmanager
def showing_bars(stream: TextIO) -> Iterator[Activities]:
    """Show bars on a terminal until the block ends."""
    bars = _Bars()
    with Live(bars, console=Console(file=stream), refresh_per_second=_FRAMES_A_SECOND):
        try:
            yield bars
        finally:
            bars.close()


class _Bars(Activities):
    """One line for each activity, never wider than the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = time.monotonic()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(1, options.max_width - _ECHO)
        activities = self.all()
        if activities:
            yield Constrain(_table(activities, options.update(width=width)), width)
        elif not self.is_closed:
            yield _line(f"{_turning(options)} connecting  {_clock(time.monotonic() - self._begun)}", width)
        hint = None if self.is_closed else interruption_hint()
        if hint is not None:
            yield _line(hint, width, "yellow")


def _line(text: str, width: int, style: str = "") -> RenderableType:
    return Constrain(Text(text, style=style, no_wrap=True, overflow="ellipsis"), width)


def _table(activities: list[Activity], options: ConsoleOptions) -> Table:
    rates = [activity.rate() for activity in activities]
    columns: dict[str, list[RenderableType]] = {
        "mark": [_mark(activity, options) for activity in activities],
        "name": [Text(activity.name) for activity in activities],
        "bar": [],
        "objects": [Text(_objects(activity)) for activity in activities],
        "size": [Text(activity.described_size()) for activity in activities],
        "rate": [Text("" if rate is None else f"{rate:,.0f}/s", style="dim") for rate in rates],
        "elapsed": [Text(_clock(activity.seconds)) for activity in activities],
        "left": [_left(activity, rate) for activity, rate in zip(activities, rates, strict=True)],
    }
    widths = {name: max((cell_len(str(cell)) for cell in cells), default=0) for name, cells in columns.items()}
    widths["bar"] = _LEAST_BAR
    shown = [name for name in columns if widths[name]]
    for name in _DROPPED:
        if _needed(shown, widths) <= options.max_width:
            break
        shown = [other for other in shown if other != name]
    if "bar" in shown:
        room = options.max_width - _needed(shown, widths)
        width = min(_MOST_BAR, _LEAST_BAR + room)
        columns["bar"] = [_bar(activity, width) for activity in activities]
    table = Table.grid(padding=(0, 1, 0, 0))
    for name in shown:
        table.add_column(no_wrap=True, justify="left" if name in ("mark", "name", "bar", "left") else "right")
    for cells in zip(*(columns[name] for name in shown), strict=True):
        table.add_row(*cells)
    return table


def _needed(shown: list[str], widths: dict[str, int]) -> int:
    return sum(widths[name] + 1 for name in shown)


def _turning(options: ConsoleOptions) -> str:
    frames = _ASCII_GOING_ON if options.ascii_only else _GOING_ON
    return frames[int(time.monotonic() * _FRAMES_A_SECOND) % len(frames)]


def _mark(activity: Activity, options: ConsoleOptions) -> Text:
    if activity.ended is None:
        return Text(_turning(options), style="cyan")
    if activity.failed:
        return Text(_FAILED, style="red")
    if activity.is_done:
        return Text(_ASCII_DONE if options.ascii_only else _DONE, style="green")
    return Text(_ASCII_STOPPED if options.ascii_only else _STOPPED, style="yellow")


def _objects(activity: Activity) -> str:
    about = "" if activity.is_total_exact else "~"
    of = f"/{about}{activity.total:,}" if activity.total else ""
    unit = "" if activity.unit.startswith("object") else f" {activity.unit}"
    return f"{activity.objects:,}{of}{unit}"


def _bar(activity: Activity, width: int) -> ProgressBar:
    if activity.is_done:
        return ProgressBar(total=1, completed=1, width=width)
    total = activity.total or (None if activity.ended is None else 1)
    completed = activity.objects if activity.total else 0
    return ProgressBar(total=total, completed=completed, width=width, animation_time=time.monotonic())


def _left(activity: Activity, rate: float | None) -> Text:
    if activity.failed:
        return Text(f"{activity.failed:,} failed", style="red")
    seconds = activity.seconds_left(rate)
    return Text("" if seconds is None else f"{_clock(seconds)} left", style="dim")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
