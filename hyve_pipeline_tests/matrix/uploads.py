"""Puts objects of the matrix into a bucket and reads them back, by boto3 and without Hyve."""

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from botocore.exceptions import ClientError

from hyve_pipeline.core.base.sizes import MIB

# Content repeats after this many bytes, which no part has, so that no two parts of an object are equal.
_PERIOD = 11 * MIB + 4099

# Bytes that are sent or read at once.
_BLOCK = 64 * MIB

# The prefix of the headers of checksums.
_CHECKSUM = "x-amz-checksum-"

# The pseudo header under which tags are compared.
TAGS = "tags"

# The pseudo header under which annotations are compared.
ANNOTATIONS = "annotations"

# The most bytes of tags in a header.
_MOST_TAGGING = 2048

# The beginning of the headers that lock an object.
LOCK = "x-amz-object-lock-"

_CUSTOMER_KEY = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0123456789abcdef0123456789abcdef"}


@dataclass(frozen=True)
class Upload:
    """An object to put.

    Attributes:
        size: bytes.
        parts: the sizes of the parts of its multipart upload; empty means one PutObject.
        headers: its properties by header name in lower case: headers, metadata, class, encryption.
        tags: its tags.
        checksum: the algorithm of its checksum, such as ``CRC32C``.
        annotations: its annotations: names and texts.
        customer_key: whether it is encrypted by a key that the server does not keep (SSE-C).
    """

    size: int = 12
    parts: tuple[int, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[tuple[str, str], ...] = ()
    checksum: str | None = None
    annotations: tuple[tuple[str, str], ...] = ()
    customer_key: bool = False

    @property
    def watched(self) -> tuple[str, ...]:
        """The names of the properties that the server must return."""
        return (
            *self.headers,
            *([TAGS] if self.tags else []),
            *([ANNOTATIONS] if self.annotations else []),
            *([_CHECKSUM + self.checksum.lower()] if self.checksum else []),
        )


@dataclass(frozen=True)
class Seen:
    """An object as a server returns it.

    Attributes:
        headers: the headers, and the tags if the upload has any.
        holds_content: whether the content is what was put.
    """

    headers: Mapping[str, str]
    holds_content: bool

    @property
    def etag(self) -> str:
        return self.headers["etag"].strip('"')


@cache
def _noise() -> bytes:
    return random.Random(0).randbytes(_PERIOD)


def content(key: str, first: int, count: int) -> bytes:
    """Some bytes of the content of the object with a key; contents of different keys differ."""
    noise = _noise()
    begin = (random.Random(key).randrange(_PERIOD) + first) % _PERIOD
    repeated = noise[begin : begin + count]
    while len(repeated) < count:
        repeated += noise[: count - len(repeated)]
    return repeated


# Headers of this thread's requests that boto3 does not support, or refuses.
_more = threading.local()


def _add_headers(params: dict[str, Any], **_: Any) -> None:
    params["headers"].update(getattr(_more, "headers", {}))


def _send_as_utf_8(request: Any, **_: Any) -> None:
    # The signature is over UTF-8 bytes, and http.client sends text as Latin-1.
    for name, value in getattr(_more, "headers", {}).items():
        if not value.isascii():
            request.headers[name] = value.encode().decode("latin-1")


def allow_any_header(client: Any) -> None:
    """Let `sending` add headers to this client's requests, those that boto3 refuses included."""
    client.meta.events.register_last("before-call.s3", _add_headers)
    client.meta.events.register_last("before-send.s3", _send_as_utf_8)


@contextmanager
def sending(headers: Mapping[str, str]) -> Iterator[None]:
    """Add headers to the requests that this thread sends."""
    _more.headers = headers
    try:
        yield
    finally:
        _more.headers = {}


def _options(upload: Upload, *, for_part: bool = False) -> dict[str, Any]:
    """The arguments of boto3 for what is not sent as a header."""
    options: dict[str, Any] = dict(_CUSTOMER_KEY) if upload.customer_key else {}
    if upload.checksum:
        options["ChecksumAlgorithm"] = upload.checksum
    if upload.tags and not for_part and not _has_long_tags(upload):
        options["Tagging"] = _tagging(upload)
    return options


def _tagging(upload: Upload) -> str:
    return urlencode(upload.tags, quote_via=quote)


def _has_long_tags(upload: Upload) -> bool:
    """Whether its tags take a request of their own."""
    return len(_tagging(upload)) > _MOST_TAGGING


def _finish(client: Any, bucket: str, key: str, upload: Upload) -> None:
    """Put what is put after an object: tags that no header has room for, or that it has forgotten, and annotations.

    A server that does not know them would take the request for the object: it fails the one that reads them.
    """
    if upload.tags and not _read_tags(client, bucket, key):
        tags = [{"Key": name, "Value": value} for name, value in upload.tags]
        client.put_object_tagging(Bucket=bucket, Key=key, Tagging={"TagSet": tags})
    if upload.annotations:
        client.list_object_annotations(Bucket=bucket, Key=key)
    for name, text in upload.annotations:
        client.put_object_annotation(Bucket=bucket, Key=key, AnnotationName=name, AnnotationPayload=text.encode())


def put(client: Any, bucket: str, key: str, upload: Upload, *, of: str | None = None) -> None:
    """Put an object, by multipart upload if it has parts; `of` is the key whose content it has, else its own."""
    _put(client, bucket, key, upload, key if of is None else of)
    _finish(client, bucket, key, upload)


def _lock(client: Any, bucket: str, key: str, upload: Upload) -> None:
    """Lock an object that was copied: not every server takes the headers of a lock with a copy."""
    named = {name.removeprefix(LOCK): value for name, value in upload.headers.items() if name.startswith(LOCK)}
    if "legal-hold" in named:
        client.put_object_legal_hold(Bucket=bucket, Key=key, LegalHold={"Status": named["legal-hold"]})
    if "retain-until-date" in named:
        retention = {"Mode": named["mode"], "RetainUntilDate": named["retain-until-date"]}
        client.put_object_retention(Bucket=bucket, Key=key, Retention=retention)


def _free(upload: Upload) -> dict[str, str]:
    """The headers without those that lock an object."""
    return {name: value for name, value in upload.headers.items() if not name.startswith(LOCK)}


def _put(client: Any, bucket: str, key: str, upload: Upload, of: str) -> None:
    if not upload.parts:
        with sending(upload.headers):
            body = content(of, 0, upload.size)
            client.put_object(Bucket=bucket, Key=key, Body=body, **_options(upload))
        return
    with sending(upload.headers):
        created = client.create_multipart_upload(Bucket=bucket, Key=key, **_options(upload))
    where = {"Bucket": bucket, "Key": key, "UploadId": created["UploadId"]}
    done: list[dict[str, Any]] = []
    try:
        first = 0
        for number, size in enumerate(upload.parts, 1):
            body = content(of, first, size)
            answer = client.upload_part(**where, PartNumber=number, Body=body, **_options(upload, for_part=True))
            part = {name: value for name, value in answer.items() if name == "ETag" or name.startswith("Checksum")}
            done.append({"PartNumber": number} | part)
            first += size
        client.complete_multipart_upload(**where, MultipartUpload={"Parts": done})
    except Exception:
        _abort(client, where)
        raise


def _abort(client: Any, where: Mapping[str, Any]) -> None:
    """Abort an upload; errors are ignored, as the earlier error matters."""
    with suppress(ClientError):
        client.abort_multipart_upload(**where)


def copy_by_hand(client: Any, bucket: str, key: str, upload: Upload) -> None:
    """Copy an object onto itself with all its properties in the request, as a copy can do at most."""
    options = _options(upload) | {"MetadataDirective": "REPLACE"}
    if "Tagging" in options:
        options["TaggingDirective"] = "REPLACE"
    with sending({"content-type": "binary/octet-stream"} | _free(upload)):
        client.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": key}, **options)
    _finish(client, bucket, key, upload)
    _lock(client, bucket, key, upload)


class NotCopiedError(Exception):
    """A server answers UploadPartCopy without an ETag."""


def copy_part_by_hand(client: Any, bucket: str, key: str, upload: Upload) -> None:
    """Copy an object onto itself by a multipart upload of one part, with all its properties in the request."""
    with sending(_free(upload)):
        created = client.create_multipart_upload(Bucket=bucket, Key=key, **_options(upload))
    where = {"Bucket": bucket, "Key": key, "UploadId": created["UploadId"]}
    source = {"CopySource": {"Bucket": bucket, "Key": key}, "CopySourceRange": f"bytes=0-{upload.size - 1}"}
    try:
        result = client.upload_part_copy(**where, PartNumber=1, **source)["CopyPartResult"]
        if "ETag" not in result:
            raise NotCopiedError
        part = {name: value for name, value in result.items() if name == "ETag" or name.startswith("Checksum")}
        client.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1} | part]})
    except Exception:
        _abort(client, where)
        raise
    _finish(client, bucket, key, upload)
    _lock(client, bucket, key, upload)


def read_object(client: Any, bucket: str, key: str, upload: Upload, *, of: str | None = None) -> Seen:
    """Read an object; `of` is the key whose content it should have, else its own."""
    of = key if of is None else of
    answer = client.get_object(Bucket=bucket, Key=key)
    holds_content = _is_content(answer["Body"], of, upload.size)
    if upload.checksum:
        answer = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    headers = {name.lower(): value for name, value in answer["ResponseMetadata"]["HTTPHeaders"].items()}
    if upload.tags:
        tags = _read_tags(client, bucket, key)
        headers |= {TAGS: repr(sorted((tag["Key"], tag["Value"]) for tag in tags))} if tags else {}
    if upload.annotations:
        listed = client.list_object_annotations(Bucket=bucket, Key=key)["Annotations"]
        names = sorted(entry["AnnotationName"] for entry in listed)
        texts = [client.get_object_annotation(Bucket=bucket, Key=key, AnnotationName=name) for name in names]
        headers[ANNOTATIONS] = repr([text["AnnotationPayload"].read() for text in texts])
    return Seen(headers, holds_content)


def _read_tags(client: Any, bucket: str, key: str) -> list[dict[str, str]]:
    # Ceph answers nothing at all for an object of a multipart upload without tags.
    return client.get_object_tagging(Bucket=bucket, Key=key).get("TagSet", [])


def _is_content(body: Any, key: str, size: int) -> bool:
    first = 0
    while block := body.read(_BLOCK):
        if block != content(key, first, len(block)):
            return False
        first += len(block)
    return first == size


def abort_beside(client: Any, bucket: str, key: str) -> None:
    """Begin an upload of another key in the same folder, and abort it; errors are ignored.

    `rclone serve s3` has its files' names in a memory. After this, as after five minutes, it reads the folder again,
    and control characters of keys have become others.
    """
    where = {"Bucket": bucket, "Key": f"{key[: key.rfind('/') + 1]}aborted"}
    with suppress(ClientError):
        client.abort_multipart_upload(**where, UploadId=client.create_multipart_upload(**where)["UploadId"])


def is_listed(client: Any, bucket: str, prefix: str, key: str) -> bool:
    """Whether a listing of what is below a prefix has exactly this key.

    The prefix is not the key: a server may encode the keys of its answer and not the prefix, so that the answer to one
    with a control character is no XML.
    """
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return any(entry["Key"] == key for page in pages for entry in page.get("Contents", []))


def delete_below(client: Any, bucket: str, prefix: str) -> None:
    """Delete everything below a prefix: objects, versions, delete markers, and open multipart uploads."""
    try:
        pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        found = [
            {"Key": entry["Key"], "VersionId": entry["VersionId"]}
            for page in pages
            for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
        ]
    except client.exceptions.ClientError:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [{"Key": entry["Key"]} for page in pages for entry in page.get("Contents", [])]
    # One by one: not every key is valid in the XML of DeleteObjects.
    for entry in found:
        assert entry["Key"].startswith(prefix)
        options: dict[str, Any] = {}
        if {"locks", "tried"} & {*entry["Key"].split("/")} and "VersionId" in entry:
            options["BypassGovernanceRetention"] = True
            with suppress(ClientError):
                client.put_object_legal_hold(Bucket=bucket, **entry, LegalHold={"Status": "OFF"})
        client.delete_object(Bucket=bucket, **entry, **options)
    uploads = client.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
    for entry in uploads:
        assert entry["Key"].startswith(prefix)
        client.abort_multipart_upload(Bucket=bucket, Key=entry["Key"], UploadId=entry["UploadId"])
