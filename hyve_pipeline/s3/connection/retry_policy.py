"""The one place that says which requests are sent again: after which failures, how often, and when.

Nothing above sends a request again whose failure came through here: what failed for good is left to a person, to
``hyve retry``, or to the sensor, which begins a new run later.
"""

import random
from dataclasses import dataclass

from hyve_pipeline.s3.wire.errors import RESPONSE_TIMEOUT, S3RequestError

# How much later than it must the last try may come, so that requests refused together do not come back together.
_SPREAD = 0.25


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long and how often a request is sent again whose failure may pass.

    Attributes:
        patience: seconds after a request's first failure. The last try is not made before, so that trouble of that
            length is survived, and none begins after it, but for the `fewest_sends`.
        most_sends: how often a request is sent in all.
        fewest_sends: how often it is sent however long that takes; once less where each time it was the waiting that
            took long.
        first_delay: the first pause is at most that many seconds, each further one twice as long.
        most_sends_unreached: how often it is sent to a server that has never answered: it may not be there.
        once: the operations that are never sent again: each sending may have made one more version.
    """

    patience: float = 65.0
    most_sends: int = 10
    fewest_sends: int = 3
    first_delay: float = 0.25
    most_sends_unreached: int = 4
    once: frozenset[str] = frozenset()

    def pause(self, error: S3RequestError, *, sends: int, each: int, elapsed: float, is_reached: bool) -> float | None:
        """How many seconds to wait before a failed request is sent again; None where it should not be.

        Args:
            error: how it failed.
            sends: how often it was sent so far.
            each: how often the transport will send it the next time.
            elapsed: seconds since its first failure.
            is_reached: the server has answered something before, or now.
        """
        if not error.is_transient or sends >= self.most_sends or error.operation in self.once:
            return None
        fewest = self.fewest_sends - (error.code == RESPONSE_TIMEOUT)
        if sends >= fewest and elapsed >= self.patience:
            return None
        if not is_reached and sends >= self.most_sends_unreached:
            return None
        # Jitter below a bound that doubles, see
        # https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        pause = self.first_delay * 2.0 ** (sends - 1) * _jitter(0.5, 1)
        left = self.patience * _jitter(1, 1 + _SPREAD) - elapsed
        is_last = is_reached and sends + each >= self.most_sends
        return max(left, min(pause, self.first_delay)) if is_last or pause > left else pause


def _jitter(low: float, high: float) -> float:
    return random.uniform(low, high)  # noqa: S311 - spreads load, guards nothing
