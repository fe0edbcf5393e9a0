"""The tries spent on one object.

The connection retries requests, see `s3.connection.retry_policy`. Here, an object is copied again if all its requests
succeeded, but the bytes do not match the checksums of the source.
"""

import random
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from hyve_pipeline.operations.requests.in_flight import Begin, Call, Pause
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, S3RequestError
from hyve_pipeline.s3.wire.futures import deliver

T = TypeVar("T")

# How often an object is copied in all when the bytes that arrive are not those that were sent.
_MOST_MOVES = 3
_PAUSE_SECONDS = 0.5


class Tries:
    """The tries spent on one object.

    Attributes:
        count: how many requests were retried, plus one, as far as their results say.
    """

    def __init__(self) -> None:
        self.count = 1

    def answer(self, send: Callable[[], "Future[T]"]) -> Coroutine[Call[Any] | Pause, None, T]:
        """The result of one or several requests.

        Raises:
            S3RequestError: one failed for good.
        """
        return self.call(lambda on_end: deliver(send(), on_end))

    async def call(self, begin: Begin[T]) -> T:
        """Like `answer`, for requests that hand their result to a callback."""
        moves = 1
        while True:
            try:
                return self.counted(await Call(begin))
            except S3RequestError as error:
                await self.pause_after(error, moves)
                moves += 1

    async def answer_once(self, send: Callable[[], "Future[T]"]) -> T:
        """Like `answer`, without another try."""
        return self.counted(await Call(lambda on_end: deliver(send(), on_end)))

    def counted(self, result: T) -> T:
        """A result, whose requests are counted."""
        self.count += getattr(result, "sends", 1) - 1
        return result

    async def pause_after(self, error: S3RequestError, moves: int) -> None:
        """Wait before the next move after one that failed.

        Args:
            error: how it failed.
            moves: how many there were.

        Raises:
            S3RequestError: it failed for good.
        """
        self.count += error.sends - 1
        # Requests that the connection retried are not retried here: the tries would multiply.
        if error.code != INVALID_RESPONSE or error.sends > 1 or moves == _MOST_MOVES:
            raise error
        await Pause(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311 - spreads load, guards nothing
        self.count += 1
