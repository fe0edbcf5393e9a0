"""Reports the progress of work to a listener.

The work calls `report`, and `expect` once it knows the total. Without `listening`, both do nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Listener(Protocol):
    """Receives progress, on the threads that do the work."""

    def expect(self, activity: str, objects: int, size: int) -> None:
        """Add objects and bytes to the total of this activity."""
        ...

    def advance(self, activity: str, objects: int, size: int) -> None:
        """Add objects and bytes that are done."""
        ...


_listener: Listener | None = None


def expect(activity: str, objects: int, size: int) -> None:
    """Report the total of an activity to the listener, if there is one.

    Args:
        activity: what is being done, such as ``list source`` or ``copy``.
        objects: how many objects.
        size: how many bytes.
    """
    if _listener is not None:
        _listener.expect(activity, objects, size)


def report(activity: str, objects: int, size: int) -> None:
    """Report to the listener, if there is one, what was done."""
    if _listener is not None:
        _listener.advance(activity, objects, size)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Report all progress of this process to `listener` within the block."""
    global _listener
    previous, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = previous
