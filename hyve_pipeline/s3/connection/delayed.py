"""Does things a little later, on one thread for all of them."""

import heapq
import itertools
import time
from collections.abc import Callable
from threading import Condition, Thread

Action = Callable[[], None]


class Later:
    """Actions that wait for their time, or for the end. Thread-safe."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: list[tuple[float, int, Action, Action]] = []
        self._order = itertools.count()
        self._thread: Thread | None = None
        self._is_closed = False

    def do(self, seconds: float, action: Action, give_up: Action) -> bool:
        """Do something after some seconds, or `give_up` when `close` is called before.

        Neither must wait, take long, or raise.

        Returns:
            Whether one of the two will be done; not after `close`.
        """
        with self._changed:
            if self._is_closed:
                return False
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._order), action, give_up))
            if self._thread is None:
                self._thread = Thread(target=self._run, name="s3-later", daemon=True)
                self._thread.start()
            self._changed.notify()
        return True

    def close(self) -> None:
        """Give up what waits. Calling it again does nothing."""
        with self._changed:
            self._is_closed = True
            left, self._waiting = self._waiting, []
            self._changed.notify()
        for _, _, _, give_up in left:
            give_up()

    def _run(self) -> None:
        while (action := self._next()) is not None:
            action()

    def _next(self) -> Action | None:
        """Wait for the time of the first action; None after `close`."""
        with self._changed:
            while not self._is_closed:
                patience = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if patience is not None and patience <= 0:
                    return heapq.heappop(self._waiting)[2]
                self._changed.wait(patience)
        return None
