"""How many pages of a listing to have in flight: as many as pay."""

# Twice as many in flight must bring at least this much more, or they are not worth their requests.
_WORTHWHILE = 1.15

# Pages, in units of those in flight, that one look at the speed covers.
_WINDOW = 2

# Looks to wait before more are tried again, as the server or the network may have changed.
_PATIENCE = 10


class Pace:
    """Doubles what is in flight while that makes the listing faster, and halves it when the server says so.

    Attributes:
        allowed: how many requests may be in flight.
    """

    def __init__(self, ceiling: int, now: float) -> None:
        """Begin carefully.

        Args:
            ceiling: the most requests in flight, at least 1.
            now: seconds on any clock that never goes back; the same one for all calls.
        """
        self._ceiling = ceiling
        self.allowed = min(2, ceiling)
        self._began = now
        self._pages = 0
        self._settled_for = 0
        self._slower: tuple[int, float] | None = None
        self._deaf_for = 0

    def page(self, now: float, in_flight: int) -> None:
        """Take note of a page that came.

        Args:
            now: when it came.
            in_flight: the requests in flight when it came, itself included.
        """
        self._deaf_for -= 1
        if in_flight < self.allowed:
            # There is not enough to do, or not yet: the speed says nothing about the number.
            self._look_again(now)
            return
        self._pages += 1
        if self._pages >= _WINDOW * self.allowed and now > self._began:
            self._judge(self._pages / (now - self._began))
            self._look_again(now)

    def slow_down(self, now: float) -> None:
        """Take note of a request that was refused for coming too soon.

        Requests that were sent before the last halving say nothing about what is allowed since.
        """
        if self._deaf_for > 0:
            return
        self._deaf_for = self.allowed
        self.allowed = max(1, self.allowed // 2)
        self._settled_for = 0
        self._slower = (self.allowed, float("inf"))
        self._look_again(now)

    def _judge(self, speed: float) -> None:
        if self._slower is None:
            self._grow(speed)
            return
        fewer, former_speed = self._slower
        if self.allowed > fewer and speed >= former_speed * _WORTHWHILE:
            self._grow(speed)
        elif self.allowed > fewer:
            self.allowed = fewer
            self._settled_for = 0
        else:
            self._settled_for += 1
            if self._settled_for >= _PATIENCE:
                self._grow(speed)

    def _grow(self, speed: float) -> None:
        self._slower = (self.allowed, speed)
        self._settled_for = 0
        self.allowed = min(self.allowed * 2, self._ceiling)

    def _look_again(self, now: float) -> None:
        self._began = now
        self._pages = 0
