"""How many bytes of objects may be in memory at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class BudgetClosedError(Exception):
    """`Budget.close` was called: nothing more is to be read."""


class Budget:
    """Bytes that may be held at once. Thread-safe.

    Args:
        size: how many. What is larger than all of it is let through alone.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._waiting = 0
        self._is_closed = False
        self._changed = Condition()

    def take(self, count: int) -> int:
        """Wait until there is room for so many bytes, and take it.

        Returns:
            What is to be given back later.

        Raises:
            BudgetClosedError: `close` was called.
        """
        taken = min(count, self._size)
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._is_closed or self._used + taken <= self._size)
            finally:
                self._waiting -= 1
            if self._is_closed:
                raise BudgetClosedError
            self._used += taken
        return taken

    def try_take(self, count: int) -> int | None:
        """Like `take`, without waiting: None where there is no room now, or others wait for it."""
        with self._changed:
            if self._is_closed or self._waiting or self._used + count > self._size:
                return None
            self._used += count
        return count

    def give_back(self, taken: int) -> None:
        """Give back what `take` returned."""
        with self._changed:
            self._used -= taken
            self._changed.notify_all()

    @contextmanager
    def holding(self, count: int) -> Iterator[None]:
        """Take so many bytes for a block, see `take`."""
        taken = self.take(count)
        try:
            yield
        finally:
            self.give_back(taken)

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    def close(self) -> None:
        """Let nobody take anything any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
