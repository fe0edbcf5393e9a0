"""Futures that follow others: what they give, what they raise, and that they leave nothing behind."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from functools import partial
from itertools import permutations
from typing import Any, NoReturn

import pytest

from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.futures import LightFuture, both, follow, recover, retry, then, wait_for_ends
from hyve_pipeline.s3.wire.messages import Request

Join = Callable[["Future[int]", "Future[int]"], "Future[Any]"]

# How each joins two futures that give 1 and 2, and what comes of it.
_JOINS: list[tuple[Join, Any]] = [
    (both, (1, 2)),
    (lambda first, second: follow(first, lambda _: second), 2),
    (lambda first, second: both(then(first, lambda one: one + 10), then(second, str)), (11, "2")),
]


@pytest.mark.parametrize(("join", "expected"), _JOINS)
@pytest.mark.parametrize("order", list(permutations(["join", "first", "second"])))
def test_it_does_not_matter_what_ends_first(join: Join, expected: Any, order: tuple[str, ...]) -> None:
    first: Future[int] = Future()
    second: Future[int] = Future()
    joined: list[Future[Any]] = []
    steps: dict[str, Callable[[], object]] = {
        "join": lambda: joined.append(join(first, second)),
        "first": lambda: first.set_result(1),
        "second": lambda: second.set_result(2),
    }
    for step in order:
        assert not any(outcome.done() for outcome in joined)
        steps[step]()
    assert joined[0].result(timeout=0) == expected


@pytest.mark.parametrize(("join", "_expected"), _JOINS)
@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_of_either_is_the_error(join: Join, _expected: Any, failing: int) -> None:
    error = OSError("no answer")
    futures: list[Future[int]] = [Future(), Future()]
    outcome = join(*futures)
    if failing == 1:
        futures[0].set_result(1)
    futures[failing].set_exception(error)
    assert outcome.exception(timeout=0) is error


def test_another_try_is_made_only_after_an_error() -> None:
    first: Future[int] = Future()
    second: Future[int] = Future()
    told: list[BaseException] = []

    def again(error: BaseException) -> "Future[int]":
        told.append(error)
        return second

    good, bad = retry(second, again), retry(first, again)
    first.set_exception(OSError("no answer"))
    assert not bad.done()
    second.set_result(2)
    assert (good.result(timeout=0), bad.result(timeout=0)) == (2, 2)
    assert [str(error) for error in told] == ["no answer"]


@pytest.mark.parametrize("go_on", [recover, retry])
def test_an_error_of_what_comes_after_an_error_is_the_error(go_on: Any) -> None:
    first: Future[int] = Future()

    def explain(_: BaseException) -> NoReturn:
        raise LookupError("explained")

    outcome = go_on(first, explain)
    first.set_exception(OSError("no answer"))
    with pytest.raises(LookupError, match="explained"):
        outcome.result(timeout=0)


def test_an_error_of_what_comes_next_is_the_error() -> None:
    first: Future[int] = Future()
    outcome = follow(first, lambda number: [Future[int]()][number])
    first.set_result(1)
    with pytest.raises(IndexError):
        outcome.result(timeout=0)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    # The next collection looks at what the test has made, and not at all that there is.
    gc.freeze()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(("join", "_expected"), _JOINS)
def test_nothing_is_left_to_the_garbage_collector(join: Join, _expected: Any) -> None:
    """A cycle for each object made the collector take a quarter of all CPU time."""
    first: Future[int] = Future()
    second: Future[int] = Future()
    outcome = join(first, second)
    first.set_result(1)
    second.set_result(2)
    outcome.result(timeout=0)
    del first, second, outcome
    assert gc.collect() == 0


class _Content:
    """Some bytes that take room."""


def _refused(_content: object) -> NoReturn:
    raise S3RequestError("store", Request("PutObject", "PUT", "k"), "AccessDenied", "no", status=403)


def _refused_by_a_future(content: object) -> "Future[Any]":
    return then(_done(content), _refused)


def _done(value: object) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(value)
    return future


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    "fail",
    [
        lambda content: then(_done(content), _refused),
        lambda content: follow(_done(content), _refused_by_a_future),
        lambda content: both(_done(content), then(_done(content), _refused)),
        lambda content: recover(then(_done(content), _refused), lambda _: _refused(content)),
        lambda content: retry(then(_done(content), _refused), lambda _: _refused_by_a_future(content)),
    ],
)
def test_a_failure_holds_nothing_of_what_failed(fail: "Callable[[object], Future[Any]]") -> None:
    """What is held back by failures would be memory that nobody counts."""
    content = _Content()
    is_there = weakref.ref(content)
    outcome = fail(content)
    del content
    assert isinstance(outcome.exception(timeout=0), S3RequestError)
    assert is_there() is None


def _note(called: list[int], number: int, _: object) -> None:
    called.append(number)


class TestLightFuture:
    def test_it_is_waited_for_by_another_thread(self) -> None:
        future: LightFuture[int] = LightFuture()
        with pytest.raises(TimeoutError):
            future.result(timeout=0)
        wait_for_ends([future], 0)
        threading.Timer(0.01, future.set_result, [7]).start()
        wait_for_ends([future])
        assert (future.result(), future.exception(), future.done(), future.cancel()) == (7, None, True, False)

    def test_it_ends_once_and_calls_each_function_once(self) -> None:
        future: LightFuture[int] = LightFuture()
        called: list[str] = []
        future.add_done_callback(lambda _: called.append("before"))
        future.add_done_callback(lambda _: 1 // 0)  # does not keep the others from being called
        future.add_done_callback(lambda done: called.append(str(done.exception())))
        future.set_exception(OSError("no answer"))
        future.add_done_callback(lambda _: called.append("after"))
        with pytest.raises(InvalidStateError):
            future.set_result(1)
        with pytest.raises(OSError, match="no answer"):
            future.result()
        assert called == ["before", "no answer", "after"]

    def test_no_callback_is_lost_while_it_ends(self) -> None:
        for _ in range(200):
            future: LightFuture[int] = LightFuture()
            called: list[int] = []
            other = threading.Thread(target=future.set_result, args=[1])
            other.start()
            for number in range(20):
                future.add_done_callback(partial(_note, called, number))
            other.join()
            assert sorted(called) == list(range(20))
