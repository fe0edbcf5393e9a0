"""Futures that are completed by a conversion, and such that follow others, without threads that wait."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")
U = TypeVar("U")


def complete(outcome: "Future[T]", convert: Callable[[A], T], value: A) -> None:
    """Give a future what `convert` makes of `value`, or the exception that it raises."""
    try:
        result = convert(value)
    except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
        outcome.set_exception(error)
    else:
        outcome.set_result(result)


def then(first: "Future[T]", convert: Callable[[T], U]) -> "Future[U]":
    """A future for `convert` of what `first` gives; an exception of either becomes its exception.

    `convert` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[U] = Future()
    first.add_done_callback(lambda done: complete(outcome, lambda _: convert(done.result()), done))
    return outcome


def recover(first: "Future[T]", convert: Callable[[BaseException], U]) -> "Future[T | U]":
    """A future for what `first` gives, or for `convert` of its exception, which may raise another.

    `convert` runs on the thread that completes `first`, so it must neither wait nor take long.
    """

    def result_or_other(done: "Future[T]") -> T | U:
        error = done.exception()
        return done.result() if error is None else convert(error)

    outcome: Future[T | U] = Future()
    first.add_done_callback(lambda done: complete(outcome, result_or_other, done))
    return outcome
