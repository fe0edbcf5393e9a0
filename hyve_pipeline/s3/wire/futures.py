"""Chains of futures, without threads that wait."""

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from hyve_pipeline.s3.wire.errors import S3RequestError

A = TypeVar("A")
T = TypeVar("T")
U = TypeVar("U")


def complete(outcome: "Future[T]", convert: Callable[[A], T], value: A) -> None:
    """Complete a future with `convert(value)`, or with the exception that it raises."""
    try:
        result = convert(value)
    except BaseException as error:  # noqa: BLE001 - it is passed on to the caller
        fail(outcome, error)
    else:
        outcome.set_result(result)


def completed(result: T) -> "Future[T]":
    """A future that has its result already."""
    outcome: Future[T] = Future()
    outcome.set_result(result)
    return outcome


def finish(outcome: "Future[T]", ended: T | BaseException) -> None:
    """Give a future a result or an exception."""
    if isinstance(ended, BaseException):
        fail(outcome, ended)
    else:
        outcome.set_result(ended)


def finish_reading(outcome: "Future[T]", read: Callable[[S3RequestError], T], ended: T | BaseException) -> None:
    """Give a future the result of a request, or what `read` makes of its error, see `Connection.exchange`."""
    if isinstance(ended, S3RequestError):
        complete(outcome, read, ended)
    else:
        finish(outcome, ended)


def deliver(first: "Future[T]", on_end: Callable[[T | BaseException], object]) -> None:
    """Call a function with the result or the exception of a future, on the thread that completes it."""
    _on_end(first, on_end, on_end)


def then(first: "Future[T]", convert: Callable[[T], U]) -> "Future[U]":
    """A future for `convert` of the result of `first`; an exception of either becomes its exception.

    `convert` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[U] = Future()
    _on_end(first, lambda value: complete(outcome, convert, value), outcome.set_exception)
    return outcome


def recover(first: "Future[T]", convert: Callable[[BaseException], U]) -> "Future[T | U]":
    """A future for the result of `first`, or for `convert` of its exception, which may raise another.

    `convert` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[T | U] = Future()
    _on_end(first, outcome.set_result, lambda error: complete(outcome, convert, error))
    return outcome


def follow(first: "Future[T]", go_on: Callable[[T], "Future[U]"]) -> "Future[U]":
    """A future for the result of the future `go_on(result of first)`; any exception becomes its exception.

    `go_on` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[U] = Future()
    _on_end(first, lambda value: _go_on(outcome, go_on, value), outcome.set_exception)
    return outcome


def retry(first: "Future[T]", go_on: Callable[[BaseException], "Future[T]"]) -> "Future[T]":
    """A future for the result of `first`, or else for that of the future `go_on(exception of first)`.

    `go_on` may raise another one. It runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[T] = Future()
    _on_end(first, outcome.set_result, lambda error: _go_on(outcome, go_on, error))
    return outcome


def both(first: "Future[T]", second: "Future[U]") -> "Future[tuple[T, U]]":
    """A future for the results of two futures; an exception of either becomes its exception."""
    # The second refers to the first's result, not to the first: a cycle of futures would be freed only by the garbage
    # collector, which took longer for them than everything else does.
    return follow(first, lambda one: then(second, lambda other: (one, other)))


def _go_on(outcome: "Future[T]", go_on: "Callable[[A], Future[T]]", value: A) -> None:
    """Complete a future with the outcome of the future `go_on(value)`."""
    try:
        begun = go_on(value)
    except BaseException as error:  # noqa: BLE001 - it is passed on to the caller
        fail(outcome, error)
    else:
        _on_end(begun, outcome.set_result, outcome.set_exception)


def _on_end(
    first: "Future[T]", with_result: Callable[[T], object], with_error: Callable[[BaseException], object]
) -> None:
    """Call one of two functions when a future has ended.

    Its exception is passed on, not raised: its traceback would keep every frame that it came through, and
    what is in them, such as an object's content.
    """

    def end(done: "Future[T]") -> None:
        # `exception()` of a cancelled future raises it.
        error = CancelledError() if done.cancelled() else done.exception()
        if error is None:
            with_result(done.result())
        else:
            with_error(error)

    first.add_done_callback(end)


def fail(outcome: "Future[Any]", error: BaseException) -> None:
    """Complete a future with an exception; that of a request loses its traceback, see `_on_end`."""
    outcome.set_exception(error.with_traceback(None) if isinstance(error, S3RequestError) else error)
