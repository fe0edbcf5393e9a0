"""Shows progress: bars on a terminal, now and then a line elsewhere, always on standard error.

It writes to a duplicate of standard error made before any run begins, because Dagster captures the real one
while a run goes on.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

from hyve_pipeline.cli.output import readable_bytes
from hyve_pipeline.core.progress import Listener, listening

# Where there is no terminal, a line this often is enough to see that the work goes on.
_LINE_SECONDS = 10.0


@contextmanager
def showing_progress(sync: str) -> Iterator[None]:
    """Show the progress of this process until the block ends.

    Args:
        sync: the sync's name, shown with each line.
    """
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="backslashreplace") as stream:
        if not stream.isatty() or os.environ.get("TERM") == "dumb":
            lines = _Lines(sync, stream)
            try:
                with listening(lines):
                    yield
            finally:
                lines.close()
            return
        # A wide line would wrap, and a wrapped bar scrolls instead of standing still.
        console = Console(file=stream)
        with _bars(console) as bars, listening(_Bars(bars)):
            yield


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
    """One bar an activity."""

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


@dataclass
class _Activity:
    begun: float
    objects: int = 0
    size: int = 0
    expected: int = 0
    said: float = 0.0
    last: float = 0.0


class _Lines(Listener):
    """A line an activity when it is over, and one now and then before."""

    def __init__(self, sync: str, stream: TextIO) -> None:
        self._sync = sync
        self._stream = stream
        self._activities: dict[str, _Activity] = {}
        self._lock = Lock()

    def _activity(self, name: str) -> _Activity:
        now = time.monotonic()
        return self._activities.setdefault(name, _Activity(begun=now, said=now, last=now))

    def expect(self, activity: str, objects: int, size: int) -> None:
        with self._lock:
            self._activity(activity).expected += objects

    def advance(self, activity: str, objects: int, size: int) -> None:
        with self._lock:
            entry = self._activity(activity)
            entry.objects += objects
            entry.size += size
            entry.last = time.monotonic()
            if entry.last - entry.said > _LINE_SECONDS:
                self._say(activity, entry)

    def _say(self, name: str, entry: _Activity) -> None:
        entry.said = time.monotonic()
        seconds = entry.last - entry.begun
        of = f" of {entry.expected:,}" if entry.expected else ""
        rate = f", {entry.objects / seconds:,.0f}/s" if seconds > 1 else ""
        size = f", {readable_bytes(entry.size)}" if entry.size else ""
        self._stream.write(f"{self._sync}: {name}: {entry.objects:,}{of} objects{size}{rate}\n")
        self._stream.flush()

    def close(self) -> None:
        """Say how each activity ended."""
        with self._lock:
            for name, entry in self._activities.items():
                self._say(name, entry)
