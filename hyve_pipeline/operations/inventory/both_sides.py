"""Does something for both buckets at the same time."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from threading import Event
from typing import TypeVar

from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.core.runtime.interruption import deferring_interrupts, interrupted_by, raise_if_interrupted

T = TypeVar("T")

# How often it is looked whether a signal came. What its handler raises can be lost: in a callback of a weak reference,
# where Python ignores exceptions, or before a wait without an end, which it does not wake.
_POLL_SECONDS = 0.1


def for_each_side(sides: Sequence[Side], function: Callable[[Side], T]) -> dict[Side, T]:
    """Call a function for each side, in a thread each. Where one fails, the others are interrupted.

    Raises:
        KeyboardInterrupt: this thread was interrupted, and so were the others.
        Exception: what the function raised.
    """
    stop = Event()

    def call(side: Side) -> T:
        with interrupted_by(stop):
            return function(side)

    with ThreadPoolExecutor(len(sides), thread_name_prefix="side") as pool, deferring_interrupts():
        futures: dict[Side, Future[T]] = {side: pool.submit(call, side) for side in sides}
        try:
            left = set(futures.values())
            while left:
                _, left = wait(left, _POLL_SECONDS, FIRST_EXCEPTION)
                raise_if_interrupted()
                for future in futures.values():
                    if future.done():
                        future.result()
        except BaseException:
            stop.set()
            raise
    return {side: future.result() for side, future in futures.items()}
