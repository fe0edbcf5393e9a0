"""Copies into stores that lack something of S3: what arrives, what is said of it, and what the options decide."""

from dataclasses import replace

import pytest

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import CONTENT, apply, copied, copied_plan, planned, put_in_parts, rows_of
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import MakePair, Pair

LARGE = CONTENT[: 9 * MIB]
WAYS = pytest.mark.parametrize("way", ["stream", "server"])


@pytest.fixture
def pair(faulty: FaultyServer, make_pair: MakePair) -> Pair:
    """A sync through the proxy; parts are streamed from 8 MiB on."""
    return make_pair(through=faulty)


def tags_of(pair: Pair, key: str) -> dict[str, str]:
    found = pair.store.client.get_object_tagging(Bucket=pair.store.name, Key=key)["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in found}


def refusing(faulty: FaultyServer, bucket: str, *headers: str, answer: Answer, tagging: bool = False) -> None:
    """Let a bucket refuse headers, and what has to do with tags by requests of their own."""

    def fault(received: Received) -> Answer | None:
        if not received.path.startswith(f"/{bucket}/"):
            return None
        is_refused = any(name in received.headers for name in headers) or (tagging and "tagging" in received.query)
        return answer if is_refused else None

    faulty.fault = fault


NO_TAGS = error_answer(501, "NotImplemented", "A header you provided implies functionality that is not implemented")


@WAYS
def test_a_store_without_tags_gets_all_but_those(pair: Pair, faulty: FaultyServer, way: str) -> None:
    pair.source.put({"plain": b"x"})
    pair.source.client.put_object(Bucket=pair.source.name, Key="large", Body=LARGE, Tagging="team=data&x=y")
    refusing(faulty, pair.store.name, "x-amz-tagging", answer=NO_TAGS, tagging=True)
    plan, context = copied(pair, way)
    faulty.fault = lambda _: None
    assert pair.store.read() == pair.source.read()
    rows = rows_of(context, plan)
    assert {key: (row.outcome.value, row.without) for key, row in rows.items()} == {
        "plain": ("done", None),
        "large": ("done", "tags"),
    }
    status = plan_status(context, plan)
    assert status.without == {"tags": 1}
    assert [lack.described for lack in status.lacks if not lack.is_minor] == [
        f"s3://{pair.store.name}: the server does not support object tags: objects arrive without theirs "
        '(object_tags = "require" fails them instead)'
    ]


def test_tags_that_are_required_fail_their_objects(pair: Pair, faulty: FaultyServer) -> None:
    for key in "ab":
        pair.source.client.put_object(Bucket=pair.source.name, Key=key, Body=b"x", Tagging="team=data")
    refusing(faulty, pair.store.name, "x-amz-tagging", answer=NO_TAGS, tagging=True)
    plan, context = copied(pair, "stream", object_tags="require")
    assert {row.outcome.value for row in rows_of(context, plan).values()} == {"failed"}
    # What is there already has its tags no more than before.
    apply(context, plan, "copy")
    assert {row.outcome.value for row in rows_of(context, plan).values()} == {"failed"}


@WAYS
def test_tags_are_left_out_where_that_is_wanted(pair: Pair, faulty: FaultyServer, way: str) -> None:
    for key, size in (("small", 1), ("large", len(LARGE))):
        pair.source.client.put_object(Bucket=pair.source.name, Key=key, Body=LARGE[:size], Tagging="team=data")
    plan, context = copied(pair, way, object_tags="skip")
    assert [tags_of(pair, key) for key in ("small", "large")] == [{}, {}]
    assert {row.without for row in rows_of(context, plan).values()} == {None}
    assert not any("tagging" in received.query for received in faulty.received)


@WAYS
@pytest.mark.parametrize("knows_header", [True, False])
def test_tags_that_no_header_holds_or_is_taken_for_are_put_afterwards(
    pair: Pair, faulty: FaultyServer, way: str, knows_header: bool
) -> None:
    long = {f"key {number}": "å" * 250 for number in range(10)} if knows_header else {"team": "data"}
    pair.source.put({"large": LARGE, "small": b"x"})
    for key in ("large", "small"):
        tagging = {"TagSet": [{"Key": name, "Value": value} for name, value in long.items()]}
        pair.source.client.put_object_tagging(Bucket=pair.source.name, Key=key, Tagging=tagging)
    if not knows_header:
        refusing(faulty, pair.store.name, "x-amz-tagging", answer=NO_TAGS)
    plan, context = copied(pair, way)
    faulty.fault = lambda _: None
    assert (tags_of(pair, "large"), tags_of(pair, "small")) == (long, long)
    assert {row.without for row in rows_of(context, plan).values()} == {None}


@pytest.mark.parametrize("answers_with_object", [True, False])
def test_tags_are_never_put_where_they_would_be_taken_for_the_object(
    pair: Pair, faulty: FaultyServer, answers_with_object: bool
) -> None:
    """As a server does that does not know the query ``tagging``."""
    pair.source.client.put_object(Bucket=pair.source.name, Key="k", Body=b"content", Tagging="team=data")

    def fault(received: Received) -> Answer | None:
        if not received.path.startswith(f"/{pair.store.name}/"):
            return None
        if "x-amz-tagging" in received.headers:
            return NO_TAGS
        if "tagging" not in received.query:
            return None
        if received.method == "GET" and not answers_with_object:
            return error_answer(404, "NoSuchKey")
        return faulty.forward(replace(received, target=received.path))

    faulty.fault = fault
    plan, context = copied(pair, "stream")
    faulty.fault = lambda _: None
    assert pair.store.read() == {"k": b"content"}
    assert rows_of(context, plan)["k"].without == "tags"
    assert [lack.lack for lack in plan_status(context, plan).lacks] == ["does not support object tags"]


def test_a_copy_of_an_attempt_that_ended_before_its_tags_gets_them(pair: Pair, faulty: FaultyServer) -> None:
    pair.source.client.put_object(Bucket=pair.source.name, Key="k", Body=b"x", Tagging=f"team={'x' * 250}&" * 1)
    tags = [{"Key": f"key {number}", "Value": "å" * 250} for number in range(10)]
    pair.source.client.put_object_tagging(Bucket=pair.source.name, Key="k", Tagging={"TagSet": tags})

    def fault(received: Received) -> Answer | None:
        is_put = received.method == "PUT" and "tagging" in received.query
        return error_answer(403, "AccessDenied") if is_put else None

    faulty.fault = fault
    plan, context = copied(pair, "stream")
    assert rows_of(context, plan)["k"].code == "AccessDenied"
    faulty.fault = lambda _: None
    apply(context, plan, "copy")
    assert rows_of(context, plan)["k"].outcome.value == "done"
    assert len(tags_of(pair, "k")) == 10


@WAYS
@pytest.mark.parametrize(
    "answer",
    [
        error_answer(400, "InvalidStorageClass", "The storage class you specified is not valid"),
        Answer(b"<Error><Code>InvalidArgument</Code><RequestId>tx1</RequestId></Error>", 400),
    ],
)
def test_a_class_that_the_store_refuses_becomes_its_default(
    pair: Pair, faulty: FaultyServer, way: str, answer: Answer
) -> None:
    for key, size in (("small", 1), ("large", len(LARGE))):
        pair.source.client.put_object(
            Bucket=pair.source.name, Key=key, Body=LARGE[:size], StorageClass="STANDARD_IA", Tagging="team=data"
        )
    refusing(faulty, pair.store.name, "x-amz-storage-class", answer=answer)
    plan, context = copied(pair, way)
    assert {row.without for row in rows_of(context, plan).values()} == {"storage class STANDARD_IA"}
    lacks = [lack.lack for lack in plan_status(context, plan).lacks if not lack.is_minor]
    assert lacks == ["refuses the storage class STANDARD_IA"]
    # What was sent beside it was not to blame.
    assert (tags_of(pair, "large"), tags_of(pair, "small")) == ({"team": "data"},) * 2


@WAYS
@pytest.mark.parametrize(("choice", "found"), [("default", "STANDARD"), ("GLACIER_IR", "GLACIER_IR")])
def test_the_options_name_the_class(pair: Pair, way: str, choice: str, found: str) -> None:
    for key, size in (("small", 1), ("large", len(LARGE))):
        pair.source.client.put_object(Bucket=pair.source.name, Key=key, Body=LARGE[:size], StorageClass="STANDARD_IA")
    copied(pair, way, storage_class=choice)
    listed = pair.store.client.list_objects_v2(Bucket=pair.store.name)["Contents"]
    assert {entry["StorageClass"] for entry in listed} == {found}


def test_a_class_that_the_options_name_is_not_replaced(pair: Pair, faulty: FaultyServer) -> None:
    pair.source.put({"k": b"x"})
    refusing(faulty, pair.store.name, "x-amz-storage-class", answer=error_answer(400, "InvalidStorageClass"))
    plan, context = copied(pair, "stream", storage_class="COLD")
    assert rows_of(context, plan)["k"].code == "InvalidStorageClass"


@pytest.mark.parametrize(
    ("headers", "lack"),
    [
        (("x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm"), "refuses checksums other than Content-MD5"),
        (("content-md5",), "refuses Content-MD5"),
        (("x-amz-website-redirect-location",), "does not support website redirects"),
    ],
)
def test_other_headers_that_a_store_refuses_are_left_out(
    pair: Pair, faulty: FaultyServer, headers: tuple[str, ...], lack: str
) -> None:
    for key, size in (("small", 1), ("large", len(LARGE))):
        properties = {"WebsiteRedirectLocation": "/else", "Tagging": "team=data", "ChecksumAlgorithm": "CRC32"}
        pair.source.client.put_object(Bucket=pair.source.name, Key=key, Body=LARGE[:size], **properties)
    answer = error_answer(501, "NotImplemented", "A header you provided implies functionality that is not implemented.")
    refusing(faulty, pair.store.name, *headers, answer=answer)
    plan, context = copied(pair, "stream")
    assert [one.lack for one in plan_status(context, plan).lacks] == [lack]
    assert (tags_of(pair, "large"), tags_of(pair, "small")) == ({"team": "data"},) * 2
    assert pair.store.read() == pair.source.read()


@WAYS
def test_an_object_whose_completion_tells_no_etag_is_done(pair: Pair, faulty: FaultyServer, way: str) -> None:
    etag = put_in_parts(pair.source, "k", [5 * MIB, 4 * MIB])
    answer = b"<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>"

    def fault(received: Received) -> Answer | None:
        if received.method != "POST" or "uploadId" not in received.query:
            return None
        return replace(faulty.forward(received), body=answer, headers={})

    faulty.fault = fault
    plan, context = copied(pair, way)
    row = rows_of(context, plan)["k"]
    assert (row.outcome.value, row.etag_after) == ("done", etag)


def test_answers_without_etag_to_whole_writes_are_settled_by_head(pair: Pair, faulty: FaultyServer) -> None:
    pair.source.put({"k": b"x"})

    def fault(received: Received) -> Answer | None:
        if received.method != "PUT":
            return None
        answer = faulty.forward(received)
        body = b"<CopyObjectResult><ETag/></CopyObjectResult>" if answer.body else b""
        kept = {name: value for name, value in answer.headers.items() if name.lower() != "etag"}
        return replace(answer, body=body, headers=kept | {"Content-Length": str(len(body))})

    faulty.fault = fault
    for way in ("stream", "server"):
        plan, context = copied(pair, way)
        assert rows_of(context, plan)["k"].outcome.value == "done"
        pair.store.client.delete_object(Bucket=pair.store.name, Key="k")


@WAYS
def test_a_success_that_is_no_answer_is_none(pair: Pair, faulty: FaultyServer, way: str) -> None:
    pair.source.put({"k": LARGE})

    def fault(received: Received) -> Answer | None:
        if received.method != "POST" or "uploadId" not in received.query:
            return None
        return Answer(b"<html><ETag>&quot;abc&quot;</ETag></html>")

    faulty.fault = fault
    plan, context = copied(pair, way)
    assert rows_of(context, plan)["k"].outcome.value == "failed"


NOTHING = Answer(headers={"ETag": '"d41d8cd98f00b204e9800998ecf8427e"'})


@pytest.mark.parametrize("answer", [NO_TAGS, error_answer(405, "MethodNotAllowed"), NOTHING])
@pytest.mark.parametrize(("size", "lack"), [(3, "has no CopyObject"), (9 * MIB, "has no UploadPartCopy")])
def test_what_the_server_can_not_copy_goes_through_this_process(
    pair: Pair, faulty: FaultyServer, answer: Answer, size: int, lack: str
) -> None:
    pair.source.put({"k": LARGE[:size], "l": LARGE[:size]})
    pair.store.put({"k": b"overwritten"})

    def fault(received: Received) -> Answer | None:
        if "x-amz-copy-source" not in received.headers:
            return None
        if answer is NOTHING and "uploadId" not in received.query:
            pair.store.put({received.path[-1]: b""})  # it takes the request for the upload of nothing
        return answer

    faulty.fault = fault
    context = pair.context(transfer="auto", stream_memory=32 * MIB, multipart_threshold=8 * MIB)
    plan = planned(context)
    assert plan.transfer.by == "server"
    apply(context, plan, "copy")
    assert [one.lack for one in plan_status(context, plan).lacks] == [lack]
    assert pair.store.read() == pair.source.read()


def test_the_server_copies_where_the_options_say_so(pair: Pair, faulty: FaultyServer) -> None:
    pair.source.put({"k": b"x"})
    faulty.fault = lambda received: NO_TAGS if "x-amz-copy-source" in received.headers else None
    plan, context = copied(pair, "server")
    assert rows_of(context, plan)["k"].code == "NotImplemented"


def test_the_trash_of_a_server_without_copies_is_filled_by_this_process(
    pair: Pair, faulty: FaultyServer, make_place: MakePlace
) -> None:
    trash = make_place("trash")
    pair.source.put({"k": b"new"})
    pair.store.put({"k": b"old content"})
    faulty.fault = lambda received: NO_TAGS if "x-amz-copy-source" in received.headers else None
    context = pair.context(trash=f"s3://{trash.bucket}/kept/")
    plan = copied_plan(context)
    assert rows_of(context, plan)["k"].trashed
    kept = pair.store.client.get_object(Bucket=trash.bucket, Key="kept/k")["Body"].read()
    assert (kept, pair.store.read()) == (b"old content", {"k": b"new"})
