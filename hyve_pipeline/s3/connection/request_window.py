"""How many requests may be in flight: fewer while the server throttles, up to a ceiling."""

from collections.abc import Callable
from threading import Condition

# A round is as many responses as may be in flight: all that was begun under the present limit has ended by then.
# A round with up to this share of throttled requests counts as good; the transports' own retries cope with these.
_TOLERATED = 0.05

# How much a good round adds, as a share of the ceiling, and how little is left after bad ones: a server may throttle
# for other reasons than this load, and the work must not come to a standstill for them.
_GROWTH = 1 / 16

# A bad round takes away half of the share that was throttled, as in https://www.rfc-editor.org/rfc/rfc8257, so that
# one such response among many costs little, and a server that throttles everything soon gets few requests.
_CUT = 0.5


class Window:
    """The slots for requests in flight. Thread-safe: parts of large objects are sent from threads of their own.

    Attributes:
        limit: how many may be in flight now, at most the ceiling.
        lent: slots that `borrow` gave away, beside the one that each object has.
    """

    def __init__(self, ceiling: int, throttled: Callable[[], int] = lambda: 0) -> None:
        """Begin with all slots.

        Args:
            ceiling: the most requests in flight.
            throttled: gives how many requests the server throttled since some moment in the past.
        """
        self.limit = ceiling
        self.lent = 0
        self._ceiling = ceiling
        self._fewest = max(1, int(ceiling * _GROWTH))
        self._throttled = throttled
        self._before = throttled()
        self._ended = 0
        self._used = 0
        self._wanted = 0
        self._changed = Condition()

    def has_room(self, used: int) -> bool:
        """Whether one more object may be begun, where `used` have begun; parts that wait go first."""
        self._used = used
        if self._wanted:
            self.wake()
        return used + self.lent + self._wanted < self.limit

    def ended(self) -> None:
        """Take note that something in flight has ended."""
        self._ended += 1
        if self._ended < self.limit:
            return
        before, self._before = self._before, self._throttled()
        share = min(1.0, (self._before - before) / self._ended)
        self._ended = 0
        if share > _TOLERATED:
            self.limit = max(self._fewest, int(self.limit * (1 - share * _CUT)))
        else:
            self.limit = min(self._ceiling, self.limit + self._fewest)

    def borrow(self, until: Callable[[], bool]) -> bool:
        """Take one more slot, waiting for one until `until()`; `give_back` it later.

        Call `wake` when `until()` may have become true.

        Returns:
            Whether there is one slot more.
        """
        with self._changed:
            self._wanted += 1
            try:
                while not until():
                    if self._used + self.lent < self.limit:
                        self.lent += 1
                        return True
                    self._changed.wait()
            finally:
                self._wanted -= 1
        return False

    def give_back(self) -> None:
        """Give back a slot that was borrowed."""
        with self._changed:
            self.lent -= 1
            self._changed.notify_all()

    def wake(self) -> None:
        """Let the threads that wait in `borrow` check their `until()`."""
        with self._changed:
            self._changed.notify_all()
