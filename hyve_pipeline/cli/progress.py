"""Shows progress: bars on a terminal, now and then a line elsewhere, always on standard error."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TextIO

from hyve_pipeline.cli.modes import is_quiet, verbosity
from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.runtime.progress import Listener, listening

# Seconds between lines where there is no terminal: often enough to see that the work continues.
_LINE_SECONDS = 10.0


@contextmanager
def showing_progress(sync: str) -> Iterator[None]:
    """Show the progress of this process until the block ends.

    Args:
        sync: the sync's name, shown with each line.
    """
    if is_quiet():
        yield
        return
    stream = sys.stderr
    if verbosity() or not stream.isatty() or os.environ.get("TERM") == "dumb":
        lines = _Lines(sync, stream)
        try:
            with listening(lines):
                yield
        finally:
            lines.close()
        return
    from hyve_pipeline.cli.bars import showing_bars

    # A wide line would wrap, and a wrapped bar scrolls instead of standing still.
    with showing_bars(stream) as bars, listening(bars):
        yield


@dataclass
class _Activity:
    begun: float
    objects: int = 0
    size: int = 0
    expected: int = 0
    said: float = 0.0
    last: float = 0.0


class _Lines(Listener):
    """A line for each activity when it ends, and one now and then before."""

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
