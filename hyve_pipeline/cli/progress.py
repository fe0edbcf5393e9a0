"""Shows progress: bars on a terminal, now and then a line elsewhere, always on standard error."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from hyve_pipeline.cli.activities import Activities, Activity
from hyve_pipeline.cli.first_sign import hide_sign
from hyve_pipeline.cli.modes import is_quiet, verbosity
from hyve_pipeline.core.runtime.progress import listening

# Seconds between lines where there is no terminal: often enough to see that the work continues.
_LINE_SECONDS = 10.0


@contextmanager
def showing_progress(sync: str) -> Iterator[Activities]:
    """Show the progress of this process until the block ends.

    Args:
        sync: the sync's name, shown with each line.

    Returns:
        The figures that are shown.
    """
    if is_quiet():
        unseen = Activities()
        with listening(unseen):
            yield unseen
        return
    stream = sys.stderr
    if verbosity() or not has_bars(stream):
        lines = _Lines(sync, stream)
        try:
            with listening(lines):
                yield lines
            lines.say_empty()
        finally:
            lines.close()
        return
    from hyve_pipeline.cli.bars import showing_bars

    hide_sign()
    with showing_bars(stream) as bars, listening(bars):
        yield bars


def has_bars(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can show bars."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class _Lines(Activities):
    """A line for each activity when it ends, and one now and then before."""

    def __init__(self, sync: str, stream: TextIO) -> None:
        super().__init__()
        self._sync = sync
        self._stream = stream
        # When each activity had its last line.
        self._said: dict[str, float] = {}
        # What ended and did nothing: it is said before the next line. Where a command fails, its error is the one line.
        self._empty: list[Activity] = []

    def say_empty(self) -> None:
        """Say what ended and did nothing."""
        with self._lock:
            waiting, self._empty = self._empty, []
            for activity in waiting:
                self._write(activity)

    def _advanced(self, activity: Activity) -> None:
        now = time.monotonic()
        if now - self._said.setdefault(activity.name, activity.begun) > _LINE_SECONDS:
            self._said[activity.name] = now
            self._say(activity)

    def _ended(self, activity: Activity) -> None:
        # What was cut short before it did anything is no progress; the error's own line says what happened.
        if activity.objects or activity.failed:
            self._say(activity)
        elif activity.is_done:
            self._empty.append(activity)

    def _say(self, activity: Activity) -> None:
        self.say_empty()
        self._write(activity)

    def _write(self, activity: Activity) -> None:
        about = "" if activity.is_total_exact else "about "
        of = f" of {about}{activity.total:,}" if activity.total else ""
        size = activity.described_size().replace("/", " of ")
        size = f", {size}" if size else ""
        rate = f", {activity.objects / activity.seconds:,.0f}/s" if activity.objects and activity.seconds > 1 else ""
        failed = f", {activity.failed:,} failed" if activity.failed else ""
        line = f"{self._sync}: {activity.name}: {activity.objects:,}{of} {activity.unit}{size}{rate}{failed}\n"
        self._stream.write(line)
        self._stream.flush()
