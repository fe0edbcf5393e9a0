"""Copies in parts: nothing of the object is lost, and nothing is left behind."""

import threading
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from hyve_pipeline.core.base.sizes import GIB, MIB
from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.copying.copy_object import copy_object
from hyve_pipeline.s3.copying.multipart_upload import part_ranges, part_sizes
from hyve_pipeline.s3.objects.multipart_api import MAX_OBJECT_SIZE, MAX_PART_SIZE, MAX_PARTS
from hyve_pipeline.s3.wire.errors import ObjectChangedError, ObjectUnreadableError, S3RequestError
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.faults import Fault, FaultyServer
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.copying.test_copy_object import PROPERTIES, assert_same_properties
from hyve_pipeline_tests.s3.scripted import ETAG, Answer, Received, error_answer, head_answer, scripted_server
from hyve_pipeline_tests.servers import client_for, list_keys

BODY = bytes(range(256)) * (11 * MIB // 256) + b"tail"
THRESHOLD = 5 * MIB
TIB = 1024 * GIB
PART = 5 * MIB


def _put(client: Any, bucket: str, key: str, **properties: Any) -> CopyTask:
    etag = client.put_object(Bucket=bucket, Key=key, Body=BODY, **properties)["ETag"].strip('"')
    return CopyTask(key, key, len(BODY), etag)


def test_content_and_properties_are_kept(make_place: MakePlace, connect: Connect) -> None:
    source, store = make_place("source"), make_place("store")
    client = client_for(str(source.endpoint_url))
    extra = {"WebsiteRedirectLocation": "/elsewhere", "Expires": "Thu, 01 Dec 2050 16:00:00 GMT"}
    task = _put(client, source.bucket, "big", **PROPERTIES, **extra, Tagging="team=a%20b%2Bc&empty=")
    result = copy_object(connect(source), connect(store), task, multipart_threshold=THRESHOLD, part_size=PART).result()
    assert result.etag.endswith("-3")
    assert result.bytes == len(BODY)
    copy = client.get_object(Bucket=store.bucket, Key="big")
    assert copy["Body"].read() == BODY
    assert copy["ETag"] == f'"{result.etag}"'
    assert_same_properties(client, source.bucket, store.bucket, "big")
    assert client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", []) == []


def _without_tags(server: FaultyServer) -> Fault:
    """A server that forgets the tags of a CreateMultipartUpload, as Ceph does."""

    def fault(received: Received) -> Answer | None:
        if "uploads" not in received.query:
            return None
        return server.forward(replace(received, headers=received.headers | {"x-amz-tagging": ""}))

    return fault


@pytest.mark.parametrize("forgets", [True, False])
def test_tags_that_an_upload_forgets_are_put_afterwards(
    make_place: MakePlace, connect: Connect, faulty: FaultyServer, forgets: bool
) -> None:
    source, store = make_place("source"), make_place("store")
    client = client_for(str(source.endpoint_url))
    if forgets:
        faulty.fault = _without_tags(faulty)
    to = connect(store.model_copy(update={"endpoint_url": faulty.endpoint_url}))
    from_ = connect(source)
    keys = [f"big {number}" for number in range(8)]
    tasks = [_put(client, source.bucket, key, Tagging="team=a%20b&empty=") for key in keys]
    copies = [copy_object(from_, to, task, multipart_threshold=THRESHOLD, part_size=PART) for task in tasks]
    for key, copied in zip(keys, copies, strict=True):
        assert copied.result().lost == ()
        tags = client.get_object_tagging(Bucket=store.bucket, Key=key)["TagSet"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "a b", "empty": ""}
    # It is found out once, also by copies at the same time.
    about_tags = [received.method for received in faulty.received if "tagging" in received.query]
    assert about_tags == (["GET", *["PUT"] * len(keys)] if forgets else ["GET"])


def test_tags_that_may_not_be_read_are_not_asked_for_again(
    make_place: MakePlace, connect: Connect, faulty: FaultyServer
) -> None:
    source, store = make_place("source"), make_place("store")
    client = client_for(str(source.endpoint_url))
    faulty.fault = lambda received: error_answer(403, "AccessDenied") if "tagging" in received.query else None
    to = connect(store.model_copy(update={"endpoint_url": faulty.endpoint_url}))
    for key in ("one", "two"):
        task = _put(client, source.bucket, key, Tagging="team=a")
        assert copy_object(connect(source), to, task, multipart_threshold=THRESHOLD, part_size=PART).result().lost == ()
        assert client.get_object_tagging(Bucket=store.bucket, Key=key)["TagSet"] == [{"Key": "team", "Value": "a"}]
    assert len([received for received in faulty.received if "tagging" in received.query]) == 1


@pytest.mark.parametrize("key", ["a//b", "../up", "new\nline", "☃ ü\u0308/a%20b+c"])
def test_odd_keys(make_place: MakePlace, connect: Connect, key: str) -> None:
    source, store = make_place("source"), make_place("store")
    client = client_for(str(source.endpoint_url))
    task = _put(client, source.bucket, key)
    copy_object(connect(source), connect(store), task, multipart_threshold=THRESHOLD, part_size=PART).result()
    assert client.get_object(Bucket=store.bucket, Key=key)["Body"].read() == BODY


def test_versions_are_told(make_place: MakePlace, connect: Connect) -> None:
    source, store = make_place("source", versioned=True), make_place("store", versioned=True)
    client = client_for(str(source.endpoint_url))
    task = _put(client, source.bucket, "k")
    result = copy_object(connect(source), connect(store), task, multipart_threshold=THRESHOLD, part_size=PART).result()
    assert result.version_id == client.head_object(Bucket=store.bucket, Key="k")["VersionId"]


def test_threshold_itself_is_one_copy(make_place: MakePlace, connect: Connect) -> None:
    source, store = make_place("source"), make_place("store")
    task = _put(client_for(str(source.endpoint_url)), source.bucket, "k")
    result = copy_object(connect(source), connect(store), task, multipart_threshold=len(BODY)).result()
    assert result.etag == task.source_etag


def test_object_that_changed_is_not_copied(make_place: MakePlace, connect: Connect) -> None:
    source, store = make_place("source"), make_place("store")
    client = client_for(str(source.endpoint_url))
    task = _put(client, source.bucket, "k")
    client.put_object(Bucket=source.bucket, Key="k", Body=BODY[::-1])
    from_, to = connect(source), connect(store)
    with pytest.raises(ObjectChangedError):
        copy_object(from_, to, task, multipart_threshold=THRESHOLD, part_size=PART).result()
    client.delete_object(Bucket=source.bucket, Key="k")
    with pytest.raises(ObjectChangedError):
        copy_object(from_, to, task, multipart_threshold=THRESHOLD, part_size=PART).result()
    assert client.list_objects_v2(Bucket=store.bucket)["KeyCount"] == 0
    assert client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", []) == []


class _Bucket:
    """A scripted bucket with one large object, on which one operation goes wrong."""

    def __init__(self, failing: str, failure: Answer, size: int = len(BODY)) -> None:
        self.size = size
        self.failing = failing
        self.failure = failure
        self.operations: list[str] = []

    def __call__(self, received: Received) -> Answer:
        operation = self._operation(received)
        self.operations.append(operation)
        if operation == self.failing:
            return self.failure
        return {
            "head": head_answer(self.size),
            "tags": Answer(b"<Tagging><TagSet/></Tagging>"),
            "create": Answer(
                b"<InitiateMultipartUploadResult><UploadId>u 1</UploadId></InitiateMultipartUploadResult>"
            ),
            "part": Answer(b'<CopyPartResult><ETag>"p"</ETag></CopyPartResult>'),
            "complete": Answer(b'<CompleteMultipartUploadResult><ETag>"e-3"</ETag></CompleteMultipartUploadResult>'),
            "abort": Answer(status=204),
            "made": head_answer(self.size, "e-3"),
        }[operation]

    def _operation(self, received: Received) -> str:
        query = received.query
        if received.method == "HEAD" and received.path.endswith("/b"):
            return "made"
        if received.method == "HEAD":
            assert received.headers["if-match"] == f'"{ETAG}"'
            return "head"
        if "tagging" in query:
            return "tags"
        if "uploads" in query:
            return "create"
        assert query["uploadId"] == "u 1"
        if "partNumber" in query:
            assert received.headers["x-amz-copy-source-if-match"] == f'"{ETAG}"'
            return "part"
        return "complete" if received.method == "POST" else "abort"

    def copy(self, connect: Connect) -> str:
        with scripted_server(self) as server:
            connection = connect(server.place())
            task = CopyTask("a", "b", len(BODY), ETAG)
            copy = copy_object(connection, connection, task, multipart_threshold=THRESHOLD, part_size=PART)
            return copy.result().etag


@pytest.mark.parametrize(
    ("failing", "failure", "kind", "is_aborted"),
    [
        ("head", Answer(status=412), ObjectChangedError, False),
        ("head", Answer(status=404), ObjectChangedError, False),
        ("head", Answer(status=403), S3RequestError, False),
        ("tags", error_answer(403, "AccessDenied"), S3RequestError, False),
        ("create", error_answer(403, "AccessDenied"), S3RequestError, False),
        ("create", Answer(b"<Odd/>"), S3RequestError, False),
        ("part", error_answer(412, "PreconditionFailed"), ObjectChangedError, True),
        ("part", error_answer(404, "NoSuchKey"), ObjectChangedError, True),
        ("part", error_answer(403, "InvalidObjectState"), ObjectUnreadableError, True),
        ("part", Answer(b"<CopyPartResult/>"), S3RequestError, True),
        ("complete", error_answer(400, "InvalidPart"), S3RequestError, True),
        ("complete", Answer(error_answer(400, "InvalidPart").body, status=200), S3RequestError, True),
    ],
)
def test_failures_leave_nothing_behind(
    connect: Connect, failing: str, failure: Answer, kind: type[S3RequestError], is_aborted: bool
) -> None:
    bucket = _Bucket(failing, failure)
    with pytest.raises(S3RequestError) as caught:
        bucket.copy(connect)
    assert type(caught.value) is kind
    assert bucket.operations.count("abort") == is_aborted
    if is_aborted:
        assert bucket.operations[-1] == "abort"


@pytest.mark.parametrize(
    "failure",
    [error_answer(501, "NotImplemented"), error_answer(404, "NoSuchTagSet"), error_answer(405, "MethodNotAllowed")],
)
def test_server_without_tags(connect: Connect, failure: Answer) -> None:
    bucket = _Bucket("tags", failure)
    assert bucket.copy(connect) == "e-3"
    assert bucket.operations.count("part") == 3


def test_metadata_that_headers_cannot_tell_is_not_lost_silently(connect: Connect) -> None:
    head = head_answer(9, **{"x-amz-missing-meta": "2"})
    with pytest.raises(S3RequestError, match="2 entries of the object's metadata are not shown") as caught:
        _Bucket("head", head).copy(connect)
    assert caught.value.code == "HiddenMetadata"
    assert not caught.value.is_transient


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        (5 * GIB - 1, []),
        (5 * GIB, []),
        (5 * GIB + 1, [256 * MIB] * 20 + [1]),
    ],
)
def test_sizes_about_the_largest_single_copy(connect: Connect, size: int, sizes: list[int]) -> None:
    copied: list[int] = []

    class Recording(_Bucket):
        def _operation(self, received: Received) -> str:
            if "x-amz-copy-source" in received.headers and "partNumber" not in received.query:
                return "copy"
            if "x-amz-copy-source-range" in received.headers:
                first, _, last = received.headers["x-amz-copy-source-range"].removeprefix("bytes=").partition("-")
                copied.append(int(last) - int(first) + 1)
            return super()._operation(received)

        def __call__(self, received: Received) -> Answer:
            if self._operation(received) == "copy":
                return Answer(b'<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>')
            if "partNumber" in received.query:
                return Answer(b'<CopyPartResult><ETag>"p"</ETag></CopyPartResult>')
            return super().__call__(received)

    with scripted_server(Recording("", Answer(), size)) as server:
        connection = connect(server.place())
        result = copy_object(connection, connection, CopyTask("a", "b", size, ETAG)).result()
    assert result.bytes == size
    assert sorted(copied, reverse=True) == sizes


class _SlowParts(_Bucket):
    """Counts the parts that are being copied at once."""

    def __init__(self) -> None:
        super().__init__("", Answer(), 40 * PART)
        self.most = self._now = 0
        self._lock = threading.Lock()

    def __call__(self, received: Received) -> Answer:
        is_part = "partNumber" in received.query
        with self._lock:
            self._now += is_part
            self.most = max(self.most, self._now)
        if is_part:
            time.sleep(0.02)
        answer = super().__call__(received)
        with self._lock:
            self._now -= is_part
        return answer


@pytest.mark.parametrize(("slots", "used", "most"), [(100, 1, 16), (5, 1, 5), (5, 3, 3), (1, 1, 1), (2, 10, 1)])
def test_parts_share_the_slots_of_all_that_is_in_flight(connect: Connect, slots: int, used: int, most: int) -> None:
    bucket = _SlowParts()
    window = Window(slots)
    window.has_room(used)
    with scripted_server(bucket) as server:
        connection = connect(server.place(), concurrency=32)
        task = CopyTask("a", "b", 40 * PART, ETAG)
        copy = copy_object(connection, connection, task, multipart_threshold=THRESHOLD, part_size=PART, window=window)
        assert copy.result().etag == "e-3"
    assert bucket.operations.count("part") == 40
    assert min(most, 5) <= bucket.most <= most
    assert window.lent == 0


def test_slots_are_given_back_after_a_failure(connect: Connect) -> None:
    window = Window(8)
    with scripted_server(_Bucket("part", error_answer(403, "AccessDenied"))) as server:
        connection = connect(server.place())
        task = CopyTask("a", "b", len(BODY), ETAG)
        copy = copy_object(connection, connection, task, multipart_threshold=THRESHOLD, part_size=PART, window=window)
        with pytest.raises(S3RequestError, match="AccessDenied"):
            copy.result()
    assert window.lent == 0


def test_closing_takes_back_what_was_begun(connect: Connect) -> None:
    bucket = _Bucket("", Answer())
    with scripted_server(bucket) as server:
        connection = connect(server.place())
        task = CopyTask("a", "b", 200 * PART, ETAG)
        copy = copy_object(connection, connection, task, multipart_threshold=THRESHOLD, part_size=PART // 1000)
        while "part" not in bucket.operations:
            pass
        connection.close()
        with pytest.raises(S3RequestError, match="being closed"):
            copy.result()
        assert bucket.operations[-1] == "abort"


@pytest.mark.parametrize(
    ("size", "part_size", "parts"),
    [
        (1, 5, 1),
        (10, 5, 2),
        (11, 5, 3),
        (5 * GIB + 1, 256 * MIB, 21),
        (5 * TIB, 256 * MIB, MAX_PARTS),
        (20 * TIB, 256 * MIB, MAX_PARTS),
        (20 * TIB, 4 * GIB, 5_120),
        (MAX_OBJECT_SIZE, 256 * MIB, MAX_PARTS),
    ],
)
def test_parts_tile_the_object(connect: Connect, size: int, part_size: int, parts: int) -> None:
    with scripted_server([Answer()]) as server:
        ranges = list(part_ranges(part_sizes(connect(server.place()), CopyTask("a", "b", size, ETAG), part_size)))
    # A larger part only where there would be too many.
    assert len(ranges) == parts <= MAX_PARTS
    assert [part.number for part in ranges] == list(range(1, parts + 1))
    assert ranges[0].first == 0
    assert ranges[-1].last == size - 1
    assert all(left.last + 1 == right.first for left, right in pairwise(ranges))
    assert len({part.size for part in ranges[:-1]}) <= 1
    assert max(part.size for part in ranges) <= MAX_PART_SIZE


@pytest.mark.rclone
def test_server_that_cannot_copy_parts_is_not_believed(
    rclone_endpoint: str, make_place: MakePlace, connect: Connect
) -> None:
    # rclone takes UploadPartCopy for the upload of an empty part, and is content with it.
    source = make_place("source", endpoint_url=rclone_endpoint)
    store = make_place("store", endpoint_url=rclone_endpoint)
    client = client_for(rclone_endpoint)
    task = _put(client, source.bucket, "big file.bin")
    with pytest.raises(S3RequestError) as caught:
        copy_object(connect(source), connect(store), task, multipart_threshold=THRESHOLD, part_size=PART).result()
    assert (caught.value.operation, caught.value.code) == ("UploadPartCopy", "NotImplemented")
    assert list_keys(client, store.bucket) == []
    assert client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", []) == []
