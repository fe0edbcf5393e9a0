"""Putting futures one behind the other, without threads that wait."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def then(first: "Future[T]", convert: Callable[[T], U]) -> "Future[U]":
    """A future for `convert` of what `first` gives; an exception of either becomes its exception.

    `convert` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[U] = Future()

    def on_done(done: "Future[T]") -> None:
        try:
            outcome.set_result(convert(done.result()))
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
            outcome.set_exception(error)

    first.add_done_callback(on_done)
    return outcome


def chain(first: "Future[T]", follow: Callable[["Future[T]"], "Future[U]"]) -> "Future[U]":
    """A future for the future that `follow` makes of `first` once `first` is done, well or not.

    `follow` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[U] = Future()

    def on_done(done: "Future[T]") -> None:
        try:
            follow(done).add_done_callback(lambda last: hand_on(last, outcome))
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
            outcome.set_exception(error)

    first.add_done_callback(on_done)
    return outcome


def hand_on(done: "Future[T]", outcome: "Future[T]") -> None:
    """Give a future what another one holds."""
    error = done.exception()
    if error is None:
        outcome.set_result(done.result())
    else:
        outcome.set_exception(error)


def completed(value: T) -> "Future[T]":
    """A future that has its result already."""
    outcome: Future[T] = Future()
    outcome.set_result(value)
    return outcome


def recover(first: "Future[T]", convert: Callable[[BaseException], U]) -> "Future[T | U]":
    """A future for what `first` gives, or for `convert` of its exception, which may raise another.

    `convert` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[T | U] = Future()

    def on_done(done: "Future[T]") -> None:
        error = done.exception()
        try:
            outcome.set_result(done.result() if error is None else convert(error))
        except BaseException as other:  # noqa: BLE001 - it is handed to whoever waits
            outcome.set_exception(other)

    first.add_done_callback(on_done)
    return outcome
