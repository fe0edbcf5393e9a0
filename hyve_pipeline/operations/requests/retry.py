"""Tries a request again when its failure is likely to pass."""

import random
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from hyve_pipeline.operations.requests.in_flight import Pause, Reply
from hyve_pipeline.s3.wire.errors import S3RequestError

T = TypeVar("T")

# The transports retry quickly by themselves; these are the slower tries after they have given up.
_MOST_TRIES = 4
_FIRST_PAUSE_SECONDS = 0.5
_GROWTH = 4.0


class Tries:
    """The tries spent on one object.

    Attributes:
        count: how many requests were tried again, plus one.
    """

    def __init__(self) -> None:
        self.count = 1

    async def answer(self, send: Callable[[], "Future[T]"]) -> T:
        """The answer to a request, sent again with growing pauses while its failure is transient.

        Raises:
            S3RequestError: it failed for good, or too often.
        """
        pause = _FIRST_PAUSE_SECONDS
        for _ in range(_MOST_TRIES - 1):
            try:
                return await Reply(send())
            except S3RequestError as error:
                if not error.is_transient:
                    raise
            # Full jitter, so that many objects refused together do not come back together.
            # https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
            await Pause(random.uniform(0, pause))  # noqa: S311 - spreads load, guards nothing
            pause *= _GROWTH
            self.count += 1
        return await Reply(send())
