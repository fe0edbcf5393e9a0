"""Objects that get other properties and keep their content, by the server alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hyve_pipeline.core.model.copy_task import CopyRules, CopyTask
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.copying import rewrite
from hyve_pipeline.s3.copying.rewrite import rewrite_object
from hyve_pipeline.s3.objects.properties import ObjectProperties, read_properties
from hyve_pipeline.s3.objects.tags import put_tags
from hyve_pipeline.s3.wire.errors import ObjectChangedError, ObjectUnreadableError, S3RequestError
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.copying.test_copy_object import PROPERTIES
from hyve_pipeline_tests.s3.scripted import ETAG, Answer, error_answer, head_answer, scripted_server
from hyve_pipeline_tests.servers import client_for

MIB = 1024**2
PART = 5 * MIB

_TAGS = (("team", "a+b c"), ("kind", ""))


def _carried(bucket: Connection, key: str, etag: str, wanted: ObjectProperties) -> ObjectProperties:
    """What the object is, and what another is like."""
    found = read_properties(bucket, key, etag).result()
    return replace(found, headers=wanted.headers, storage_class=wanted.storage_class, tags=_TAGS)


class _Filled:
    """A store with an object, and another that is as the first is to be."""

    def __init__(self, place: MakePlace, connect: Connect, body: bytes = b"body", **options: Any) -> None:
        settings = place("store", **options)
        self.client = client_for(str(settings.endpoint_url))
        self.store = connect(settings)
        self.body = body
        etags = [self._put("k", ContentType="text/html", Metadata={"old": "1"}, Tagging="x=y")]
        etags.append(self._put("model", **PROPERTIES))
        self.etag = etags[0]
        wanted = read_properties(self.store, "model", etags[1]).result()
        self.carried = _carried(self.store, "k", self.etag, wanted)

    def _put(self, key: str, **more: Any) -> str:
        return self.client.put_object(Bucket=self.store.bucket, Key=key, Body=self.body, **more)["ETag"].strip('"')

    def task(self, **rules: Any) -> CopyTask:
        return CopyTask("k", "k", len(self.body), self.etag, rules=CopyRules(**rules))

    def assert_repaired(self) -> None:
        found = self.client.get_object(Bucket=self.store.bucket, Key="k")
        assert found["Body"].read() == self.body
        for name, value in PROPERTIES.items():
            assert found[name] == value
        tags = self.client.get_object_tagging(Bucket=self.store.bucket, Key="k")["TagSet"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == dict(_TAGS)


def test_an_object_is_written_onto_itself(make_place: MakePlace, connect: Connect) -> None:
    filled = _Filled(make_place, connect, versioned=True)
    result = rewrite_object(filled.store, filled.task(), filled.carried, part_size=PART).result()
    filled.assert_repaired()
    head = filled.client.head_object(Bucket=filled.store.bucket, Key="k")
    assert (result.etag, result.version_id) == (filled.etag, head["VersionId"])
    assert not result.condition_ignored


def test_a_large_object_is_made_anew_of_parts(
    make_place: MakePlace, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = _Filled(make_place, connect, bytes(range(256)) * (11 * MIB // 256) + b"tail")
    monkeypatch.setattr(rewrite, "MAX_SINGLE_COPY", 8 * MIB)
    result = rewrite_object(filled.store, filled.task(), filled.carried, part_size=PART).result()
    assert result.etag.endswith("-3")
    filled.assert_repaired()
    assert filled.client.list_multipart_uploads(Bucket=filled.store.bucket).get("Uploads", []) == []


@pytest.mark.parametrize("most", [5 * 1024 * MIB, 8 * MIB])
@pytest.mark.parametrize("keeps_parts", [True, False])
def test_parts_are_kept_where_that_is_asked_for(
    make_place: MakePlace, connect: Connect, monkeypatch: pytest.MonkeyPatch, most: int, keeps_parts: bool
) -> None:
    filled = _Filled(make_place, connect, b"a" * 6 * MIB + b"b" * 5 * MIB)
    name = {"Bucket": filled.store.bucket, "Key": "k"}
    upload = filled.client.create_multipart_upload(**name)["UploadId"]
    etags = [
        filled.client.upload_part(**name, UploadId=upload, PartNumber=number, Body=part)["ETag"]
        for number, part in enumerate((filled.body[: 6 * MIB], filled.body[6 * MIB :]), 1)
    ]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    made = filled.client.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={"Parts": parts})
    filled.etag = made["ETag"].strip('"')
    monkeypatch.setattr(rewrite, "MAX_SINGLE_COPY", most)
    task = filled.task(keeps_parts=keeps_parts)
    result = rewrite_object(filled.store, task, filled.carried, part_size=PART).result()
    filled.assert_repaired()
    assert not result.condition_ignored
    if keeps_parts:
        assert result.etag == filled.etag
    elif most < len(filled.body):
        assert result.etag.endswith("-3")


@pytest.mark.parametrize("size", [4, 11 * MIB])
def test_an_object_that_changed_is_left_alone(
    make_place: MakePlace, connect: Connect, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    filled = _Filled(make_place, connect, b"a" * size)
    monkeypatch.setattr(rewrite, "MAX_SINGLE_COPY", 8 * MIB)
    filled.client.put_object(Bucket=filled.store.bucket, Key="k", Body=b"b" * size, ContentType="text/css")
    with pytest.raises(ObjectChangedError):
        rewrite_object(filled.store, filled.task(), filled.carried, part_size=PART).result()
    assert filled.client.head_object(Bucket=filled.store.bucket, Key="k")["ContentType"] == "text/css"
    filled.client.delete_object(Bucket=filled.store.bucket, Key="k")
    with pytest.raises(ObjectChangedError):
        rewrite_object(filled.store, filled.task(), filled.carried, part_size=PART).result()


def test_tags_are_replaced_and_nothing_else(make_place: MakePlace, connect: Connect) -> None:
    filled = _Filled(make_place, connect)
    before = filled.client.head_object(Bucket=filled.store.bucket, Key="k")
    put_tags(filled.store, "k", _TAGS).result()
    found = filled.client.get_object_tagging(Bucket=filled.store.bucket, Key="k")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in found} == dict(_TAGS)
    after = filled.client.head_object(Bucket=filled.store.bucket, Key="k")
    assert (after["ETag"], after["LastModified"], after["Metadata"]) == (
        before["ETag"],
        before["LastModified"],
        {"old": "1"},
    )


def test_tags_of_an_object_that_is_gone(make_place: MakePlace, connect: Connect) -> None:
    store = connect(make_place("store"))
    with pytest.raises(ObjectChangedError):
        put_tags(store, "k", _TAGS).result()


_COPIED = Answer(f"<CopyObjectResult><ETag>&quot;{'0' * 32}&quot;</ETag></CopyObjectResult>".encode())


@pytest.mark.parametrize(
    ("encryption", "etag", "is_ignored"),
    [("AES256", ETAG, True), ("aws:kms", ETAG, False), ("AES256", f"{ETAG}-2", False)],
)
def test_a_server_that_ignores_the_condition_is_noticed(
    connect: Connect, encryption: str, etag: str, is_ignored: bool
) -> None:
    with scripted_server([head_answer(3, etag, **{"x-amz-server-side-encryption": encryption}), _COPIED]) as server:
        store = connect(server.place())
        properties = read_properties(store, "k", etag).result()
        result = rewrite_object(store, CopyTask("k", "k", 3, etag), properties, part_size=PART).result()
        assert result.condition_ignored is is_ignored


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error_answer(412, "PreconditionFailed"), ObjectChangedError),
        (error_answer(403, "InvalidObjectState"), ObjectUnreadableError),
        (error_answer(403, "AccessDenied"), S3RequestError),
    ],
)
@pytest.mark.parametrize(
    "act",
    [
        lambda store: put_tags(store, "k", _TAGS),
        lambda store: rewrite_object(
            store, CopyTask("k", "k", 3, ETAG), read_properties(store, "k", ETAG).result(), part_size=PART
        ),
    ],
)
def test_what_the_server_refuses_is_told(
    connect: Connect, act: Callable[[Connection], Any], answer: Answer, kind: type[S3RequestError]
) -> None:
    with scripted_server(lambda one: head_answer() if one.method == "HEAD" else answer) as server:
        store = connect(server.place())
        with pytest.raises(kind) as raised:
            act(store).result()
        assert type(raised.value) is kind


def test_what_is_asked_of_the_server(connect: Connect) -> None:
    with scripted_server(lambda one: head_answer() if one.method == "HEAD" else _COPIED) as server:
        store = connect(server.place("bucket"))
        properties = read_properties(store, "a b", ETAG).result()
        carried = replace(properties, headers=(("cache-control", "x"),), tags=(("a", "b"),))
        rules = CopyRules(headers=(("x-amz-acl", "private"),))
        rewrite_object(store, CopyTask("a b", "a b", 3, ETAG, rules=rules), carried, part_size=PART).result()
        sent = next(one.headers for one in server.received if one.method == "PUT")
        wanted = {
            "x-amz-copy-source": "bucket/a%20b",
            "x-amz-copy-source-if-match": f'"{ETAG}"',
            "x-amz-metadata-directive": "REPLACE",
            "x-amz-tagging-directive": "REPLACE",
            "cache-control": "x",
            "x-amz-tagging": "a=b",
            "x-amz-acl": "private",
        }
        assert wanted.items() <= sent.items()
