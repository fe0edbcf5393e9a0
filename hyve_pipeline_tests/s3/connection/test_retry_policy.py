"""When a failed request is sent again, and when it has failed for good."""

import pytest

from hyve_pipeline.s3.connection.bounds import Bounds
from hyve_pipeline.s3.connection.retry_policy import RetryPolicy
from hyve_pipeline.s3.wire.errors import RESPONSE_TIMEOUT, S3RequestError
from hyve_pipeline.s3.wire.messages import Request

_REQUEST = Request("CopyObject", "PUT", "k")


def _sends(
    policy: RetryPolicy, code: str, *, each: int = 1, takes: float = 0.0, is_reached: bool = True
) -> list[float]:
    """When a request that always fails is sent, in seconds, with those of a transport that sends twice as one."""
    error = S3RequestError("b", _REQUEST, code, "no")
    now, failed_at, sends = 0.0, None, 0
    times: list[float] = []
    while True:
        times.append(now)
        now += takes
        failed_at = now if failed_at is None else failed_at
        sends += each
        pause = policy.pause(error, sends=sends, each=each, elapsed=now - failed_at, is_reached=is_reached)
        if pause is None:
            return times
        now += pause


@pytest.mark.parametrize("each", [1, 2])
def test_trouble_of_a_minute_is_survived_by_ten_sends_at_most(each: int) -> None:
    for _ in range(200):
        times = _sends(RetryPolicy(), "SlowDown", each=each)
        assert len(times) * each <= 10
        assert 60 < times[-1] < 100
        assert times[1] < 2


def test_refusals_are_not_sent_again() -> None:
    assert _sends(RetryPolicy(), "AccessDenied") == [0.0]


@pytest.mark.parametrize("each", [1, 2])
def test_a_server_that_never_answered_is_given_up_soon(each: int) -> None:
    times = _sends(RetryPolicy(), "ConnectionError", each=each, is_reached=False)
    assert len(times) * each == 4
    assert times[-1] < 5


def test_no_patience_is_three_sends() -> None:
    times = _sends(RetryPolicy(patience=0), "SlowDown")
    assert len(times) == 3
    assert times[-1] < 1


def test_an_answer_that_drips_is_given_up_within_five_minutes_on_either_transport() -> None:
    bounds = Bounds()
    silence = bounds.patient_seconds(Request("ListObjectsV2", "GET"), is_long=False)
    times = _sends(RetryPolicy(), RESPONSE_TIMEOUT, takes=silence)
    assert times[-1] + silence < 300
    # The fast one goes first, and counts as two.
    assert bounds.fast_seconds(Request("ListObjectsV2", "GET")) + silence < 300
