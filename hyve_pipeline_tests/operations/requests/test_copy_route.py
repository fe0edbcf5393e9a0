"""Who copies an object where the server that should can't, whatever it says."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

import pytest

from hyve_pipeline.core.model.copy_task import NO_OBJECT, CopyRules, CopyTask
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.requests.copy_route import ServerCopier
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.objects.source_responses import CopyResult
from hyve_pipeline.s3.streaming.streamer import Streamer
from hyve_pipeline.s3.wire.errors import ObjectChangedError, S3RequestError
from hyve_pipeline.s3.wire.futures import finish
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.conftest import HASTY
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.servers import client_for, read_bucket

_SOME = "does not copy objects that it has, by their keys or ETags"

_Copy = Callable[..., CopyResult]


@pytest.fixture
def copy(make_place: MakePlace, moto_endpoint: str, faulty: FaultyServer) -> _Copy:
    """Copies an object of these bytes server-side, and gives the result; the store gets them, or nothing."""
    source, store = (
        make_place(name).model_copy(update={"endpoint_url": faulty.endpoint_url}) for name in ("source", "store")
    )
    client = client_for(moto_endpoint)

    def copied(key: str, body: bytes, *, lacks: list[str], etag: str | None = None, **options: object) -> CopyResult:
        made = client.put_object(Bucket=source.bucket, Key=key, Body=body)["ETag"].strip('"')
        task = CopyTask(key, key, len(body), etag or made, store_etag=NO_OBJECT)
        outcome: Future[CopyResult] = Future()
        with (
            open_connection(source, policy=HASTY) as from_,
            open_connection(store, policy=HASTY) as to,
            ServerCopier(Options.model_validate(options), from_, to, Window(8)) as copier,
        ):
            copier.copy(task, partial(finish, outcome))
            result = outcome.result()
        assert read_bucket(client, store.bucket) == {key: body}
        assert [lack.lack for lack in to.abilities.met if not lack.is_minor] == lacks
        return result

    return copied


@pytest.mark.parametrize(
    "refusal",
    [error_answer(404, "NoSuchKey"), error_answer(412, "PreconditionFailed"), error_answer(400, "InvalidArgument")],
)
def test_what_the_source_has_is_streamed_where_its_server_says_that_it_has_not(
    copy: _Copy, faulty: FaultyServer, refusal: Answer
) -> None:
    faulty.fault = lambda received: refusal if "x-amz-copy-source" in received.headers else None
    assert copy("a+b", b"content", lacks=[_SOME]).bytes == 7


def test_what_has_changed_is_not_streamed(copy: _Copy, faulty: FaultyServer) -> None:
    with pytest.raises(ObjectChangedError):
        copy("a", b"content", lacks=[], etag="0" * 32)
    assert all(received.method != "GET" for received in faulty.received)


def test_nothing_is_streamed_where_the_server_must_copy(copy: _Copy, faulty: FaultyServer) -> None:
    refused = error_answer(400, "InvalidArgument")
    faulty.fault = lambda received: refused if "x-amz-copy-source" in received.headers else None
    with pytest.raises(S3RequestError, match="InvalidArgument"):
        copy("a", b"content", lacks=[], transfer="server")


def test_a_server_that_ignores_the_range_of_each_part_is_found_out(copy: _Copy, faulty: FaultyServer) -> None:
    def fault(received: Received) -> Answer | None:
        if "x-amz-copy-source-range" not in received.headers:
            return None
        kept = {name: value for name, value in received.headers.items() if name != "x-amz-copy-source-range"}
        return faulty.forward(replace(received, headers=kept))

    faulty.fault = fault
    body = bytes(6 * 1024**2)
    result = copy(
        "big", body, lacks=["has no UploadPartCopy"], multipart_threshold="5 MiB", multipart_part_size="5 MiB"
    )
    assert result.bytes == len(body)


@pytest.mark.parametrize("by", ["server", "stream"])
@pytest.mark.parametrize(
    ("operation", "refusal"),
    [
        (
            "CompleteMultipartUpload",
            error_answer(400, "InvalidPart", "All non-trailing parts must have the same length."),
        ),
        ("CompleteMultipartUpload", error_answer(400, "EntityTooSmall")),
        ("CreateMultipartUpload", error_answer(501, "NotImplemented")),
    ],
)
def test_an_object_whose_parts_the_store_refuses_arrives_in_others(
    make_place: MakePlace, moto_endpoint: str, faulty: FaultyServer, by: str, operation: str, refusal: Answer
) -> None:
    source, store = (
        make_place(name).model_copy(update={"endpoint_url": faulty.endpoint_url}) for name in ("source", "store")
    )
    client = client_for(moto_endpoint)
    bodies = [b"a" * 5 * 1024**2, b"b"]
    upload = {"Bucket": source.bucket, "Key": "k", "UploadId": ""}
    upload["UploadId"] = client.create_multipart_upload(Bucket=source.bucket, Key="k", Metadata={"a": "b"})["UploadId"]
    parts = [
        {"PartNumber": number, "ETag": client.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(bodies, start=1)
    ]
    etag = client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})["ETag"].strip('"')
    query = "uploadId" if operation == "CompleteMultipartUpload" else "uploads"
    faulty.fault = lambda received: refusal if received.method == "POST" and query in received.query else None
    rules = CopyRules(keeps_parts=True)
    task = CopyTask("k", "k", sum(map(len, bodies)), etag, store_etag=NO_OBJECT, rules=rules)
    outcome: Future[CopyResult] = Future()
    with open_connection(source, policy=HASTY) as from_, open_connection(store, policy=HASTY) as to:
        if by == "server":
            with ServerCopier(Options(transfer="server"), from_, to, Window(8)) as copier:
                copier.copy(task, partial(finish, outcome))
                outcome.result()
        else:
            with Streamer(from_, to, memory=64 * 1024**2, threads=2, window=Window(8)) as streamer:
                streamer.copy(task).result()
        assert [one.lack for one in to.abilities.met if not one.is_minor] == [
            "refuses the parts that some objects have in the source"
        ]
    assert client.get_object(Bucket=store.bucket, Key="k")["Body"].read() == b"".join(bodies)
    assert client.head_object(Bucket=store.bucket, Key="k")["Metadata"] == {"a": "b"}
    assert "Uploads" not in client.list_multipart_uploads(Bucket=store.bucket)
