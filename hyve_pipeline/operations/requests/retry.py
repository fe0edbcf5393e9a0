"""The tries spent on one object.

That requests are sent again is the connection's work, see `s3.connection.retry_policy`. What is left for here are
objects whose requests all succeeded, and whose bytes were still not those that the source's server tells of.
"""

import random
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from hyve_pipeline.operations.requests.in_flight import Pause, Reply
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, S3RequestError

T = TypeVar("T")

# How often an object is moved in all when other bytes arrived than were sent.
_MOST_MOVES = 3
_PAUSE_SECONDS = 0.5


class Tries:
    """The tries spent on one object.

    Attributes:
        count: how many requests were sent again, plus one, as far as their results tell it.
    """

    def __init__(self) -> None:
        self.count = 1

    async def answer(self, send: Callable[[], "Future[T]"]) -> T:
        """What comes of one or several requests.

        Raises:
            S3RequestError: it failed for good.
        """
        for _ in range(_MOST_MOVES - 1):
            try:
                return await self._result(send)
            except S3RequestError as error:
                # What was sent again by the connection is not sent again here: the tries would multiply.
                if error.code != INVALID_RESPONSE or error.sends > 1:
                    raise
            await Pause(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311 - spreads load, guards nothing
            self.count += 1
        return await self._result(send)

    async def _result(self, send: Callable[[], "Future[T]"]) -> T:
        try:
            result = await Reply(send())
        except S3RequestError as error:
            self.count += error.sends - 1
            raise
        self.count += getattr(result, "sends", 1) - 1
        return result
