"""Copies within the server: exact, with all properties, and only of the planned object."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.transport import USER_AGENT
from hyve_pipeline.s3.copying.copy_object import copy_object
from hyve_pipeline.s3.listing.bucket_listing import BucketListing
from hyve_pipeline.s3.objects.source_responses import SLOW_COPY, CopyResult, read_copied_etag
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, ObjectChangedError, ObjectUnreadableError, S3RequestError
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline_tests.ceph.cluster import CEPH
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.s3.scripted import ETAG, Answer, Received, error_answer, head_answer, scripted_server
from hyve_pipeline_tests.servers import client_for, put_objects, read_bucket

OTHER_ETAG = "0" * 32


def _md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def _tasks(source: Connection, prefix: str = "") -> list[CopyTask]:
    return [
        CopyTask(key, prefix + key, size, etag, storage_class)
        for _, page in BucketListing(source)
        for key, size, etag, storage_class in zip(page.keys, page.sizes, page.etags, page.storage_classes, strict=True)
    ]


def _copied(etag: str = ETAG, **headers: str) -> Answer:
    return Answer(f'<CopyObjectResult><ETag>"{etag}"</ETag></CopyObjectResult>'.encode(), headers=headers)


def _copy_on(answers: list[Answer], connect: Connect) -> tuple[CopyResult, list[Received]]:
    with scripted_server(answers) as server:
        connection = connect(server.place())
        task = CopyTask("from/a b", "to/a b", 3, ETAG)
        return copy_object(connection, connection, task).result(), server.received


def test_every_odd_key_is_copied_exactly(make_place: MakePlace, connect: Connect) -> None:
    source, store = make_place("source"), make_place("store", prefix="below/")
    client = client_for(str(source.endpoint_url))
    objects = {key: key.encode() for key in ODD_KEYS}
    put_objects(client, source.bucket, objects)
    from_, to = connect(source), connect(store)
    copies = [copy_object(from_, to, task) for task in _tasks(from_, store.prefix)]
    assert {copy.result().condition_ignored for copy in copies} == {False}
    assert read_bucket(client, store.bucket) == {store.prefix + key: body for key, body in objects.items()}


def test_properties_are_kept(make_place: MakePlace, connect: Connect) -> None:
    source, store = make_place("source"), make_place("store")
    client = client_for(str(source.endpoint_url))
    client.put_object(Bucket=source.bucket, Key="k", Body=b"body", **PROPERTIES, Tagging="team=a%20b&empty=")
    from_, to = connect(source), connect(store)
    (task,) = _tasks(from_)
    assert task.storage_class == "STANDARD_IA"
    result = copy_object(from_, to, task).result()
    assert result == CopyResult(_md5(b"body"), None, None, 4)
    assert_same_properties(client, source.bucket, store.bucket, "k")


PROPERTIES: dict[str, Any] = {
    "CacheControl": "max-age=60, public",
    "ContentDisposition": 'attachment; filename="a.csv"',
    "ContentEncoding": "gzip",
    "ContentLanguage": "de, en",
    "ContentType": "text/csv; charset=utf-8",
    "Metadata": {"camera": "X100", "under_score": "1", "note": "two  spaces"},
    "StorageClass": "STANDARD_IA",
}


def assert_same_properties(client: Any, source: str, store: str, key: str) -> None:
    heads = [client.head_object(Bucket=bucket, Key=key) for bucket in (source, store)]
    for head in heads:
        for name in ("ResponseMetadata", "LastModified", "ETag"):
            head.pop(name)
    assert heads[0] == heads[1]
    for name, value in PROPERTIES.items():
        assert heads[1][name] == value
    tags = [client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"] for bucket in (source, store)]
    assert sorted(map(str, tags[0])) == sorted(map(str, tags[1]))
    assert len(tags[1]) == 2


def test_versions_are_told(make_place: MakePlace, connect: Connect) -> None:
    source, store = make_place("source", versioned=True), make_place("store", versioned=True)
    client = client_for(str(source.endpoint_url))
    version = client.put_object(Bucket=source.bucket, Key="k", Body=b"1")["VersionId"]
    from_, to = connect(source), connect(store)
    result = copy_object(from_, to, _tasks(from_)[0]).result()
    assert result.source_version_id == version
    assert result.version_id == client.head_object(Bucket=store.bucket, Key="k")["VersionId"]


def test_object_that_changed_is_not_copied(make_place: MakePlace, connect: Connect) -> None:
    source, store = make_place("source"), make_place("store")
    client = client_for(str(source.endpoint_url))
    put_objects(client, source.bucket, {"changed": b"old", "gone": b"old"})
    from_, to = connect(source), connect(store)
    tasks = _tasks(from_)
    client.put_object(Bucket=source.bucket, Key="changed", Body=b"new")
    client.delete_object(Bucket=source.bucket, Key="gone")
    for task in tasks:
        with pytest.raises(ObjectChangedError) as caught:
            copy_object(from_, to, task).result()
        assert not caught.value.is_transient
    assert read_bucket(client, store.bucket) == {}


def test_archived_object_is_unreadable(make_place: MakePlace, connect: Connect) -> None:
    source, store = make_place("source"), make_place("store")
    client_for(str(source.endpoint_url)).put_object(Bucket=source.bucket, Key="cold", Body=b"x", StorageClass="GLACIER")
    from_, to = connect(source), connect(store)
    with pytest.raises(ObjectUnreadableError):
        copy_object(from_, to, _tasks(from_)[0]).result()


def test_missing_store_bucket_is_no_change(make_place: MakePlace, connect: Connect) -> None:
    source = make_place("source")
    put_objects(client_for(str(source.endpoint_url)), source.bucket, {"k": b"1"})
    from_, to = connect(source), connect(source.model_copy(update={"bucket": "no-such-bucket"}))
    with pytest.raises(S3RequestError) as caught:
        copy_object(from_, to, _tasks(from_)[0]).result()
    assert not isinstance(caught.value, ObjectChangedError)
    assert caught.value.code == "NoSuchBucket"


def test_request_on_the_wire(connect: Connect) -> None:
    _, (received,) = _copy_on([_copied()], connect)
    assert (received.method, received.target, received.body) == ("PUT", "/scripted/to/a%20b", b"")
    headers = received.headers
    assert headers["x-amz-copy-source"] == "scripted/from/a%20b"
    assert headers["x-amz-copy-source-if-match"] == f'"{ETAG}"'
    assert not {"x-amz-storage-class", "x-amz-metadata-directive", "x-amz-tagging-directive"} & set(headers)


def test_large_copies_go_where_silence_is_waited_for(connect: Connect) -> None:
    with scripted_server([_copied()]) as server:
        connection = connect(server.place())
        for size in (SLOW_COPY, SLOW_COPY + 1):
            copy_object(connection, connection, CopyTask("a", "b", size, ETAG)).result()
        agents = [received.headers["user-agent"] for received in server.received]
    # The CRT adds its own name.
    assert agents[1] == USER_AGENT
    assert (agents[0] == USER_AGENT) == (connection.transport_name == "botocore")


@pytest.mark.parametrize(
    ("storage_class", "sent"),
    [
        ("STANDARD", None),
        ("GLACIER_IR", "GLACIER_IR"),
        ("INTELLIGENT_TIERING",) * 2,
        ("OUTPOSTS", None),
        ("SNOW", None),
    ],
)
def test_only_classes_that_can_be_written_are_sent(connect: Connect, storage_class: str, sent: str | None) -> None:
    with scripted_server([_copied()]) as server:
        connection = connect(server.place())
        copy_object(connection, connection, CopyTask("a", "b", 3, ETAG, storage_class)).result()
        assert server.received[0].headers.get("x-amz-storage-class") == sent


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (412, "PreconditionFailed", ObjectChangedError),
        (404, "NoSuchKey", ObjectChangedError),
        (403, "InvalidObjectState", ObjectUnreadableError),
        (403, "AccessDenied", S3RequestError),
        (404, "NoSuchBucket", S3RequestError),
    ],
)
def test_meaning_of_refusals(connect: Connect, status: int, code: str, kind: type[S3RequestError]) -> None:
    with pytest.raises(S3RequestError) as caught:
        _copy_on([error_answer(status, code)], connect)
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code, caught.value.key) == (status, code, "to/a b")


def test_condition_that_the_server_ignored_is_found_out(connect: Connect) -> None:
    changed = head_answer(etag=OTHER_ETAG)
    result, received = _copy_on([_copied(OTHER_ETAG), changed], connect)
    assert result.condition_ignored
    assert (received[1].method, received[1].path) == ("HEAD", "/scripted/from/a%20b")
    result, _ = _copy_on([_copied(OTHER_ETAG), Answer(status=404)], connect)
    assert result.condition_ignored


def test_etag_that_is_no_md5_in_the_source_is_no_change(connect: Connect) -> None:
    same = head_answer()
    result, _ = _copy_on([_copied(OTHER_ETAG), same], connect)
    assert not result.condition_ignored


@pytest.mark.parametrize(
    "answer",
    [
        _copied(f"{OTHER_ETAG}-2"),
        _copied(OTHER_ETAG, **{"x-amz-server-side-encryption": "aws:kms"}),
        _copied(OTHER_ETAG, **{"x-amz-server-side-encryption-customer-algorithm": "AES256"}),
    ],
)
def test_etags_that_cannot_be_compared_are_not(connect: Connect, answer: Answer) -> None:
    result, received = _copy_on([answer], connect)
    assert not result.condition_ignored
    assert len(received) == 1


@pytest.mark.parametrize("body", [b"", b"<CopyObjectResult></CopyObjectResult>", b"<CopyObjectResult><ETag>", b"fine"])
def test_answer_that_proves_nothing_is_no_success(connect: Connect, body: bytes) -> None:
    with pytest.raises(S3RequestError) as caught:
        _copy_on([Answer(body)], connect)
    assert caught.value.code == INVALID_RESPONSE
    assert caught.value.is_transient


_ETAGS = st.sampled_from(["&quot;{}&quot;", '"{}"', "&#34;{}&#34;", "{}", "&#x22;{}&#x22;", '<![CDATA["{}"]]>'])
_DATES = st.sampled_from(["<LastModified>2024-05-06T07:08:09.000Z</LastModified>", "<LastModified/>", "", "\n"])


@given(
    st.from_regex("[0-9a-f]{32}(-[0-9]{1,5})?|[A-Z]{1,8}", fullmatch=True),
    _ETAGS,
    st.tuples(_DATES, _DATES),
    st.sampled_from(["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', ' xmlns="urn:x"']),
    st.sampled_from(
        ["", "<ChecksumCRC32>a+/=</ChecksumCRC32>", "<!-- <ETag>x</ETag> -->", "<Other><ETag>x</ETag></Other>"]
    ),
    st.sampled_from(["", '<?xml version="1.0" encoding="UTF-8"?>', '<?xml version="1.0"?>\n']),
)
def test_etag_is_read_however_it_is_written(
    etag: str, form: str, dates: tuple[str, str], namespace: str, more: str, declaration: str
) -> None:
    document = f"{dates[0]}<ETag>{form.format(etag)}</ETag>{dates[1]}{more}"
    body = f"{declaration}<CopyObjectResult{namespace}>{document}</CopyObjectResult>".encode()
    assert read_copied_etag("b", Request("CopyObject", "PUT", "k"), Response(200, (), body)) == etag


@pytest.mark.parametrize(
    "body",
    [
        b"<CopyObjectResult><ETag>&quot;%b&quot;</ETag>",
        b"<CopyObjectResult><ETag>&quot;%b&quot;</ETag></CopyObjectResult><Error/>",
        b"<CopyObjectResult><ETag>&quot;%b&quot;</ETag><ChecksumCRC32>a</ChecksumSHA1></CopyObjectResult>",
        b"<CopyObjectResult><ETag>&quot;%b</CopyObjectResult>",
    ],
)
def test_answer_that_is_broken_is_no_usual_one(body: bytes) -> None:
    with pytest.raises(S3RequestError) as caught:
        read_copied_etag("b", Request("CopyObject", "PUT", "k"), Response(200, (), body % ETAG.encode()))
    assert caught.value.code == INVALID_RESPONSE


def test_white_space_before_the_answer(connect: Connect) -> None:
    body = b"\n \n" * 1000 + b'<?xml version="1.0"?><CopyObjectResult><ETag>&quot;abc&quot;</ETag></CopyObjectResult>'
    assert _copy_on([Answer(body)], connect)[0].etag == "abc"


def test_status_200_with_an_error_is_tried_again(connect: Connect) -> None:
    late_error = Answer(error_answer(500, "InternalError").body, status=200)
    result, received = _copy_on([late_error, late_error, _copied()], connect)
    assert result.etag == ETAG
    assert len(received) == 3


def test_status_200_with_an_error_is_an_error_at_last(connect: Connect) -> None:
    with pytest.raises(S3RequestError) as caught:
        _copy_on([Answer(error_answer(500, "InternalError", "We encountered an error").body, status=200)], connect)
    assert caught.value.code == "InternalError"
    assert caught.value.is_transient


@pytest.mark.rclone
def test_second_server(rclone_endpoint: str, make_place: MakePlace, connect: Connect) -> None:
    source = make_place("source", endpoint_url=rclone_endpoint)
    store = make_place("store", endpoint_url=rclone_endpoint)
    client = client_for(rclone_endpoint)
    objects = {key: key.encode() for key in RCLONE_KEYS}
    put_objects(client, source.bucket, objects)
    from_, to = connect(source), connect(store)
    copies = [copy_object(from_, to, task) for task in _tasks(from_)]
    assert [copy.result().condition_ignored for copy in copies] == [False] * len(objects)
    assert read_bucket(client, store.bucket) == objects


@pytest.mark.parametrize("server", [pytest.param("rclone", marks=pytest.mark.rclone), pytest.param("ceph", marks=CEPH)])
def test_other_servers_ignore_the_condition(
    request: pytest.FixtureRequest, make_place: MakePlace, connect: Connect, server: str
) -> None:
    endpoint_url: str = request.getfixturevalue(f"{server}_endpoint")
    place = make_place(endpoint_url=endpoint_url)
    put_objects(client_for(endpoint_url), place.bucket, {"a.txt": b"new"})
    connection = connect(place)
    result = copy_object(connection, connection, CopyTask("a.txt", "b.txt", 3, _md5(b"old"))).result()
    assert result.condition_ignored


# rclone's keys are paths of files: no empty parts, no dots, no folder beside a file of its name.
RCLONE_KEYS = [
    key
    for key in ODD_KEYS
    if not any(part in ("", ".", "..") for part in key.split("/")) and not key.startswith(("x/", "a/"))
]
