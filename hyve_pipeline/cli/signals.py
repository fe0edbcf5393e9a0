"""Handles SIGTERM and SIGHUP like Ctrl-C, so that what a command started is stopped however it ends."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from hyve_pipeline.core.runtime.interruption import interrupt


@contextmanager
def ending_signals_interrupt() -> Iterator[None]:
    """Let the first SIGINT, SIGTERM or SIGHUP interrupt the work by `KeyboardInterrupt`, and ignore those that follow.

    A second one would interrupt the cleanup. SIGINT counts even where it was ignored before, as in a
    script's background process, since it is then meant for this process alone; an ignored SIGHUP (`nohup`)
    stays ignored.
    """
    ending = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ending.append(signal.SIGHUP)

    def handle(_number: int, _frame: FrameType | None) -> None:
        for number in ending:
            signal.signal(number, _ignore)
        interrupt()

    before = {number: signal.signal(number, handle) for number in ending}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing. Unlike SIG_IGN, a child does not inherit it."""
