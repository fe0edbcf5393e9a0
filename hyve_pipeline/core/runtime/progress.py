"""How work in progress is reported to whoever watches it.

The work calls `report`, and `expect` when it knows how much there will be; nobody listens unless a command
asked to with `listening`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Listener(Protocol):
    """Hears of progress; called from whichever thread does the work."""

    def expect(self, activity: str, objects: int, size: int) -> None:
        """So many more objects and bytes are to come in this activity."""
        ...

    def advance(self, activity: str, objects: int, size: int) -> None:
        """So many more objects and bytes are done."""
        ...


_listener: Listener | None = None


def expect(activity: str, objects: int, size: int) -> None:
    """Tell the listener, if there is one, how much is to come.

    Args:
        activity: what is being done, such as ``list source`` or ``copy``.
        objects: objects to come.
        size: bytes to come.
    """
    if _listener is not None:
        _listener.expect(activity, objects, size)


def report(activity: str, objects: int, size: int) -> None:
    """Tell the listener, if there is one, of one step forward."""
    if _listener is not None:
        _listener.advance(activity, objects, size)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send all progress of this process to `listener` for a while."""
    global _listener
    previous, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = previous
