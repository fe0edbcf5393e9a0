"""The number of pages of a listing in flight: as many as make it faster."""

# Twice as many in flight must speed the listing up by this factor.
_MIN_SPEED_UP = 1.15

# Pages in one measurement of the speed, in units of those in flight.
_WINDOW = 2

# Measurements before more are tried again, as the server or the network may have changed.
_PATIENCE = 10


class Pace:
    """Doubles the requests in flight while that makes the listing faster, and halves them when the server throttles.

    Attributes:
        allowed: how many requests may be in flight.
    """

    def __init__(self, ceiling: int, now: float) -> None:
        """Begin with few.

        Args:
            ceiling: the most requests in flight, at least 1.
            now: seconds on a monotonic clock; the same one for all calls.
        """
        self._ceiling = ceiling
        self.allowed = min(2, ceiling)
        self._began = now
        self._pages = 0
        self._settled_for = 0
        self._slower: tuple[int, float] | None = None
        self._ignored = 0

    def page(self, now: float, in_flight: int) -> None:
        """Count a page.

        Args:
            now: when it arrived.
            in_flight: the requests in flight when it arrived, its own included.
        """
        self._ignored -= 1
        if in_flight < self.allowed:
            # Not enough work, or not yet: the speed does not depend on the allowed number.
            self._measure_again(now)
            return
        self._pages += 1
        if self._pages >= _WINDOW * self.allowed and now > self._began:
            self._judge(self._pages / (now - self._began))
            self._measure_again(now)

    def slow_down(self, now: float) -> None:
        """Halve, because a request was throttled.

        Requests that were sent before the last halving are ignored.
        """
        if self._ignored > 0:
            return
        self._ignored = self.allowed
        self.allowed = max(1, self.allowed // 2)
        self._settled_for = 0
        self._slower = (self.allowed, float("inf"))
        self._measure_again(now)

    def _judge(self, speed: float) -> None:
        if self._slower is None:
            self._grow(speed)
            return
        fewer, former_speed = self._slower
        if self.allowed > fewer and speed >= former_speed * _MIN_SPEED_UP:
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

    def _measure_again(self, now: float) -> None:
        self._began = now
        self._pages = 0
