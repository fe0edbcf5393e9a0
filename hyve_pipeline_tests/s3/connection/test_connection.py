"""From settings to a connection: credentials, region, addresses, and who sends."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from hyve_pipeline.core.base.errors import ConfigurationError, HyveError
from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline.s3.connection.retry_policy import RetryPolicy
from hyve_pipeline.s3.connection.transport import OnEnd
from hyve_pipeline.s3.listing.probe import probe_bucket
from hyve_pipeline.s3.wire.errors import CONNECTION_ERROR, RESPONSE_TIMEOUT, S3RequestError
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline_tests.conftest import PROFILE, MakePlace
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer, listing_of, raw_server, scripted_server

LIST = Request("ListObjectsV2", "GET", query=(("list-type", "2"),))
LOCAL = BucketSettings(bucket="pictures", endpoint_url="http://127.0.0.1:9", profile=PROFILE)


pytestmark = pytest.mark.usefixtures("aws_profile")


def _open(place: BucketSettings, transport: TransportName = "auto") -> Connection:
    with open_connection(place, transport=transport) as connection:
        return connection


# Regions and addresses


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ({"bucket": "pictures", "region": "eu-west-3"}, ("https", "pictures.s3.eu-west-3.amazonaws.com", "")),
        ({"bucket": "my.pictures", "region": "eu-west-3"}, ("https", "s3.eu-west-3.amazonaws.com", "/my.pictures")),
        ({"bucket": "Old_Name", "region": "us-east-1"}, ("https", "s3.us-east-1.amazonaws.com", "/Old_Name")),
        ({"bucket": "pictures", "region": "cn-north-1"}, ("https", "pictures.s3.cn-north-1.amazonaws.com.cn", "")),
        (
            {"bucket": "pictures", "region": "eu-west-3", "dual_stack": True},
            ("https", "pictures.s3.dualstack.eu-west-3.amazonaws.com", ""),
        ),
        (
            {"bucket": "my.pictures", "region": "eu-west-3", "dual_stack": True},
            ("https", "s3.dualstack.eu-west-3.amazonaws.com", "/my.pictures"),
        ),
        (
            {"bucket": "pictures", "region": "cn-north-1", "dual_stack": True},
            ("https", "pictures.s3.dualstack.cn-north-1.amazonaws.com.cn", ""),
        ),
        (
            {"bucket": "pictures", "region": "eu-west-3", "accelerate": True},
            ("https", "pictures.s3-accelerate.amazonaws.com", ""),
        ),
        (
            {"bucket": "pictures", "region": "us-east-1", "accelerate": True, "dual_stack": True},
            ("https", "pictures.s3-accelerate.dualstack.amazonaws.com", ""),
        ),
        ({"bucket": "pictures", "endpoint_url": "http://127.0.0.1:9000"}, ("http", "127.0.0.1:9000", "/pictures")),
        ({"bucket": "pictures", "endpoint_url": "http://Example.org:80/"}, ("http", "example.org", "/pictures")),
        ({"bucket": "pictures", "endpoint_url": "https://example.org:443"}, ("https", "example.org", "/pictures")),
        ({"bucket": "pictures", "endpoint_url": "https://[::1]:9000"}, ("https", "[::1]:9000", "/pictures")),
    ],
)
def test_addresses(place: dict[str, Any], address: tuple[str, str, str]) -> None:
    endpoint = _open(BucketSettings(profile=PROFILE, **place)).endpoint
    assert (
        endpoint.scheme,
        endpoint.authority.replace("s3.amazonaws", "s3.us-east-1.amazonaws"),
        endpoint.path,
    ) == address


def test_hot_and_rare_requests_go_to_the_same_server(make_place: MakePlace) -> None:
    for place in (make_place(), BucketSettings(bucket="pictures", region="eu-west-3", profile=PROFILE)):
        with open_connection(place) as connection:
            url = urlsplit(connection.client.meta.endpoint_url)
            assert connection.endpoint.scheme == url.scheme
            assert connection.endpoint.authority.removeprefix("pictures.") == url.netloc
            assert connection.client.meta.region_name == connection.endpoint.region


@pytest.mark.parametrize("ways", [{"accelerate": True}, {"dual_stack": True}, {"accelerate": True, "dual_stack": True}])
def test_rare_requests_take_the_same_way(ways: dict[str, Any]) -> None:
    with open_connection(BucketSettings(bucket="pictures", region="eu-west-3", profile=PROFILE, **ways)) as connection:
        url = connection.client.generate_presigned_url("get_object", Params={"Bucket": "pictures", "Key": "k"})
        assert urlsplit(url).netloc == connection.endpoint.authority
        assert connection.endpoint.region == "eu-west-3"


@pytest.mark.parametrize(
    ("settings", "environment", "problem"),
    [
        (
            {"accelerate": True},
            {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"},
            "AWS_ENDPOINT_URL_S3 names the server",
        ),
        ({"accelerate": True}, {"AWS_USE_FIPS_ENDPOINT": "true"}, "Accelerate cannot be used with FIPS"),
        ({"accelerate": True, "region": "cn-north-1"}, {}, "Accelerate cannot be used in this region"),
        ({"dual_stack": True}, {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, "names the server 'http://127.0.0.1:9'"),
    ],
)
def test_ways_that_the_aws_settings_do_not_allow(
    settings: dict[str, Any], environment: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    place = BucketSettings.model_validate({"bucket": "pictures", "region": "eu-west-3", "profile": PROFILE} | settings)
    with pytest.raises(ConfigurationError, match=f"^s3://pictures/: .*{problem}"):
        open_connection(place)


def test_rare_requests_work(make_place: MakePlace, connect: Connect) -> None:
    place = make_place(versioned=True)
    assert connect(place).client.get_bucket_versioning(Bucket=place.bucket)["Status"] == "Enabled"


def test_region_comes_from_setting_then_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _open(LOCAL).endpoint.region == "us-east-1"
    (tmp_path / "aws_config").write_text(f"[profile {PROFILE}]\nregion = eu-north-1\n")
    assert _open(LOCAL).endpoint.region == "eu-north-1"
    assert _open(LOCAL.model_copy(update={"region": "eu-west-3"})).endpoint.region == "eu-west-3"


@pytest.mark.parametrize("variable", ["AWS_DEFAULT_REGION", "AWS_REGION"])
def test_a_variable_that_names_no_region_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    (tmp_path / "aws_config").write_text(f"[profile {PROFILE}]\n")
    monkeypatch.setenv(variable, "eu-west-3\n")
    with pytest.raises(ConfigurationError, match=rf"{variable}: 'eu-west-3\\n' is not a region"):
        _open(LOCAL)


def test_aws_without_region() -> None:
    with pytest.raises(ConfigurationError, match="s3://pictures/: the bucket's region is not known: set its region"):
        open_connection(BucketSettings(bucket="pictures", profile=PROFILE))


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


# Who sends


def test_crt_is_preferred() -> None:
    assert _open(LOCAL).transport_name == "crt"
    assert _open(LOCAL, "botocore").transport_name == "botocore"


def test_proxy_asks_for_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = BucketSettings(bucket="pictures", region="eu-west-3", profile=PROFILE)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert _open(aws).transport_name == "botocore"
    assert _open(LOCAL).transport_name == "crt"
    monkeypatch.setenv("NO_PROXY", "amazonaws.com")
    assert _open(aws).transport_name == "crt"


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_an_own_authority_must_be_there(monkeypatch: pytest.MonkeyPatch, variable: str, tmp_path: Path) -> None:
    aws = BucketSettings(bucket="pictures", region="eu-west-3", profile=PROFILE)
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setenv(variable, str(bundle))
    assert _open(LOCAL).transport_name == "crt"
    with pytest.raises(ConfigurationError, match=f"{bundle}: no such file or folder of certificates"):
        _open(aws)
    bundle.write_text("no certificate")
    with pytest.raises(ConfigurationError, match=f"{bundle}: no certificates to trust"):
        _open(aws)
    trustme.CA().cert_pem.write_to_path(bundle)
    assert _open(aws).transport_name == "crt"


def test_missing_crt_asks_for_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "awscrt.s3", None)
    monkeypatch.delitem(sys.modules, "hyve_pipeline.s3.connection.crt", raising=False)
    assert _open(LOCAL).transport_name == "botocore"
    with pytest.raises(ConfigurationError, match="transport 'crt' needs awscrt"):
        open_connection(LOCAL, transport="crt")


def test_requests_go_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_server([listing_of()]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.endpoint_url)
        place = BucketSettings(bucket="pictures", endpoint_url="http://s3.invalid", profile=PROFILE)
        with open_connection(place) as connection:
            probe_bucket(connection)
            # urllib3 folds dots in the absolute URLs that a proxy gets: another object would be meant.
            with pytest.raises(S3RequestError, match="proxy would fold the dots"):
                connection.send(Request("HeadObject", "HEAD", "a/../b")).result()
        assert [received.path for received in proxy.received] == ["http://s3.invalid/pictures"]


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


def test_silent_server_is_waited_for_by_the_other_transport() -> None:
    with scripted_server([listing_of("a")]) as server:
        place = server.place().model_copy(update={"profile": PROFILE})
        with open_connection(place) as connection:
            connection.transport.close()
            connection.transport = _Impatient()
            assert b"<Key>a</Key>" in connection.send(LIST).result().body
        with pytest.raises(S3RequestError, match="silence"):
            # Closed meanwhile: the failure that led here is told.
            connection.send(LIST).result()


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
