"""Futures that are completed by a conversion, and such that follow others, without threads that wait."""

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from hyve_pipeline.s3.errors import S3RequestError

A = TypeVar("A")
T = TypeVar("T")
U = TypeVar("U")


def complete(outcome: "Future[T]", convert: Callable[[A], T], value: A) -> None:
    """Give a future what `convert` makes of `value`, or the exception that it raises."""
    try:
        result = convert(value)
    except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
        _fail(outcome, error)
    else:
        outcome.set_result(result)


def then(first: "Future[T]", convert: Callable[[T], U]) -> "Future[U]":
    """A future for `convert` of what `first` gives; an exception of either becomes its exception.

    `convert` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[U] = Future()

    def end(done: "Future[T]") -> None:
        if not _has_failed(done, outcome):
            complete(outcome, convert, done.result())

    first.add_done_callback(end)
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

    def end(done: "Future[T]") -> None:
        if not _has_failed(done, outcome):
            _go_on(outcome, go_on, done.result())

    first.add_done_callback(end)
    return outcome


def retry(first: "Future[T]", go_on: Callable[[BaseException], "Future[T]"]) -> "Future[T]":
    """A future for what `first` gives, or else for what the future gives that `go_on` makes of its exception.

    `go_on` may raise another one. It runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[T] = Future()

    def end(done: "Future[T]") -> None:
        error = _error_of(done)
        if error is None:
            outcome.set_result(done.result())
        else:
            _go_on(outcome, go_on, error)

    first.add_done_callback(end)
    return outcome


def both(first: "Future[T]", second: "Future[U]") -> "Future[tuple[T, U]]":
    """A future for what two futures give; an exception of either becomes its exception."""
    outcome: Future[tuple[T, U]] = Future()

    def wait_for_second(done: "Future[T]") -> None:
        if _has_failed(done, outcome):
            return
        # The result and not the future: two futures that know each other are freed only by the garbage
        # collector, which took longer for them than all else does.
        result = done.result()

        def end(other: "Future[U]") -> None:
            if not _has_failed(other, outcome):
                outcome.set_result((result, other.result()))

        second.add_done_callback(end)

    first.add_done_callback(wait_for_second)
    return outcome


def _go_on(outcome: "Future[T]", go_on: "Callable[[A], Future[T]]", value: A) -> None:
    """Give a future what the future gives that `go_on` makes of `value`."""
    try:
        begun = go_on(value)
    except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
        _fail(outcome, error)
    else:
        begun.add_done_callback(lambda done: _hand_on(done, outcome))


def _hand_on(done: "Future[T]", outcome: "Future[T]") -> None:
    if not _has_failed(done, outcome):
        outcome.set_result(done.result())


def _has_failed(done: "Future[Any]", outcome: "Future[Any]") -> bool:
    """Whether a future has ended by an exception, which is the other's then.

    It is handed on and not raised: by its traceback it would hold every frame that it came through, and what is in
    them, such as an object's content.
    """
    error = _error_of(done)
    if error is None:
        return False
    outcome.set_exception(error)
    return True


def _error_of(done: "Future[Any]") -> BaseException | None:
    # A future that was cancelled raises what others give.
    return CancelledError() if done.cancelled() else done.exception()


def _fail(outcome: "Future[Any]", error: BaseException) -> None:
    # Where a request failed says nothing that its error does not say; see `_has_failed`.
    outcome.set_exception(error.with_traceback(None) if isinstance(error, S3RequestError) else error)
