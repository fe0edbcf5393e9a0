"""Reading objects: all of their bytes, as they are stored, whatever the server makes of optional headers."""

import gzip
import hashlib

import pytest

from hyve_pipeline.s3.objects.get import read_bytes, read_checksums, read_object
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, ObjectChangedError, S3RequestError
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import HTTP_DATE, Answer, Received, error_answer, scripted_server

PLAIN = b'{"n": 1}' * 200
PACKED = gzip.compress(PLAIN)


def etag_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def stored(data: bytes, sent: bytes | None = None, *, is_chunked: bool = False, **headers: str) -> Answer:
    """The answer of a server that stores the first and sends the second."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    basic = {"ETag": f'"{etag_of(data)}"', "Last-Modified": HTTP_DATE}
    return Answer(data if sent is None else sent, headers={**basic, **named}, is_chunked=is_chunked)


def test_bytes_are_counted_where_the_server_does_not(connect: Connect) -> None:
    with scripted_server([stored(PLAIN, is_chunked=True)]) as server:
        assert read_object(connect(server.place()), "k", etag_of(PLAIN), len(PLAIN)).result().body == PLAIN


def test_an_answer_without_length_that_is_short_is_refused(connect: Connect) -> None:
    with scripted_server([stored(PLAIN, PLAIN[:-1], is_chunked=True)]) as server, pytest.raises(S3RequestError) as got:
        read_object(connect(server.place()), "k", etag_of(PLAIN), len(PLAIN)).result()
    assert got.value.code == INVALID_RESPONSE
    assert "1599 bytes came instead of 1600" in got.value.message


def test_a_server_that_unpacks_gives_what_is_stored(connect: Connect) -> None:
    def script(received: Received) -> Answer:
        if "gzip" in received.headers.get("accept-encoding", ""):
            return stored(PACKED, Content_Encoding="gzip")
        return stored(PACKED, PLAIN, is_chunked=True, Warning="214 UploadServer gunzipped")

    with scripted_server(script) as server:
        connection = connect(server.place())
        whole = read_object(connection, "k", etag_of(PACKED), len(PACKED)).result()
        part = read_bytes(connection, "k", etag_of(PACKED), 0, len(PACKED)).result()
    assert whole.body == part == PACKED
    assert whole.header("content-encoding") == "gzip"
    # What is on the way may alter it.
    assert all("accept-encoding" not in received.headers["authorization"] for received in server.received)


def test_a_server_that_packs_is_asked_not_to_and_once_only(connect: Connect) -> None:
    def script(received: Received) -> Answer:
        if "gzip" in received.headers.get("accept-encoding", ""):
            return stored(PLAIN, PACKED, is_chunked=True, Content_Encoding="gzip")
        return stored(PLAIN)

    with scripted_server(script) as server:
        connection = connect(server.place())
        read = [read_object(connection, "k", etag_of(PLAIN), len(PLAIN)).result() for _ in range(2)]
        lacks = [lack.described for lack in connection.abilities.met]
    assert [answer.body for answer in read] == [PLAIN, PLAIN]
    assert len(server.received) == 3
    assert lacks == [
        "s3://scripted: the server packs objects with gzip on the way: they are asked for with "
        "Accept-Encoding: identity"
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (stored(PACKED, PLAIN, Warning="214 UploadServer gunzipped"), "the server decompressed it"),
        (stored(PACKED, PLAIN, x_goog_stored_content_encoding="gzip"), "the server decompressed it"),
        (stored(PLAIN, PACKED, Content_Encoding="gzip"), "may have compressed it"),
    ],
)
def test_what_was_changed_on_the_way_is_called_that(connect: Connect, answer: Answer, words: str) -> None:
    with scripted_server([answer]) as server, pytest.raises(S3RequestError, match=words):
        read_object(connect(server.place()), "k", answer.headers["ETag"].strip('"'), 1_000_000).result()


@pytest.mark.parametrize("status", [400, 501])
@pytest.mark.parametrize("header", ["x-amz-checksum-mode", "if-match"])
def test_an_optional_header_that_is_refused_is_left_out_from_then_on(
    connect: Connect, header: str, status: int
) -> None:
    def script(received: Received) -> Answer:
        if header in received.headers:
            return error_answer(status, "InvalidArgument", "Unsupported header received for this API call.")
        return stored(PLAIN)

    with scripted_server(script) as server:
        place = server.place()
        connection = connect(place)
        for _ in range(2):
            assert read_object(connection, "k", etag_of(PLAIN), len(PLAIN)).result().body == PLAIN
        assert read_checksums(connection, "k", etag_of(PLAIN)).result().algorithm is None
        refused = sum(header in received.headers for received in server.received)
        # Another connection of this process knows it from the beginning, and says that it met it.
        again = connect(place)
        assert read_bytes(again, "k", etag_of(PLAIN), 0, len(PLAIN)).result() == PLAIN
        assert read_object(again, "k", etag_of(PLAIN), len(PLAIN)).result().body == PLAIN
        assert [lack.lack for lack in again.abilities.met] == [lack.lack for lack in connection.abilities.met]
        with pytest.raises(ObjectChangedError):
            read_object(again, "k", etag_of(b"another"), 1).result()
    assert sum(header in received.headers for received in server.received) == refused <= 2
    assert len(connection.abilities.met) == 1
    assert header in connection.abilities.met[0].lack.lower()


def test_nothing_is_learned_from_what_fails_in_any_way(connect: Connect) -> None:
    with scripted_server([error_answer(400, "InvalidArgument", "the key is odd")]) as server:
        connection = connect(server.place())
        with pytest.raises(S3RequestError, match="the key is odd"):
            read_object(connection, "k", etag_of(PLAIN), len(PLAIN)).result()
        assert connection.abilities.met == ()


def test_without_condition_and_etag_nothing_is_believed(connect: Connect) -> None:
    def script(received: Received) -> Answer:
        return error_answer(400, "InvalidRequest", "If-Match") if "if-match" in received.headers else Answer(PLAIN)

    with scripted_server(script) as server, pytest.raises(S3RequestError, match="nothing shows which object it is"):
        read_object(connect(server.place()), "k", etag_of(PLAIN), len(PLAIN)).result()


def _by_other_rules(received: Received) -> Answer:
    """A server that compares If-Match by rules of its own, so that no ETag matches."""
    if "if-match" in received.headers:
        return error_answer(412, "PreconditionFailed")
    return stored(PLAIN)


def test_a_condition_that_holds_and_that_the_server_refuses_is_left_out(connect: Connect) -> None:
    with scripted_server(_by_other_rules) as server:
        connection = connect(server.place())
        for _ in range(2):
            assert read_object(connection, "k", etag_of(PLAIN).upper(), len(PLAIN)).result().body == PLAIN
        read_checksums(connection, "k", etag_of(PLAIN)).result()
        assert [lack.lack for lack in connection.abilities.met] == [
            "refuses a matching If-Match when an object is read"
        ]
        # Found out once.
        assert [received.method for received in server.received] == ["GET", "HEAD", "GET", "GET", "HEAD"]


def test_a_condition_that_does_not_hold_stays_one(connect: Connect) -> None:
    with scripted_server(_by_other_rules) as server:
        connection = connect(server.place())
        with pytest.raises(ObjectChangedError):
            read_object(connection, "k", etag_of(PACKED), len(PACKED)).result()
        assert connection.abilities.met == ()


def test_a_proxy_that_packs_and_marks_the_etag(connect: Connect) -> None:
    def script(received: Received) -> Answer:
        if "gzip" not in received.headers.get("accept-encoding", ""):
            return stored(PLAIN)
        return stored(PLAIN, PACKED, is_chunked=True, Content_Encoding="gzip", ETag=f'"{etag_of(PLAIN)}-gzip"')

    with scripted_server(script) as server:
        assert read_object(connect(server.place()), "k", etag_of(PLAIN), len(PLAIN)).result().body == PLAIN
