"""Cooperative interruption of work that a signal can't interrupt, or not at any point.

A signal interrupts the main thread only, between any two lines. Work in other threads, and work that must not be cut
off between two lines, polls for a request to stop and then raises `KeyboardInterrupt` itself.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event

_stop: ContextVar[Event | None] = ContextVar("stop", default=None)


@contextmanager
def interrupted_by(stop: Event) -> Iterator[None]:
    """Interrupt this thread's work when `stop` is set, within the block."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


@contextmanager
def deferring_interrupts() -> Iterator[None]:
    """Let a signal interrupt the block only where it calls `raise_if_interrupted`, and at its end.

    For work that must not lose data between two lines.
    """
    with interrupted_by(stop_event()):
        yield
        raise_if_interrupted()


def interrupt() -> None:
    """Interrupt this thread's work from a signal handler: at once, or soon where the work defers interrupts.

    Raises:
        KeyboardInterrupt: the work does not defer interrupts.
    """
    stop = _stop.get()
    if stop is None:
        raise KeyboardInterrupt
    stop.set()


def stop_event() -> Event:
    """The event that interrupts this thread's work, to be passed on to other threads."""
    return _stop.get() or Event()


def raise_if_interrupted() -> None:
    """Stop here if this thread's work was interrupted.

    Raises:
        KeyboardInterrupt: it was.
    """
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise KeyboardInterrupt


def pause(seconds: float) -> None:
    """Sleep, or until this thread's work is interrupted.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    stop = _stop.get()
    if stop is None:
        time.sleep(seconds)
    elif stop.wait(seconds):
        raise KeyboardInterrupt
