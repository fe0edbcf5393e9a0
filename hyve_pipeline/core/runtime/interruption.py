"""How work is asked to end that a signal does not reach, or not at any moment.

A signal interrupts the main thread only, between any two lines. Work in other threads, and work that must not be cut
there, checks now and then whether it is to end, and then ends as if the signal had come to it: by `KeyboardInterrupt`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event

_wish: ContextVar[Event | None] = ContextVar("wish", default=None)


@contextmanager
def interrupted_by(wish: Event) -> Iterator[None]:
    """Let the work of this thread end when `wish` is set, until the block ends."""
    token = _wish.set(wish)
    try:
        yield
    finally:
        _wish.reset(token)


@contextmanager
def deferring_interrupts() -> Iterator[None]:
    """Let a signal interrupt the block only where it calls `raise_if_interrupted`, and at its end.

    For work of which nothing may be lost between two lines.
    """
    with interrupted_by(wish_to_end()):
        yield
        raise_if_interrupted()


def interrupt() -> None:
    """Interrupt this thread's work: at once, or soon where it defers that. For the handler of a signal.

    Raises:
        KeyboardInterrupt: at once.
    """
    wish = _wish.get()
    if wish is None:
        raise KeyboardInterrupt
    wish.set()


def wish_to_end() -> Event:
    """What is set when this thread's work is to end, for work that hands it on to others."""
    return _wish.get() or Event()


def raise_if_interrupted() -> None:
    """Let this thread's work end when it is meant to.

    Raises:
        KeyboardInterrupt: it is.
    """
    wish = _wish.get()
    if wish is not None and wish.is_set():
        raise KeyboardInterrupt


def pause(seconds: float) -> None:
    """Wait, but no longer than until this thread's work is to end.

    Raises:
        KeyboardInterrupt: it is to end.
    """
    wish = _wish.get()
    if wish is None:
        time.sleep(seconds)
    elif wish.wait(seconds):
        raise KeyboardInterrupt
