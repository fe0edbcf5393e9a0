"""Lets an op yield events while its work is in progress: Dagster stores an event only when the op yields it."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from queue import SimpleQueue
from threading import Event
from typing import TypeVar

from hyve_pipeline.core.runtime.interruption import interrupted_by

T = TypeVar("T")


def handed_on(work: Callable[[Callable[[T], None]], object]) -> Iterator[T]:
    """Do work on a thread, and yield what it passes on.

    A signal that ends the run reaches the main thread alone. The work is then asked to stop where nothing is lost,
    and this thread waits for it.

    Args:
        work: gets a function that it calls with each thing to yield.

    Raises:
        Exception: what the work raises.
    """
    end = object()
    handed: SimpleQueue[object] = SimpleQueue()
    wish = Event()

    def do() -> None:
        try:
            with interrupted_by(wish):
                work(handed.put)
        finally:
            handed.put(end)

    with ThreadPoolExecutor(1, thread_name_prefix="work") as thread:
        done: Future[None] = thread.submit(copy_context().run, do)
        try:
            while (item := handed.get()) is not end:
                yield item  # pyright: ignore[reportReturnType] - all but the end is passed on by the work
        finally:
            # No effect if the work has ended.
            wish.set()
        done.result()
