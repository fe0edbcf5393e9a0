"""Handles SIGTERM and SIGHUP like Ctrl-C, so that what a command started is stopped however it ends."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from hyve_pipeline.core.runtime.interruption import interrupt

# A terminal and a parent process may both pass on one Ctrl-C. A second signal after so many seconds was meant.
_ONE_SIGNAL_SECONDS = 0.3

_EXIT_CODE = 130

# Shows the cursor again, which bars hide, and begins a line.
_LEAVE_BARS = b"\x1b[?25h\r\n\x1b[K"

# What a terminal shows between the first signal and the end; None before the first signal.
_hint: str | None = None


def interruption_hint() -> str | None:
    """What to show of an interrupt that has come and has not yet ended the command; None when none has come."""
    return _hint


@contextmanager
def ending_signals_interrupt(last_words: Callable[[], str] | None = None) -> Iterator[None]:
    """Let the first SIGINT, SIGTERM or SIGHUP interrupt the work by `KeyboardInterrupt`.

    Those that follow are ignored, as they would interrupt the cleanup; or, with `last_words`, end the process at once.
    SIGINT counts even where it was ignored before, as in a script's background process, since it is then meant for
    this process alone; an ignored SIGHUP (`nohup`) stays ignored. Those that the parent has blocked are taken now.

    Args:
        last_words: gives the line that is printed on standard error when a second signal ends the process. It is
            called between any two lines of the work, so it must neither wait for a lock nor read the state.
    """
    global _hint
    ending = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    first_came = 0.0

    def handle_first(_number: int, _frame: FrameType | None) -> None:
        global _hint
        nonlocal first_came
        first_came = time.monotonic()
        for number in ending:
            signal.signal(number, handle_second)
        if last_words is not None:
            _hint = "interrupted: what is in flight ends first; Ctrl-C again ends at once"
        interrupt()

    def handle_second(_number: int, _frame: FrameType | None) -> None:
        if last_words is not None and time.monotonic() - first_came >= _ONE_SIGNAL_SECONDS:
            _end_at_once(last_words())

    before = {number: signal.signal(number, handle_first) for number in ending}
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)
        yield
    finally:
        _hint = None
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_once(line: str) -> None:
    """End this process, whatever its threads do; worker processes end with it, see `operations.workers.worker`."""
    leave = _LEAVE_BARS if os.isatty(2) and os.environ.get("TERM") != "dumb" else b""
    os.write(2, leave + f"hyve: {line}\n".encode(errors="backslashreplace"))
    os._exit(_EXIT_CODE)
