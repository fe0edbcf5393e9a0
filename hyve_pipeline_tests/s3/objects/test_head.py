"""Looking at single objects."""

import pytest

from hyve_pipeline.s3.objects.head import ObjectHead, head_object
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, S3RequestError
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.s3.scripted import ETAG, MICROSECONDS, Answer, head_answer, scripted_server
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


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (400, "BadRequest"), (405, "MethodNotAllowed")])
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


@pytest.mark.rclone
def test_second_server(rclone_endpoint: str, make_place: MakePlace, connect: Connect) -> None:
    place = make_place(endpoint_url=rclone_endpoint)
    put_objects(client_for(rclone_endpoint), place.bucket, {"a b/ü.txt": b"123"})
    connection = connect(place)
    head = head_object(connection, "a b/ü.txt").result()
    assert head is not None
    assert (head.size, head.etag) == (3, "202cb962ac59075b964b07152d234b70")
    assert head_object(connection, "a b/u.txt").result() is None
