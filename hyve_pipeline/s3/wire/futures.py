"""Chains of futures, without threads that wait."""

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from threading import Event, Lock
from typing import Any, TypeVar

from hyve_pipeline.s3.wire.errors import S3RequestError

_logger = logging.getLogger(__name__)

A = TypeVar("A")
T = TypeVar("T")
U = TypeVar("U")


class LightFuture(Future[T]):
    """A future that is made, and ends, in a fraction of the time.

    The condition variable of `Future` is for those who wait; for one small object that is streamed, a dozen of them
    took a tenth of all CPU time. It can't be cancelled, and `concurrent.futures.wait` does not know it: see
    `wait_for_ends`.
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._has_ended = False
        self._given: Any = None
        self._error: BaseException | None = None
        self._to_call: list[Callable[[Future[T]], object]] = []

    def set_result(self, result: T) -> None:
        """End it by a result, see `Future.set_result`."""
        self._end(result, None)

    def set_exception(self, exception: BaseException | None) -> None:
        """End it by an exception, see `Future.set_exception`."""
        self._end(None, exception)

    def _end(self, result: Any, error: BaseException | None) -> None:
        with self._guard:
            if self._has_ended:
                raise InvalidStateError("the future has ended already")
            self._given, self._error, self._has_ended = result, error, True
        to_call, self._to_call = self._to_call, []
        for function in to_call:
            self._call(function)

    def _call(self, function: "Callable[[Future[T]], object]") -> None:
        try:
            function(self)
        except Exception:
            _logger.exception("a function that was to be called at the end of a future failed")

    def add_done_callback(self, fn: "Callable[[Future[T]], object]") -> None:
        """Call a function with it when it has ended, or now, see `Future.add_done_callback`."""
        with self._guard:
            if not self._has_ended:
                self._to_call.append(fn)
                return
        self._call(fn)

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result, or the exception, which is raised, see `Future.result`."""
        error = self.exception(timeout)
        if error is None:
            return self._given
        try:
            raise error
        finally:
            # The exception refers to this frame.
            del self, error

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the exception; None if it ended by a result, see `Future.exception`."""
        if not self._has_ended:
            ended = Event()
            self.add_done_callback(lambda _: ended.set())
            if not ended.wait(timeout):
                raise TimeoutError
        return self._error

    def done(self) -> bool:
        """Whether it has ended."""
        return self._has_ended

    def cancel(self) -> bool:
        """Not possible."""
        return False

    def cancelled(self) -> bool:
        """Never."""
        return False

    def running(self) -> bool:
        """Whether it has not ended."""
        return not self._has_ended


def wait_for_ends(futures: "Iterable[Future[Any]]", seconds: float | None = None) -> None:
    """Wait until all of some futures have ended, or for so many seconds."""
    deadline = None if seconds is None else time.monotonic() + seconds
    for future in list(futures):
        with suppress(CancelledError, TimeoutError):
            future.exception(None if deadline is None else max(0.0, deadline - time.monotonic()))


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
    outcome: Future[T] = LightFuture()
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
    outcome: Future[U] = LightFuture()
    _on_end(first, lambda value: complete(outcome, convert, value), outcome.set_exception)
    return outcome


def recover(first: "Future[T]", convert: Callable[[BaseException], U]) -> "Future[T | U]":
    """A future for the result of `first`, or for `convert` of its exception, which may raise another.

    `convert` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[T | U] = LightFuture()
    _on_end(first, outcome.set_result, lambda error: complete(outcome, convert, error))
    return outcome


def follow(first: "Future[T]", go_on: Callable[[T], "Future[U] | U"]) -> "Future[U]":
    """A future for `go_on(result of first)`, or for its result if it is a future; any exception becomes its exception.

    `go_on` runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[U] = LightFuture()
    _on_end(first, lambda value: _go_on(outcome, go_on, value), outcome.set_exception)
    return outcome


def retry(first: "Future[T]", go_on: Callable[[BaseException], "Future[T]"]) -> "Future[T]":
    """A future for the result of `first`, or else for that of the future `go_on(exception of first)`.

    `go_on` may raise another one. It runs on the thread that completes `first`, so it must neither wait nor take long.
    """
    outcome: Future[T] = LightFuture()
    _on_end(first, outcome.set_result, lambda error: _go_on(outcome, go_on, error))
    return outcome


def both(first: "Future[T]", second: "Future[U]") -> "Future[tuple[T, U]]":
    """A future for the results of two futures; an exception of either becomes its exception."""
    # The second refers to the first's result, not to the first: a cycle of futures would be freed only by the garbage
    # collector, which took longer for them than everything else does.
    return follow(first, lambda one: then(second, lambda other: (one, other)))


def _go_on(outcome: "Future[T]", go_on: "Callable[[A], Future[T] | T]", value: A) -> None:
    """Complete a future with `go_on(value)`, or with its outcome if it is a future."""
    try:
        begun = go_on(value)
    except BaseException as error:  # noqa: BLE001 - it is passed on to the caller
        fail(outcome, error)
    else:
        if isinstance(begun, Future):
            _on_end(begun, outcome.set_result, outcome.set_exception)
        else:
            outcome.set_result(begun)


def _on_end(
    first: "Future[T]", with_result: Callable[[T], object], with_error: Callable[[BaseException], object]
) -> None:
    """Call one of two functions when a future has ended.

    Its exception is passed on, not raised: its traceback would keep every frame that it came through, and
    what is in them, such as an object's content.
    """

    def end(done: "Future[T]") -> None:
        # `exception()` of a cancelled future raises it.
        error: BaseException | None = CancelledError() if done.cancelled() else done.exception()
        if error is None:
            with_result(done.result())
        else:
            with_error(error)

    first.add_done_callback(end)


def fail(outcome: "Future[Any]", error: BaseException) -> None:
    """Complete a future with an exception; that of a request loses its traceback, see `_on_end`."""
    outcome.set_exception(error.with_traceback(None) if isinstance(error, S3RequestError) else error)
