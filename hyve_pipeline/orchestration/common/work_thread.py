"""Lets an op yield events while its work is in progress: Dagster stores an event only when the op yields it."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from queue import SimpleQueue
from threading import Event
from typing import TypeVar

from hyve_pipeline.core.runtime.interruption import interrupted_by

T = TypeVar("T")


def yielded_from(work: Callable[[Callable[[T], None]], object]) -> Iterator[T]:
    """Do work on a thread, and yield what it passes on.

    A signal that ends the run reaches only the main thread. It then requests the work to stop at a safe point, and
    waits for it.

    Args:
        work: gets a function that it calls with each thing to yield.

    Raises:
        Exception: what the work raises.
    """
    end = object()
    passed: SimpleQueue[object] = SimpleQueue()
    stop = Event()

    def do() -> None:
        try:
            with interrupted_by(stop):
                work(passed.put)
        finally:
            passed.put(end)

    with ThreadPoolExecutor(1, thread_name_prefix="work") as thread:
        done: Future[None] = thread.submit(copy_context().run, do)
        try:
            while (item := passed.get()) is not end:
                yield item  # pyright: ignore[reportReturnType] - all but the end is passed on by the work
        finally:
            # No effect if the work has ended.
            stop.set()
        done.result()
