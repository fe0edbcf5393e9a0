"""Progress bars for a terminal. `rich` is loaded with this module, so only if there is a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.runtime.progress import Listener


@contextmanager
def showing_bars(stream: TextIO) -> Iterator[Listener]:
    """Show bars on a terminal until the block ends."""
    with _bars(Console(file=stream)) as bars:
        yield _Bars(bars)


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        _BytesColumn(),
        _RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
    )


class _BytesColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(readable_bytes(task.fields["size"]))


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


class _Bars(Listener):
    """One bar for each activity."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._lock = Lock()

    def _task(self, activity: str) -> TaskID:
        if activity not in self._tasks:
            self._tasks[activity] = self._bars.add_task(activity, total=None, size=0)
        return self._tasks[activity]

    def expect(self, activity: str, objects: int, size: int) -> None:
        with self._lock:
            task = self._task(activity)
            total = self._bars.tasks[self._bars.task_ids.index(task)].total or 0
            self._bars.update(task, total=total + objects)

    def advance(self, activity: str, objects: int, size: int) -> None:
        with self._lock:
            task = self._task(activity)
            done = self._bars.tasks[self._bars.task_ids.index(task)].fields["size"]
            self._bars.update(task, advance=objects, size=done + size)
