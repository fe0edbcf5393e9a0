"""Reports the progress of work to a listener.

An activity begins with its first report and ends by `end`; `expect` and `estimate` say how much there is to do. Without
`listening`, all of them do nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class Listener:
    """Receives progress, on the threads that do the work. This one ignores all of it."""

    def expect(self, activity: str, objects: int, size: int) -> None:
        """Add objects and bytes to the total of this activity."""

    def estimate(self, activity: str, objects: int) -> None:
        """Take so many objects as the likely total of this activity; 0 when nothing is known of it."""

    def advance(self, activity: str, objects: int, size: int) -> None:
        """Add objects and bytes that are done. An activity that had ended goes on."""

    def end(self, activity: str, objects: int | None, size: int | None, failed: int) -> None:
        """Take the activity as done.

        Args:
            activity: which one.
            objects: the final number of objects; None is the sum of those reported.
            size: the same for bytes.
            failed: how many of the objects failed.
        """


# This process's, one that ignores all where nobody listens.
_listener = Listener()


def expect(activity: str, objects: int, size: int) -> None:
    """Report the total of an activity to the listener.

    Args:
        activity: what is being done, such as ``list source`` or ``copy``.
        objects: how many objects.
        size: how many bytes; 0 where they do not matter.
    """
    _listener.expect(activity, objects, size)


def estimate(activity: str, objects: int) -> None:
    """Report that an activity begins, and its likely total of objects; 0 when nothing is known of it."""
    _listener.estimate(activity, objects)


def report(activity: str, objects: int, size: int) -> None:
    """Report to the listener what was done."""
    _listener.advance(activity, objects, size)


def end(activity: str, objects: int | None = None, size: int | None = None, *, failed: int = 0) -> None:
    """Report that an activity is done; see `Listener.end`."""
    _listener.end(activity, objects, size, failed)


def listener() -> Listener:
    """Who listens now; one that ignores all where nobody does."""
    return _listener


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Report all progress of this process to `listener` within the block."""
    global _listener
    previous, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = previous
