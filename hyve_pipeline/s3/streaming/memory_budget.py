"""A limit on the bytes of objects in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class BudgetClosedError(Exception):
    """`Budget.close` was called."""


class Budget:
    """Bytes that may be held at once. Thread-safe.

    Args:
        size: the limit. A larger request takes all of it.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._waiting = 0
        self._is_closed = False
        self._changed = Condition()

    def take(self, count: int) -> int:
        """Wait for `count` free bytes, and take them.

        Returns:
            The number to give back later.

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
        """Like `take`, without waiting: None if the bytes are not free, or others wait for them."""
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
        """Take `count` bytes for a block, see `take`."""
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
        """Let every `take` fail from now on."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
