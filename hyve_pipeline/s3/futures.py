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


def follow(first: "Future[T]", go_on: Callable[[T], "Future[U]"]) -> "Future[U]":
    """A future for what the future gives that `go_on` makes of what `first` gives; any exception becomes its own.

    `go_on` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[U] = Future()
    first.add_done_callback(lambda done: _go_on(outcome, lambda: go_on(done.result())))
    return outcome


def retry(first: "Future[T]", go_on: Callable[[BaseException], "Future[T]"]) -> "Future[T]":
    """A future for what `first` gives, or else for what the future gives that `go_on` makes of its exception.

    `go_on` may raise another one. It runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[T] = Future()

    def end(done: "Future[T]") -> None:
        error = done.exception()
        if error is None:
            outcome.set_result(done.result())
        else:
            _go_on(outcome, lambda: go_on(error))

    first.add_done_callback(end)
    return outcome


def both(first: "Future[T]", second: "Future[U]") -> "Future[tuple[T, U]]":
    """A future for what two futures give; an exception of either becomes its exception."""
    outcome: Future[tuple[T, U]] = Future()

    def wait_for_second(done: "Future[T]") -> None:
        try:
            result = done.result()
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
            outcome.set_exception(error)
        else:
            # The result and not the future: two futures that know each other are freed only by the garbage
            # collector, which took longer for them than all else does.
            second.add_done_callback(lambda other: complete(outcome, lambda _: (result, other.result()), other))

    first.add_done_callback(wait_for_second)
    return outcome


def _go_on(outcome: "Future[T]", begin: "Callable[[], Future[T]]") -> None:
    try:
        begun = begin()
    except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
        outcome.set_exception(error)
    else:
        begun.add_done_callback(lambda done: complete(outcome, lambda _: done.result(), done))
