"""What a connection adds to requests, which of them it sends again, and how it ends."""

import subprocess
import sys

import pytest

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline.s3.connection.retry_policy import RetryPolicy
from hyve_pipeline.s3.connection.server_abilities import forget_all
from hyve_pipeline.s3.connection.transport import OnEnd
from hyve_pipeline.s3.wire.errors import CONNECTION_ERROR, RESPONSE_TIMEOUT, S3RequestError
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline_tests.conftest import PROFILE, MakePlace
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer, listing_of, raw_server, scripted_server

LIST = Request("ListObjectsV2", "GET", query=(("list-type", "2"),))
LOCAL = BucketSettings(bucket="pictures", endpoint_url="http://127.0.0.1:9", profile=PROFILE)


pytestmark = pytest.mark.usefixtures("aws_profile")


# Who pays


def test_every_request_says_that_the_requester_pays(connect: Connect) -> None:
    with scripted_server([listing_of()]) as server:
        connection = connect(server.place().model_copy(update={"requester_pays": True}))
        connection.send(LIST).result()
        connection.send(Request("PutObject", "PUT", "k", headers=(("x-amz-meta-a", "b"),), body=b"1")).result()
        connection.client.list_objects_v2(Bucket="scripted")
        assert [received.headers["x-amz-request-payer"] for received in server.received] == ["requester"] * 3
        assert ["x-amz-request-payer" in received.headers["authorization"] for received in server.received] == [
            True
        ] * 3
        assert server.received[1].headers["x-amz-meta-a"] == "b"


def test_a_request_that_reads_from_a_bucket_whose_requester_pays_says_so_once(connect: Connect) -> None:
    with scripted_server([listing_of()]) as server:
        paid = connect(server.place().model_copy(update={"requester_pays": True}))
        for store in (connect(server.place("store")), paid):
            store.send(Request("CopyObject", "PUT", "k", headers=paid.payer_headers)).result()
        assert [received.headers["x-amz-request-payer"] for received in server.received] == ["requester"] * 2


def test_nobody_is_asked_to_pay_otherwise(connect: Connect) -> None:
    with scripted_server([listing_of()]) as server:
        connection = connect(server.place())
        connection.send(LIST).result()
        connection.client.list_objects_v2(Bucket="scripted")
        assert connection.payer_headers == ()
        assert all("x-amz-request-payer" not in received.headers for received in server.received)


# Sending


def test_more_requests_than_connections(make_place: MakePlace, connect: Connect) -> None:
    connection = connect(make_place(), concurrency=4)
    answers = [connection.send(LIST) for _ in range(100)]
    assert {answer.result().status for answer in answers} == {200}


def test_many_refusals_at_once_are_all_tried_again(connect: Connect) -> None:
    refused: set[str] = set()

    def script(received: Received) -> Answer:
        if received.path in refused:
            return Answer(headers={"ETag": "x"})
        refused.add(received.path)
        return error_answer(503, "SlowDown")

    with scripted_server(script) as server:
        connection = connect(server.place(), concurrency=64)
        answers = [connection.send(Request("HeadObject", "HEAD", f"key{number}")) for number in range(200)]
        assert {answer.result().status for answer in answers} == {200}
        assert len(server.received) == 400


def test_refusals_are_counted_and_other_failures_are_not(connect: Connect) -> None:
    answers = [error_answer(503, "SlowDown")] * 2 + [error_answer(500, "InternalError")] * 2 + [listing_of()]
    with scripted_server(answers) as server:
        connection = connect(server.place())
        assert connection.throttled == 0
        connection.send(LIST).result()
        # The CRT tells of every second one.
        assert connection.throttled in (1, 2)
        connection.send(LIST).result()
        assert connection.throttled in (1, 2)


def test_a_guard_is_asked_before_each_request_that_writes(connect: Connect) -> None:
    checks: list[int] = []

    def guard() -> None:
        checks.append(len(server.received))
        if len(checks) == 3:
            raise HyveError("lost")

    # The CRT sends a request twice by itself.
    answers = [error_answer(503, "SlowDown")] * 2 + [listing_of(), Answer(), error_answer(503, "SlowDown")]
    with scripted_server(answers) as server:
        connection = connect(server.place())
        connection.guard = guard
        connection.send(LIST).result()
        assert checks == []
        sent = len(server.received)
        write = Request("PutObject", "PUT", "key")
        connection.send(write).result()
        assert checks == [sent]
        # The third check is the one before it is sent again, and nothing is sent any more.
        with pytest.raises(HyveError, match="lost"):
            connection.send(write).result()
        assert len(checks) == 3
        assert len(server.received) - sent in (2, 3)
        sent = len(server.received)
        del checks[2:]
        with pytest.raises(HyveError, match="lost"):
            connection.send(write).result()
        assert len(server.received) == sent


def test_tries_end(connect: Connect) -> None:
    with scripted_server([error_answer(503, "SlowDown")]) as server:
        with pytest.raises(S3RequestError) as caught:
            connect(server.place()).send(LIST).result()
        assert 8 <= len(server.received) <= 10
    assert (caught.value.status, caught.value.code, caught.value.is_transient) == (503, "SlowDown", True)


@pytest.mark.parametrize(
    ("status", "code"),
    [(200, "OperationAborted"), (409, "OperationAborted"), (429, "TooManyRequests"), (503, "SlowDown"), (520, "")],
)
def test_each_try_counts_once(status: int, code: str, connect: Connect) -> None:
    """The CRT sends some again by itself, and others not: twice the pauses would pass for a server that throttles."""
    with scripted_server([error_answer(status, code)]) as server:
        with pytest.raises(S3RequestError) as caught:
            connect(server.place(), policy=RetryPolicy(patience=0, first_delay=0.01)).send(LIST).result()
        assert caught.value.sends == len(server.received)


def test_what_will_not_pass_is_not_tried_again(connect: Connect) -> None:
    with scripted_server([error_answer(403, "AccessDenied", "Access  Denied")]) as server:
        with pytest.raises(S3RequestError) as caught:
            connect(server.place()).send(LIST).result()
        assert len(server.received) == 1
    error = caught.value
    assert str(error) == "ListObjectsV2 scripted: AccessDenied (403): Access Denied [request R1]"
    assert (error.operation, error.bucket, error.key, error.is_transient) == ("ListObjectsV2", "scripted", None, False)


@pytest.mark.parametrize("status", [301, 307])
def test_redirects_are_not_followed(connect: Connect, status: int) -> None:
    with scripted_server([listing_of()]) as other:
        redirect = error_answer(status, "PermanentRedirect", Location=f"{other.endpoint_url}/elsewhere")
        with scripted_server([redirect]) as server, pytest.raises(S3RequestError) as caught:
            connect(server.place()).send(LIST).result()
        assert other.received == []
    assert (caught.value.status, caught.value.code) == (status, "PermanentRedirect")


def test_connection_that_is_cut_is_tried_again(connect: Connect) -> None:
    with scripted_server([Answer(hang_up=True), Answer(hang_up=True), listing_of("a")]) as server:
        assert b"<Key>a</Key>" in connect(server.place()).send(LIST).result().body


def test_a_tls_handshake_that_is_cut_is_no_matter_of_trust(connect: Connect) -> None:
    """As by a server that restarts: another try may succeed."""
    with raw_server(b"") as url:
        place = LOCAL.model_copy(update={"endpoint_url": url.replace("http:", "https:")})
        with pytest.raises(S3RequestError) as caught:
            connect(place, policy=RetryPolicy(most_sends=1)).send(LIST).result()
    assert caught.value.code == CONNECTION_ERROR


def test_empty_and_chunked_bodies(connect: Connect) -> None:
    with scripted_server([Answer(status=204)]) as server:
        response = connect(server.place()).send(Request("DeleteObject", "DELETE", "k")).result()
    assert (response.status, response.body) == (204, b"")


class _Impatient:
    """A transport on which every answer takes too long."""

    sends = 1
    is_impatient = True

    def send(self, request: Request, on_end: OnEnd, *, is_slow: bool = False) -> None:
        on_end(S3RequestError("b", request, RESPONSE_TIMEOUT, "silence"))

    def close(self) -> None:
        pass


class _Unused(_Impatient):
    def send(self, request: Request, on_end: OnEnd, *, is_slow: bool = False) -> None:
        raise AssertionError("the fast one")


def test_silent_server_is_waited_for_by_the_other_transport() -> None:
    with scripted_server([listing_of("a")]) as server:
        place = server.place().model_copy(update={"profile": PROFILE})
        with open_connection(place) as connection:
            connection.transport.close()
            connection.transport = _Impatient()
            assert b"<Key>a</Key>" in connection.send(LIST).result().body
        forget_all()
        with open_connection(place) as connection:
            connection.transport.close()
            connection.transport = _Impatient()
        with pytest.raises(S3RequestError, match="silence"):
            # Closed meanwhile: the failure that led here is told.
            connection.send(LIST).result()


def test_what_the_fast_transport_never_reads_is_learnt_once_for_all_connections() -> None:
    asked: list[Request] = []

    class Deaf(_Impatient):
        def send(self, request: Request, on_end: OnEnd, *, is_slow: bool = False) -> None:
            asked.append(request)
            super().send(request, on_end, is_slow=is_slow)

    with scripted_server([listing_of("a")]) as server:
        place = server.place().model_copy(update={"profile": PROFILE})
        for _ in range(2):
            with open_connection(place) as connection:
                connection.transport.close()
                connection.transport = Deaf()
                for _ in range(2):
                    assert b"<Key>a</Key>" in connection.send(LIST).result().body
    assert len(asked) == 1


def test_a_server_that_has_answered_before_may_be_slow_once() -> None:
    with scripted_server([listing_of("a")]) as server:
        place = server.place().model_copy(update={"profile": PROFILE})
        with open_connection(place) as connection:
            connection.is_reached = True
            connection.transport.close()
            connection.transport = _Impatient()
            assert b"<Key>a</Key>" in connection.send(LIST).result().body
            connection.transport = _Unused()
            with pytest.raises(AssertionError, match="the fast one"):
                connection.send(LIST)


def test_close_gives_up_what_is_in_flight(connect: Connect) -> None:
    with scripted_server([error_answer(503, "SlowDown")]) as server:
        connection = connect(server.place(), concurrency=2)
        answers = [connection.send(LIST) for _ in range(20)]
        connection.close()
        connection.close()
        assert all(answer.exception(timeout=10) for answer in answers)
        with pytest.raises(RuntimeError):
            connection.send(LIST)


@pytest.mark.parametrize("ending", ["connection.close()", "", "raise SystemExit(0)"])
def test_interpreter_ends(make_place: MakePlace, transport: TransportName, ending: str) -> None:
    place = make_place()
    script = (
        "from hyve_pipeline.core.settings.model import BucketSettings\n"
        "from hyve_pipeline.s3.connection.open_connection import open_connection\n"
        "from hyve_pipeline.s3.wire.messages import Request\n"
        f"connection = open_connection(BucketSettings(**{place.model_dump()!r}), transport={transport!r})\n"
        "request = Request('ListObjectsV2', 'GET', query=(('list-type', '2'),))\n"
        "print([connection.send(request) for _ in range(9)][0].result().status)\n"
        f"{ending}\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, "200", "")
