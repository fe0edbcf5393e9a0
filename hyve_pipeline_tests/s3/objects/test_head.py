"""Looking at single objects."""

from datetime import UTC, datetime
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.s3.objects.head import ObjectHead, head_object, read_head
from hyve_pipeline.s3.objects.properties import read_properties
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, S3RequestError
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.s3.scripted import (
    ETAG,
    HTTP_DATE,
    MICROSECONDS,
    Answer,
    Received,
    error_answer,
    head_answer,
    scripted_server,
)
from hyve_pipeline_tests.servers import client_for, put_objects


def test_object_is_described(make_place: MakePlace, connect: Connect) -> None:
    place = make_place(versioned=True)
    client = client_for(str(place.endpoint_url))
    client.put_object(
        Bucket=place.bucket,
        Key="k",
        Body=b"12345",
        ContentType="image/png",
        Metadata={"Camera": "X100"},
        StorageClass="STANDARD_IA",
    )
    known = client.head_object(Bucket=place.bucket, Key="k")
    assert head_object(connect(place), "k").result() == ObjectHead(
        etag=known["ETag"].strip('"'),
        size=5,
        last_modified=round(known["LastModified"].timestamp() * 1_000_000),
        storage_class="STANDARD_IA",
        version_id=known["VersionId"],
        keeps_versions=True,
        content_type="image/png",
        metadata={"camera": "X100"},
    )


def test_odd_keys_are_found_and_others_not(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    put_objects(client_for(str(place.endpoint_url)), place.bucket, {key: key.encode() for key in ODD_KEYS})
    connection = connect(place)
    heads = [head_object(connection, key) for key in ODD_KEYS]
    assert [head and head.size for head in (future.result() for future in heads)] == [
        len(key.encode()) for key in ODD_KEYS
    ]
    assert head_object(connection, "a/b").result() is None
    assert head_object(connection, "lead").result() is None


def test_deleted_object_is_none(make_place: MakePlace, connect: Connect) -> None:
    place = make_place(versioned=True)
    client = client_for(str(place.endpoint_url))
    put_objects(client, place.bucket, {"k": b""})
    client.delete_object(Bucket=place.bucket, Key="k")
    assert head_object(connect(place), "k").result() is None


def test_dates_have_whole_seconds(connect: Connect) -> None:
    with scripted_server([head_answer()]) as server:
        head = head_object(connect(server.place()), "k").result()
    assert head == ObjectHead(ETAG, 3, MICROSECONDS - MICROSECONDS % 1_000_000)


@pytest.mark.parametrize(("status", "code"), [(403, "Forbidden"), (400, "BadRequest"), (405, "MethodNotAllowed")])
def test_refusal_is_not_absence(connect: Connect, status: int, code: str) -> None:
    with scripted_server([Answer(status=status)]) as server, pytest.raises(S3RequestError) as caught:
        head_object(connect(server.place()), "k").result()
    assert (caught.value.status, caught.value.code, caught.value.key) == (status, code, "k")


@pytest.mark.parametrize("missing", ["ETag", "Last-Modified"])
def test_incomplete_answer_is_refused(connect: Connect, missing: str) -> None:
    answer = head_answer()
    answer.headers.pop(missing)
    with scripted_server([answer]) as server, pytest.raises(S3RequestError) as caught:
        head_object(connect(server.place()), "k").result()
    assert caught.value.code == INVALID_RESPONSE


def test_size_may_be_unknown(connect: Connect) -> None:
    answer = head_answer()
    answer.headers.pop("Content-Length")
    ranged = Answer(b"x", 206, {**answer.headers, "Content-Range": "bytes 0-0/1234"})

    def script(received: Received) -> Answer:
        return ranged if received.method == "GET" else Answer(headers=answer.headers, is_chunked=True)

    with scripted_server(script) as server:
        connection = connect(server.place())
        head = head_object(connection, "k").result()
        known = head_object(connection, "k", needs_size=True).result()
    assert head is not None
    assert (head.etag, head.size) == (ETAG, None)
    assert known is not None
    assert (known.etag, known.size) == (ETAG, 1234)


@pytest.mark.parametrize("status", [400, 403, 405, 501])
def test_what_head_does_not_answer_is_found_by_reading_a_byte(connect: Connect, status: int) -> None:
    def script(received: Received) -> Answer:
        if received.method == "HEAD":
            return Answer(status=status)
        if received.path.endswith("missing"):
            return error_answer(404, "NoSuchKey")
        if received.path.endswith("empty") and "range" in received.headers:
            return error_answer(416, "InvalidRange")
        body = b"" if received.path.endswith("empty") else b"x"
        headers = {"ETag": f'"{ETAG}"', "Last-Modified": HTTP_DATE}
        return Answer(body, 206, {**headers, "Content-Range": "bytes 0-0/77"}) if body else Answer(headers=headers)

    with scripted_server(script) as server:
        connection = connect(server.place())
        heads = [head_object(connection, key).result() for key in ("full", "empty", "missing")]
        lacks = [lack.lack for lack in connection.abilities.met]
    assert [head and head.size for head in heads] == [77, 0, None]
    # A refusal of another kind may be about this object alone.
    assert lacks == (["does not answer HEAD requests for objects"] if status in (405, 501) else [])


def test_what_was_packed_on_the_way_is_no_property(connect: Connect) -> None:
    def script(received: Received) -> Answer:
        headers = {"ETag": f'"{ETAG}"', "Last-Modified": HTTP_DATE}
        if "gzip" in received.headers["accept-encoding"]:
            return Answer(headers={**headers, "ETag": f'W/"{ETAG}"', "Content-Encoding": "gzip"}, is_chunked=True)
        return Answer(b"plain", headers={**headers, "Content-Length": "5"})

    with scripted_server(script) as server:
        connection = connect(server.place())
        found = [read_properties(connection, "k", ETAG).result() for _ in range(2)]
    assert [properties.headers for properties in found] == [(), ()]
    codings = [received.headers["accept-encoding"] for received in server.received]
    assert codings == ["gzip", "identity", "identity"]


@pytest.mark.rclone
@pytest.mark.parametrize(
    ("stored", "kept"),
    [("aws-chunked", None), ("gzip, aws-chunked", "gzip"), ("AWS-Chunked,br", "br"), (" gzip,br", "gzip,br")],
)
def test_the_coding_of_an_upload_is_no_property(connect: Connect, stored: str, kept: str | None) -> None:
    with scripted_server([head_answer(3, **{"Content-Encoding": stored})]) as server:
        found = read_properties(connect(server.place()), "k", ETAG).result()
    assert found.headers == (() if kept is None else (("content-encoding", kept),))


def test_second_server(rclone_endpoint: str, make_place: MakePlace, connect: Connect) -> None:
    place = make_place(endpoint_url=rclone_endpoint)
    put_objects(client_for(rclone_endpoint), place.bucket, {"a b/ü.txt": b"123"})
    connection = connect(place)
    head = head_object(connection, "a b/ü.txt").result()
    assert head is not None
    assert (head.size, head.etag) == (3, "202cb962ac59075b964b07152d234b70")
    assert head_object(connection, "a b/u.txt").result() is None


@given(st.integers(0, 253_000_000_000))
def test_a_date_means_the_same_in_each_form(seconds: int) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    # The form that HTTP asks for, and one that some servers send.
    for date in (formatdate(seconds, usegmt=True), format_datetime(at)):
        response = Response(200, (("ETag", f'"{ETAG}"'), ("Last-Modified", date)))
        assert read_head("b", Request("HeadObject", "HEAD", "k"), response).last_modified == seconds * 1_000_000
