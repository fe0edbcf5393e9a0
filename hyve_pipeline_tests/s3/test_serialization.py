"""Requests on the wire, field by field as botocore serializes the same calls."""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from hyve_pipeline.core.model.copy_task import NO_OBJECT, CopyRules, CopyTask
from hyve_pipeline.core.model.object_lock import ObjectLock
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.server_abilities import OBJECT_LOCKS
from hyve_pipeline.s3.connection.version_pins import VersionPins
from hyve_pipeline.s3.copying.copy_object import copy_object
from hyve_pipeline.s3.copying.rewrite import rewrite_object
from hyve_pipeline.s3.objects.annotations import (
    Annotation,
    AnnotationsOf,
    list_annotations,
    put_annotation,
    read_annotation,
)
from hyve_pipeline.s3.objects.multipart_api import Part, complete_upload, create_upload
from hyve_pipeline.s3.objects.object_lock import has_object_lock, lock_headers, put_lock
from hyve_pipeline.s3.objects.part_checksums import read_source_parts
from hyve_pipeline.s3.objects.pinned_write import expectation
from hyve_pipeline.s3.objects.properties import ObjectProperties
from hyve_pipeline.s3.objects.put import Content
from hyve_pipeline.s3.streaming.whole import put_whole
from hyve_pipeline.s3.wire.checksums import Checksums, checksum, md5_of
from hyve_pipeline.s3.wire.xml import parse_xml
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import (
    ETAG,
    HTTP_DATE,
    Answer,
    Received,
    ScriptedServer,
    head_answer,
    scripted_server,
)
from hyve_pipeline_tests.servers import client_for

KEY = "to/a b+c%ü.jpg"
BODY = b""  # the content of `ETAG`
OLD = "0123456789abcdef0123456789abcdef"

# What a transport or a library adds, or signs.
_OF_TRANSPORTS = {
    *("host", "user-agent", "authorization", "content-length", "accept", "accept-encoding", "connection", "expect"),
    *("x-amz-date", "x-amz-content-sha256", "amz-sdk-invocation-id", "amz-sdk-request", "transfer-encoding"),
    *("x-amz-user-agent", "x-amz-security-token"),
}

PROPERTIES = ObjectProperties(
    etag=ETAG,
    version_id=None,
    headers=(("content-type", "text/csv"), ("cache-control", "max-age=60"), ("x-amz-meta-owner", "me")),
    storage_class="STANDARD_IA",
    checksums=Checksums(),
    is_etag_md5=True,
    tags=(("team", "photos"), ("x", "a b")),
)
_NAMED = {
    "ContentType": "text/csv",
    "CacheControl": "max-age=60",
    "Metadata": {"owner": "me"},
    "StorageClass": "STANDARD_IA",
    "Tagging": "team=photos&x=a%20b",
}
_ENCRYPTION = CopyRules(headers=(("x-amz-server-side-encryption", "AES256"),))

Ours = Callable[[Connection, str], object]
Theirs = dict[str, Any]


def _task(store_etag: str, **more: Any) -> CopyTask:
    return CopyTask("from/ä", KEY, 0, ETAG, "STANDARD_IA", store_etag=store_etag, **more)


def _copy(store: Connection, store_etag: str) -> object:
    return copy_object(store, store, _task(store_etag, rules=_ENCRYPTION)).result()


def _put(store: Connection, store_etag: str) -> object:
    promised = replace(PROPERTIES, checksums=Checksums({"CRC64NVME": "AAAAAAAAAAA="}))
    return put_whole(store, store, _task(store_etag), (promised, BODY)).result()


def _complete(store: Connection, store_etag: str) -> object:
    parts = [Part(ETAG, 5, "AAAAAA=="), Part(OLD, 3, "BBBBBB==")]
    headers = (("x-amz-checksum-crc32", "CCCCCC=="), ("x-amz-checksum-type", "FULL_OBJECT"))
    headers = (*headers, *expectation(store_etag))
    return complete_upload(store, KEY, "upload 1", parts, "CRC32", headers).result()


def _rewrite(store: Connection, _: str) -> object:
    task = CopyTask(KEY, KEY, 0, OLD, store_etag=OLD)
    return rewrite_object(store, task, PROPERTIES, part_size=5 * 1024**2).result()


def _put_back(store: Connection, store_etag: str) -> object:
    store.versions = VersionPins({KEY: "v1"}.get)
    return copy_object(store, store, CopyTask(KEY, KEY, 0, ETAG, "STANDARD_IA", store_etag=store_etag)).result()


def _create(store: Connection, _: str) -> object:
    headers = (*PROPERTIES.headers, ("x-amz-storage-class", "STANDARD_IA"), ("x-amz-tagging", "team=photos&x=a%20b"))
    algorithm = (("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT"))
    return create_upload(store, KEY, (*headers, *algorithm))


def _source(key: str) -> dict[str, str]:
    return {"Bucket": "scripted", "Key": key}


CALLS: dict[str, tuple[Ours, str, Theirs]] = {
    "copy": (
        _copy,
        "copy_object",
        {
            "CopySource": _source("from/ä"),
            "CopySourceIfMatch": f'"{ETAG}"',
            "StorageClass": "STANDARD_IA",
            "ServerSideEncryption": "AES256",
        },
    ),
    "put": (
        _put,
        "put_object",
        {**_NAMED, "Body": BODY, "ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg==", "ChecksumAlgorithm": "CRC64NVME"},
    ),
    "complete": (
        _complete,
        "complete_multipart_upload",
        {
            "UploadId": "upload 1",
            "ChecksumCRC32": "CCCCCC==",
            "ChecksumType": "FULL_OBJECT",
            "MultipartUpload": {
                "Parts": [
                    {"PartNumber": 1, "ETag": f'"{ETAG}"', "ChecksumCRC32": "AAAAAA=="},
                    {"PartNumber": 2, "ETag": f'"{OLD}"', "ChecksumCRC32": "BBBBBB=="},
                ]
            },
        },
    ),
    "rewrite": (
        _rewrite,
        "copy_object",
        {
            **_NAMED,
            "CopySource": _source(KEY),
            "CopySourceIfMatch": f'"{OLD}"',
            "MetadataDirective": "REPLACE",
            "TaggingDirective": "REPLACE",
        },
    ),
    "put back": (
        _put_back,
        "copy_object",
        {
            "CopySource": {**_source(KEY), "VersionId": "v1"},
            "CopySourceIfMatch": f'"{ETAG}"',
            "StorageClass": "STANDARD_IA",
        },
    ),
}


def _script(received: Received) -> Answer:
    """Every write is done; the store has what is expected there."""
    if received.method == "HEAD":
        is_there = f'"{OLD}"' in _Script.expected
        headers = {"ETag": f'"{OLD}"', "Content-Length": "0", "Last-Modified": HTTP_DATE}
        return Answer(headers=headers) if is_there else Answer(status=404)
    root = "CompleteMultipartUploadResult" if received.method == "POST" else "CopyObjectResult"
    if "uploads" in received.query:
        return Answer(b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
    return Answer(f'<{root}><ETag>"{ETAG}"</ETag></{root}>'.encode(), headers={"ETag": f'"{ETAG}"'})


class _Script:
    expected = ""


def _fields(received: Received) -> tuple[str, str, dict[str, str], dict[str, str], object]:
    headers = {name: value for name, value in received.headers.items() if name not in _OF_TRANSPORTS}
    if received.body.startswith(b"<"):
        headers.pop("content-type", None)  # botocore leaves it out; some servers want it
    return received.method, received.path, received.query, headers, _canonical(received.body)


def _canonical(body: bytes) -> object:
    if not body.startswith(b"<"):
        return body
    root = parse_xml(body)
    # botocore writes quotes as references; both are the same text.
    return [(re.sub("{.*}", "", str(element.tag)), (element.text or "").strip()) for element in root.iter("*")]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """One for all tests: to make botocore's client for another one takes longer than what a test has it do."""
    with scripted_server(_script) as server:
        yield server


@pytest.fixture(scope="module")
def server_of_others() -> Iterator[ScriptedServer]:
    with scripted_server(_answer_to_others) as server:
        yield server


def _botocore(server: ScriptedServer, method: str, parameters: Theirs) -> Received:
    client = client_for(server.endpoint_url, response_checksum_validation="when_required")
    getattr(client, method)(Bucket="scripted", **parameters)
    return server.received[-1]


@pytest.mark.parametrize("store_etag", [NO_OBJECT, OLD])
@pytest.mark.parametrize("name", CALLS)
def test_a_pinned_write_is_serialized_as_by_botocore(
    server: ScriptedServer, connect: Connect, name: str, store_etag: str
) -> None:
    ours, method, parameters = CALLS[name]
    store_etag = OLD if name == "rewrite" else store_etag
    condition = {"IfNoneMatch": "*"} if store_etag == NO_OBJECT else {"IfMatch": f'"{OLD}"'}
    _Script.expected = f'"{store_etag}"'
    server.received.clear()
    store = connect(server.place())
    ours(store, store_etag)
    # The first write of a kind may have a condition that can't hold, see `pinned_write`; this server ignores it.
    ours(store, store_etag)
    mine = server.received[-1]
    theirs = _botocore(server, method, {"Key": KEY, **parameters} | condition)
    assert _fields(mine) == _fields(theirs)


TEXT = "größer".encode()
LISTED = b"<ListObjectAnnotationsOutput><Annotations/></ListObjectAnnotationsOutput>"


def _read_text(connection: Connection) -> object:
    entry = Annotation("a b&c", len(TEXT), "")
    return read_annotation(AnnotationsOf(connection, KEY, (entry,)), entry).result()


def _put_text(connection: Connection) -> object:
    list_annotations(connection, KEY).result()
    return put_annotation(connection, KEY, OLD, "a b&c", Content.of(TEXT, "XXHASH3", needs_md5=True)).result()


UNTIL = "2099-01-01T00:00:00Z"
LOCK = ObjectLock("COMPLIANCE", UNTIL, legal_hold=True, event_hold=True, event_years="2")


def _put_lock(store: Connection, lock: ObjectLock) -> object:
    store.abilities.prove(OBJECT_LOCKS)
    return put_lock(store, KEY, "v 1", lock).result()


OTHER_CALLS: dict[str, tuple[Callable[[Connection], object], str, Theirs]] = {
    "list annotations": (lambda connection: list_annotations(connection, KEY).result(), "list_object_annotations", {}),
    "read an annotation": (
        _read_text,
        "get_object_annotation",
        {"AnnotationName": "a b&c", "ChecksumMode": "ENABLED"},
    ),
    "put an annotation": (
        _put_text,
        "put_object_annotation",
        {
            "AnnotationName": "a b&c",
            "AnnotationPayload": TEXT,
            "ObjectIfMatch": f'"{OLD}"',
            "ContentMD5": base64.b64encode(bytes.fromhex(md5_of(TEXT))).decode(),
            "ChecksumAlgorithm": "XXHASH3",
            "ChecksumXXHASH3": checksum("XXHASH3", TEXT),
        },
    ),
    "ask for the parts of an object": (
        lambda source: read_source_parts(source, CopyTask(KEY, KEY, 3, f"{OLD}-2")),
        "get_object_attributes",
        {"ObjectAttributes": ["ETag", "ObjectParts", "ObjectSize"], "PartNumberMarker": 0},
    ),
    "ask for locks": (has_object_lock, "get_object_lock_configuration", {}),
    "put a retention": (
        lambda store: _put_lock(store, ObjectLock("COMPLIANCE", UNTIL)),
        "put_object_retention",
        {"VersionId": "v 1", "Retention": {"Mode": "COMPLIANCE", "RetainUntilDate": UNTIL}},
    ),
    "put an event hold": (
        lambda store: _put_lock(store, ObjectLock("GOVERNANCE", event_hold=True, event_days="30")),
        "put_object_retention",
        {"VersionId": "v 1", "Retention": {"Mode": "GOVERNANCE", "EventHold": "ON", "EventHoldDuration": {"Days": 30}}},
    ),
    "put a legal hold": (
        lambda store: _put_lock(store, ObjectLock(legal_hold=True)),
        "put_object_legal_hold",
        {"VersionId": "v 1", "LegalHold": {"Status": "ON"}},
    ),
    "put an object with a lock": (
        lambda store: put_whole(
            store, store, _task(NO_OBJECT, rules=CopyRules(keeps_locks=True)), (replace(PROPERTIES, lock=LOCK), BODY)
        ).result(),
        "put_object",
        {
            **_NAMED,
            "Body": BODY,
            "ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg==",
            "IfNoneMatch": "*",
            "ObjectLockMode": "COMPLIANCE",
            "ObjectLockRetainUntilDate": UNTIL,
            "ObjectLockLegalHoldStatus": "ON",
            "ObjectLockEventHold": "ON",
            "ObjectLockEventHoldDurationYears": 2,
        },
    ),
    "copy without annotations": (
        lambda store: copy_object(store, store, _task(NO_OBJECT, rules=CopyRules(annotations="exclude"))).result(),
        "copy_object",
        {
            "CopySource": _source("from/ä"),
            "CopySourceIfMatch": f'"{ETAG}"',
            "StorageClass": "STANDARD_IA",
            "IfNoneMatch": "*",
            "AnnotationDirective": "EXCLUDE",
        },
    ),
}


def _answer_to_others(received: Received) -> Answer:
    if "object-lock" in received.query:
        return Answer(b"<ObjectLockConfiguration/>")
    if received.method == "HEAD" and received.headers.get("x-amz-checksum-mode"):
        return head_answer(0, **dict(lock_headers(LOCK)))  # what was written
    if received.method == "GET":
        return Answer(TEXT if "annotationName" in received.query else LISTED)
    if received.method == "PUT" and "annotation" in received.query:
        return Answer(headers={"ETag": f'"{md5_of(TEXT)}"'})
    _Script.expected = ""
    return _script(received)


@pytest.mark.parametrize("name", OTHER_CALLS)
def test_another_request_is_serialized_as_by_botocore(
    server_of_others: ScriptedServer, connect: Connect, name: str
) -> None:
    server = server_of_others
    server.received.clear()
    ours, method, parameters = OTHER_CALLS[name]
    connection = connect(server.place())
    ours(connection)
    ours(connection)  # see above
    # Whether the server has kept the tags of a write is asked once afterwards.
    asked = [received for received in server.received if received.method != "HEAD"]
    mine = next(
        one for one in reversed(asked) if method.startswith("get") or (one.method, *one.query) != ("GET", "tagging")
    )
    parameters = {} if method == "get_object_lock_configuration" else {"Key": KEY, **parameters}
    if method in ("put_object_retention", "put_object_legal_hold"):
        parameters["ContentMD5"] = mine.headers["content-md5"]
    theirs = _botocore(server, method, parameters)
    if "ContentMD5" in parameters and method != "put_object_annotation" and "Body" not in parameters:
        # botocore adds a checksum; the MD5 alone is what every server accepts.
        for name in ("x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm"):
            del theirs.headers[name]
    assert _fields(mine) == _fields(theirs)


def test_the_beginning_of_an_upload_has_no_condition(server: ScriptedServer, connect: Connect) -> None:
    parameters = {**_NAMED, "ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
    server.received.clear()
    _create(connect(server.place()), NO_OBJECT)
    mine = server.received[-1]
    theirs = _botocore(server, "create_multipart_upload", {"Key": KEY, **parameters})
    assert _fields(mine) == _fields(theirs)
