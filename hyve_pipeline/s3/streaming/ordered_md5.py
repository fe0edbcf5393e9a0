"""The MD5 of an object whose parts arrive in any order."""

import hashlib
from threading import Condition


class OrderedDigest:
    """An MD5 that hashes parts in the order of their numbers, from 1. Thread-safe.

    Parts must be started in this order too, or all threads could wait for one that was not started.
    """

    def __init__(self) -> None:
        self._digest = hashlib.md5(usedforsecurity=False)
        self._next = 1
        self._has_failed = False
        self._changed = Condition()

    def update(self, number: int, data: bytes) -> None:
        """Wait for all earlier parts, and hash this one. Does nothing after `fail`."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_failed or self._next == number)
            if self._has_failed:
                return
            self._digest.update(data)
            self._next += 1
            self._changed.notify_all()

    def fail(self) -> None:
        """Let all waiting threads continue, because a part will not come."""
        with self._changed:
            self._has_failed = True
            self._changed.notify_all()

    def value(self) -> str:
        """The MD5 in hexadecimal digits."""
        return self._digest.hexdigest()
