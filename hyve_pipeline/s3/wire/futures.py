"""Futures that are completed by a conversion, and such that follow others, without threads that wait."""

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from hyve_pipeline.s3.wire.errors import S3RequestError

A = TypeVar("A")
T = TypeVar("T")
U = TypeVar("U")


def complete(outcome: "Future[T]", convert: Callable[[A], T], value: A) -> None:
    """Give a future what `convert` makes of `value`, or the exception that it raises."""
    try:
        result = convert(value)
    except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
        fail(outcome, error)
    else:
        outcome.set_result(result)


def then(first: "Future[T]", convert: Callable[[T], U]) -> "Future[U]":
    """A future for `convert` of what `first` gives; an exception of either becomes its exception.

    `convert` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[U] = Future()
    _on_end(first, lambda value: complete(outcome, convert, value), outcome.set_exception)
    return outcome


def recover(first: "Future[T]", convert: Callable[[BaseException], U]) -> "Future[T | U]":
    """A future for what `first` gives, or for `convert` of its exception, which may raise another.

    `convert` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[T | U] = Future()
    _on_end(first, outcome.set_result, lambda error: complete(outcome, convert, error))
    return outcome


def follow(first: "Future[T]", go_on: Callable[[T], "Future[U]"]) -> "Future[U]":
    """A future for what the future gives that `go_on` makes of what `first` gives; any exception becomes its own.

    `go_on` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[U] = Future()
    _on_end(first, lambda value: _go_on(outcome, go_on, value), outcome.set_exception)
    return outcome


def retry(first: "Future[T]", go_on: Callable[[BaseException], "Future[T]"]) -> "Future[T]":
    """A future for what `first` gives, or else for what the future gives that `go_on` makes of its exception.

    `go_on` may raise another one. It runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[T] = Future()
    _on_end(first, outcome.set_result, lambda error: _go_on(outcome, go_on, error))
    return outcome


def both(first: "Future[T]", second: "Future[U]") -> "Future[tuple[T, U]]":
    """A future for what two futures give; an exception of either becomes its exception."""
    # The second knows the first's result and not the first: two futures that know each other are freed only by the
    # garbage collector, which took longer for them than all else does.
    return follow(first, lambda one: then(second, lambda other: (one, other)))


def _go_on(outcome: "Future[T]", go_on: "Callable[[A], Future[T]]", value: A) -> None:
    """Give a future what the future gives that `go_on` makes of `value`."""
    try:
        begun = go_on(value)
    except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
        fail(outcome, error)
    else:
        _on_end(begun, outcome.set_result, outcome.set_exception)


def _on_end(
    first: "Future[T]", with_result: Callable[[T], object], with_error: Callable[[BaseException], object]
) -> None:
    """Call one of two functions when a future has ended.

    Its exception is handed on and not raised: by its traceback it would hold every frame that it came through, and
    what is in them, such as an object's content.
    """

    def end(done: "Future[T]") -> None:
        # A future that was cancelled raises what others give.
        error = CancelledError() if done.cancelled() else done.exception()
        if error is None:
            with_result(done.result())
        else:
            with_error(error)

    first.add_done_callback(end)


def fail(outcome: "Future[Any]", error: BaseException) -> None:
    """Give a future an exception, without the frames that it came through where it is a request's."""
    # Where a request failed says nothing that its error does not say; see `_on_end`.
    outcome.set_exception(error.with_traceback(None) if isinstance(error, S3RequestError) else error)
