"""How work in progress is reported to whoever watches it.

The work calls `report`; nobody listens unless a command line asked to with `listening`. It is a plain
module-level listener because an op that Dagster runs in this process has no other way to reach the
terminal: inside a run, standard output and error are captured.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """One step forward.

    Attributes:
        activity: what is being done, such as ``list source`` or ``copy``.
        objects: objects done since the last report.
        bytes: bytes done since the last report.
    """

    activity: str
    objects: int
    bytes: int


class Listener(Protocol):
    """Hears of progress; called from whichever thread does the work."""

    def __call__(self, progress: Progress) -> None:
        """Take in one step."""
        ...


_listener: Listener | None = None


def report(activity: str, objects: int, size: int) -> None:
    """Tell the listener, if there is one."""
    if _listener is not None:
        _listener(Progress(activity, objects, size))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send all progress of this process to `listener` for a while."""
    global _listener
    previous, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = previous
