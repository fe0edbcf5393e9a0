"""Limits a second: never exceeded, as the server counts, by either transport, and never in the way of the end."""

import time
from collections.abc import Callable
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.rate_limit import Rate, RateLimits, piece_of
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer, scripted_server

_TOLERANCE = 1.05


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class _Counted:
    """A server's count: when each request came, and how much content it was about."""

    def __init__(self, body: bytes = b"", answer: Callable[[], Answer] | None = None) -> None:
        self.arrivals: list[tuple[float, int]] = []
        self.begun = time.monotonic()
        self._body = body
        self._answer = answer
        self._lock = Lock()

    def __call__(self, received: Received) -> Answer:
        with self._lock:
            self.arrivals.append((time.monotonic() - self.begun, len(self._body) or len(received.body)))
        return self._answer() if self._answer is not None else Answer(self._body, headers={"ETag": '"1"'})

    def most(self, amount_of: Callable[[int], float]) -> float:
        """The highest average a second that there was at any time since the beginning."""
        total = 0.0
        highest = 0.0
        for moment, size in self.arrivals:
            total += amount_of(size)
            highest = max(highest, total / moment)
        return highest


@given(steps=st.lists(st.tuples(st.floats(0, 2), st.floats(0.01, 50)), min_size=1, max_size=60))
def test_no_more_than_the_rate_comes_through_since_any_moment(steps: list[tuple[float, float]]) -> None:
    clock = _Clock()
    rate = Rate(10.0, clock)
    used = [(clock.now, 0.0)]
    for passed, amount in steps:
        clock.now += passed
        used.append((clock.now + rate.take(amount), amount))
    times = [moment for moment, _ in used]
    assert times == sorted(times)
    for first in range(len(used)):
        for last in range(first + 1, len(used)):
            came = sum(amount for _, amount in used[first + 1 : last + 1])
            assert came <= 10.0 * (times[last] - times[first] + 0.05) + 1e-6


def test_nothing_is_lost_where_requests_come_late() -> None:
    clock = _Clock()
    rate = Rate(10.0, clock)
    assert rate.take(1) == pytest.approx(0.1)
    clock.now += 0.14
    assert rate.take(1) == pytest.approx(0.06)
    rate.per_second = 5.0
    assert rate.take(1) == pytest.approx(0.26)


@pytest.mark.parametrize("operation", ["GetObject", "PutObject", "UploadPart", "ListObjectsV2", "CopyObject"])
def test_each_direction_has_the_bandwidth_and_only_content_counts(operation: str) -> None:
    clock = _Clock()
    limits = RateLimits(1000.0, None, clock)
    sent = Request(operation, "PUT", "key", body=b"x" * 100)
    read = Request(operation, "GET", "key", expected=100)
    is_write = operation in ("PutObject", "UploadPart")
    assert limits.take(sent) == (pytest.approx(0.1) if is_write else 0.0)
    assert limits.take(read) == (pytest.approx(0.1) if operation == "GetObject" else 0.0)
    assert not limits.is_large(sent)
    limits.share_among(4)
    assert limits.is_large(sent) == is_write
    assert limits.is_large(read) == (operation == "GetObject")


def test_large_content_begins_when_what_came_before_has_passed() -> None:
    limits = RateLimits(1000.0, None, _Clock())
    waits = [limits.take(Request("GetObject", "GET", "key", expected=1000)) for _ in range(3)]
    assert waits == [pytest.approx(0.0), pytest.approx(1.0), pytest.approx(2.0)]


@pytest.mark.parametrize(("per_second", "size"), [(10.0, 1024), (1e6, 20_000), (1e9, 256 * 1024)])
def test_pieces_are_no_bursts(per_second: float, size: int) -> None:
    assert piece_of(Rate(per_second)) == size


def test_requests_a_second(connect: Connect) -> None:
    counted = _Counted()
    with scripted_server(counted) as server:
        one = connect(server.place(), limits=(limits := RateLimits(None, 40)))
        other = connect(server.place("other"), limits=limits)
        asked = [each.send(Request("HeadObject", "HEAD", str(n))) for n in range(40) for each in (one, other)]
        for answer in asked:
            assert answer.result(60).status == 200
    assert len(counted.arrivals) == 80
    assert counted.most(lambda _: 1) <= 40 * _TOLERANCE


def test_requests_that_are_sent_again_count(connect: Connect) -> None:
    answers = [error_answer(503, "SlowDown")] * 30
    counted = _Counted(answer=lambda: answers.pop() if answers else Answer())
    with scripted_server(counted) as server:
        connection = connect(server.place(), limits=RateLimits(None, 40))
        asked = [connection.send(Request("HeadObject", "HEAD", str(n))) for n in range(60)]
        for answer in asked:
            assert answer.result(60).status == 200
    assert len(counted.arrivals) == 90
    late = [moment for moment, _ in counted.arrivals if moment > 1]
    # The CRT sends a request that failed once more by itself, before anybody knows of it.
    unseen = 30 if connection.transport.is_impatient else 0
    assert len(counted.arrivals) <= 40 * _TOLERANCE * late[-1] + unseen


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_bytes_that_are_read_a_second(size: int, connect: Connect) -> None:
    counted = _Counted(b"x" * size)
    with scripted_server(counted) as server:
        connection = connect(server.place(), limits=RateLimits(2_000_000, None))
        request = Request("GetObject", "GET", "key", expected=size)
        for answer in [connection.send(request) for _ in range(4_000_000 // size)]:
            assert len(answer.result(60).body) == size
        took = time.monotonic() - counted.begun
    assert 4_000_000 / took <= 2_000_000 * _TOLERANCE
    # Large content is in pieces, so at its beginning only what came before has passed.
    before = [(moment, passed) for passed, (moment, _) in enumerate(counted.arrivals, start=size < 500_000)]
    assert all(passed * size <= 2_000_000 * _TOLERANCE * moment for moment, passed in before)


@pytest.mark.parametrize("size", [100_000, 1_000_000])
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart"])
def test_bytes_that_are_written_a_second(operation: str, size: int, connect: Connect) -> None:
    counted = _Counted()
    body = bytes(range(250)) * (size // 250)
    with scripted_server(counted) as server:
        connection = connect(server.place(), limits=RateLimits(2_000_000, None))
        request = Request(operation, "PUT", "key", body=body)
        for answer in [connection.send(request) for _ in range(3_000_000 // size)]:
            assert answer.result(60).status == 200
    assert all(received.body == body for received in server.received)
    assert counted.most(lambda size: size) <= 2_000_000 * _TOLERANCE


def test_the_end_does_not_wait_for_a_limit(connect: Connect) -> None:
    with scripted_server([Answer()]) as server:
        connection = connect(server.place(), limits=RateLimits(None, 0.01))
        waiting = connection.send(Request("HeadObject", "HEAD", "a"))
        connection.close()
        with pytest.raises(S3RequestError, match="the connection is being closed"):
            waiting.result(10)
        with pytest.raises(RuntimeError):
            connection.send(Request("HeadObject", "HEAD", "a"))
    assert server.received == []


def test_what_is_checked_before_a_write_is_checked_after_the_wait(connect: Connect) -> None:
    def guard() -> None:
        raise HyveError(f"lost after {time.monotonic() - begun:.3f}")

    with scripted_server([Answer()]) as server:
        connection: Connection = connect(server.place(), limits=RateLimits(None, 5))
        connection.guard = guard
        begun = time.monotonic()
        written = connection.send(Request("PutObject", "PUT", "a"))
        with pytest.raises(HyveError, match=r"lost after (0\.1[5-9]|0\.[2-9]|[1-9])"):
            written.result(30)
    assert server.received == []
