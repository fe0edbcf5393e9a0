"""Saying in one line why a bucket cannot be used."""

import socket

import pytest

from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.core.settings.places import BucketSettings, Place
from hyve_pipeline.s3.connection.retry_policy import RetryPolicy
from hyve_pipeline.s3.listing.probe import probe_bucket, probe_restore_status, send_probe
from hyve_pipeline.s3.listing.walk import MOST_DAMAGED, RESTORE_STATUS
from hyve_pipeline.s3.wire.errors import S3RequestError, bucket_error
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline_tests.conftest import PROFILE, MakePlace
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.listing.walking import walked
from hyve_pipeline_tests.s3.scripted import (
    Answer,
    Received,
    error_answer,
    listing,
    listing_entry,
    listing_of,
    scripted_server,
)
from hyve_pipeline_tests.servers import ACCESS_KEY_ID


def test_bucket_that_can_be_listed(make_place: MakePlace, connect: Connect) -> None:
    probe_bucket(connect(make_place(prefix="a//b/")))


def test_probe_asks_for_one_key_below_the_prefix(connect: Connect) -> None:
    with scripted_server([listing_of("img/a b")]) as server:
        probe_bucket(connect(server.place(prefix="img/a b")))
        (received,) = server.received
    assert (received.query["max-keys"], received.query["prefix"]) == ("1", "img/a b/")


def test_most_servers_let_themselves_be_asked_what_is_restored(connect: Connect) -> None:
    with scripted_server([listing_of("a")]) as server:
        assert probe_restore_status(connect(server.place())) == RESTORE_STATUS
        (received,) = server.received
    assert received.headers["x-amz-optional-object-attributes"] == "RestoreStatus"
    assert "x-amz-optional-object-attributes" in received.headers["authorization"]


@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (400, "InvalidArgument")])
def test_a_server_that_refuses_the_question_is_listed_without_it(status: int, code: str, connect: Connect) -> None:
    def script(received: Received) -> Answer:
        asked = "x-amz-optional-object-attributes" in received.headers
        return error_answer(status, code, "Unsupported header") if asked else listing_of("a")

    with scripted_server(script) as server:
        assert probe_restore_status(connect(server.place())) == ()
        assert len(server.received) == 2


@pytest.mark.parametrize(
    ("status", "code", "requests"), [(403, "AccessDenied", 1), (400, "ExpiredToken", 1), (400, "InvalidArgument", 5)]
)
def test_a_bucket_that_can_not_be_listed_either_way(status: int, code: str, requests: int, connect: Connect) -> None:
    with scripted_server([error_answer(status, code)]) as server:
        with pytest.raises(BucketError, match=code):
            probe_restore_status(connect(server.place()))
        assert len(server.received) == requests


@pytest.mark.parametrize("refused", [{"encoding-type"}, {"list-type"}, {"encoding-type", "list-type"}])
@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (400, "InvalidArgument")])
def test_a_bucket_is_listed_without_the_parameters_that_its_server_refuses(
    status: int, code: str, refused: set[str], connect: Connect
) -> None:
    keys = [f"k{number}" for number in range(8)]

    def script(received: Received) -> Answer:
        if not refused.isdisjoint(received.query):
            return error_answer(status, code)
        left = [key for key in keys if key > received.query.get("marker", received.query.get("start-after", ""))]
        encoding = "url" if "encoding-type" in received.query else None
        return Answer(listing(map(listing_entry, left[:3]), truncated=len(left) > 3, encoding=encoding))

    with scripted_server(script) as server:
        connection = connect(server.place())
        probe_restore_status(connection)
        server.received.clear()
        assert walked(connection)[0] == keys
        send_probe(connection).result()
        assert all(refused.isdisjoint(received.query) for received in server.received)


def test_missing_bucket(make_place: MakePlace, connect: Connect) -> None:
    place = make_place().model_copy(update={"bucket": "no-such-bucket"})
    with pytest.raises(BucketError, match=f"^s3://no-such-bucket/: there is no bucket .*{place.endpoint_url}"):
        probe_bucket(connect(place))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (error_answer(403, "AccessDenied"), f"profile '{PROFILE}' may not do this: allow s3:ListBucket"),
        (error_answer(403, "InvalidAccessKeyId"), "does not accept the access key or secret key"),
        (error_answer(403, "SignatureDoesNotMatch"), "does not accept the access key or secret key"),
        (error_answer(400, "ExpiredToken"), "has expired or is not valid: sign in again"),
        (error_answer(400, "InvalidToken"), "has expired or is not valid: sign in again"),
        (
            error_answer(301, "PermanentRedirect", **{"x-amz-bucket-region": "eu-west-3"}),
            "the bucket is in region 'eu-west-3': set region = 'eu-west-3'",
        ),
        (
            Answer(
                b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong</Message>"
                b"<Region>eu-west-3</Region></Error>",
                400,
            ),
            "set region = 'eu-west-3'",
        ),
        (error_answer(307, "TemporaryRedirect"), "says that the bucket is elsewhere: set its region or endpoint_url"),
        (error_answer(418, "Teapot", "I am\na teapot"), "I am a teapot (status 418)"),
        (
            Answer(b"<html>Not here</html>", 404),
            "has no such resource: correct endpoint_url or the bucket's name (the server answered 404 without",
        ),
        (
            Answer(b"<html>welcome</html>"),
            "does not answer as S3 does: it is a <html> document (status 200); correct its endpoint_url if",
        ),
        (
            Answer(b"Client sent an HTTP request", 400),
            "does not answer as S3 does: the server answered 400 without an S3",
        ),
        (Answer(b"", 302, {"Location": "/login"}), "does not answer as S3 does: Location: /login; the server answered"),
        (Answer(b""), "does not answer as S3 does"),
    ],
)
def test_reasons(connect: Connect, answer: Answer, said: str) -> None:
    with scripted_server([answer]) as server, pytest.raises(BucketError) as caught:
        probe_bucket(connect(server.place("pictures")))
    message = str(caught.value)
    assert message.startswith("s3://pictures/: ")
    assert said in message
    assert "\n" not in message


def test_what_is_no_s3_is_asked_a_few_times_and_not_with_the_patience_of_a_connection(connect: Connect) -> None:
    policy = RetryPolicy(patience=0, fewest_sends=3, first_delay=0.001)
    with scripted_server([Answer(b"<html>a console</html>")]) as server:
        with pytest.raises(BucketError, match="it is a <html> document"):
            probe_bucket(connect(server.place(), policy=policy), first_pause=0.001)
        assert len(server.received) == MOST_DAMAGED


def test_clock_that_is_wrong(transport: str) -> None:
    place = Place(bucket="pictures", endpoint_origin="default")
    error = S3RequestError("pictures", Request("ListObjectsV2", "GET"), "RequestTimeTooSkewed", "late", status=403)
    assert "set the clock" in str(bucket_error(error, place))


def test_server_that_is_not_there(connect: Connect) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        place = BucketSettings(bucket="pictures", endpoint_url=url)
        with pytest.raises(BucketError, match=f"s3://pictures/: {url} cannot be reached: ") as caught:
            probe_bucket(connect(place))
    assert "ConnectionError" in str(caught.value)


def test_host_that_has_no_address(connect: Connect) -> None:
    place = BucketSettings(bucket="pictures", endpoint_url="http://host.invalid:9000")
    with pytest.raises(BucketError, match=r"http://host\.invalid:9000 cannot be reached"):
        probe_bucket(connect(place))


def test_plain_http_server_behind_https(connect: Connect) -> None:
    with scripted_server([listing_of()]) as server:
        url = server.endpoint_url.replace("http://", "https://")
        with pytest.raises(BucketError, match=r"without (it|TLS), its endpoint_url begins with http://"):
            probe_bucket(connect(BucketSettings(bucket="pictures", endpoint_url=url)))


@pytest.mark.rclone
def test_wrong_secret(
    rclone_endpoint: str, make_place: MakePlace, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    place = make_place(endpoint_url=rclone_endpoint)
    probe_bucket(connect(place))
    credentials = tmp_path / "wrong"
    credentials.write_text(f"[{PROFILE}]\naws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = wrong\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    with pytest.raises(BucketError, match="does not accept the access key or secret key of profile"):
        probe_bucket(connect(place))
    credentials.write_text(f"[{PROFILE}]\naws_access_key_id = UNKNOWN\naws_secret_access_key = wrong\n")
    with pytest.raises(BucketError, match="does not accept the access key or secret key of profile"):
        probe_bucket(connect(place))
