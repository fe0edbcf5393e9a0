"""The objects in which a state on S3 is kept: created under a condition, replaced, listed like a folder.

Only the condition ``If-None-Match: *`` of PutObject is used: of all conditional writes it is the one that the most
servers enforce. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import BinaryIO

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.key_encoding import decode_key
from hyve_pipeline.s3.objects.delete import delete_objects
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.objects.multipart_api import Part, abort_upload, complete_upload, create_upload
from hyve_pipeline.s3.objects.put import Content, put_content, written_algorithm
from hyve_pipeline.s3.wire.checksums import Checksums
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.messages import Pairs, Request
from hyve_pipeline.s3.wire.responses import check_echo, is_truncated, parse_response, require
from hyve_pipeline.s3.wire.xml import child_text

# Whose request created an object: it decides when the answer to the request was lost.
_NONCE = "hyve-nonce"

_CONFLICT = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT}

# Larger files are written by multipart upload, in parts of this size: at most 320 GB with 10,000 parts.
PART_BYTES = 32 * 1024**2


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object or a common prefix of a listing.

    Attributes:
        key: the whole key, or the prefix with its ``/``.
        size: bytes; 0 for a prefix.
        modified: when it was written; None for a prefix.
        listed: the server's time when it was listed; None where the server does not say it.
        is_prefix: whether it is a common prefix.
    """

    key: str
    size: int = 0
    modified: datetime | None = None
    listed: datetime | None = None
    is_prefix: bool = False


def create_object(connection: Connection, key: str, body: bytes) -> bool:
    """Write an object unless there is one of that key.

    Returns:
        Whether this call created it, also where the answer to its first request was lost.

    Raises:
        S3RequestError: the request failed.
    """
    nonce = uuid.uuid4().hex
    headers = (("if-none-match", "*"), (f"x-amz-meta-{_NONCE}", nonce))
    try:
        _put(connection, "PutObject", key, body, headers=headers)
    except S3RequestError as error:
        if error.status not in _CONFLICT:
            raise
        head = head_object(connection, key).result()
        return head is not None and head.metadata.get(_NONCE) == nonce
    return True


def put_file(connection: Connection, key: str, file: BinaryIO, size: int) -> None:
    """Write an object from a file, replacing one of that key; it appears whole or not at all.

    Args:
        connection: the bucket.
        key: the whole key.
        file: the content, from where the file stands.
        size: its bytes; a larger file than `PART_BYTES` is written in parts.

    Raises:
        S3RequestError: a request failed; an upload that was begun is aborted.
    """
    if size <= PART_BYTES:
        _put(connection, "PutObject", key, file.read())
        return
    upload_id, _ = create_upload(connection, key, ())
    try:
        parts: list[Part] = []
        while data := file.read(PART_BYTES):
            query = (("partNumber", str(len(parts) + 1)), ("uploadId", upload_id))
            parts.append(_put(connection, "UploadPart", key, data, query=query, with_checksum=False))
        complete_upload(connection, key, upload_id, parts, None).result()
    except BaseException:
        abort_upload(connection, key, upload_id)
        raise


def get_object(connection: Connection, key: str) -> bytes | None:
    """The content of a small object, or None where there is none.

    Raises:
        S3RequestError: the request failed.
    """
    try:
        return connection.send(Request("GetObject", "GET", key)).result().body
    except S3RequestError as error:
        if error.status == HTTPStatus.NOT_FOUND and error.code != "NoSuchBucket":
            return None
        raise


def list_below(connection: Connection, prefix: str, delimiter: str = "") -> Iterator[ListedObject]:
    """The objects below a prefix, in key order; with a delimiter, those directly below it and the common prefixes.

    Raises:
        S3RequestError: the listing failed, or an answer contradicts itself or the question.
    """
    token = None
    while True:
        query = [("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix)]
        query += [("delimiter", delimiter)] if delimiter else []
        query += [("continuation-token", token)] if token is not None else []
        request = Request("ListObjectsV2", "GET", query=tuple(query))
        response = connection.send(request).result()
        root = parse_response(connection.bucket, request, response, "ListBucketResult")
        check_echo(connection.bucket, request, response, root, "Name", connection.bucket)
        is_encoded = child_text(root, "EncodingType") == "url"
        now = _date(response.header("date"))
        for element in (*root.iter("{*}Contents"), *root.iter("{*}CommonPrefixes")):
            is_prefix = child_text(element, "Size") is None
            written = require(connection.bucket, request, response, element, "Prefix" if is_prefix else "Key")
            key = decode_key(written, "+") if is_encoded else written
            if not key.startswith(prefix):
                raise invalid_response(connection.bucket, request, response, f"{key!r} is not below {prefix!r}")
            if is_prefix:
                yield ListedObject(key, is_prefix=True)
                continue
            modified = _date(child_text(element, "LastModified"))
            if modified is None:
                raise invalid_response(connection.bucket, request, response, "the answer lacks LastModified")
            size = int(require(connection.bucket, request, response, element, "Size"))
            yield ListedObject(key, size, modified, now)
        if not is_truncated(connection.bucket, request, response, root):
            return
        following = require(connection.bucket, request, response, root, "NextContinuationToken")
        if following == token:
            raise invalid_response(connection.bucket, request, response, "the listing does not proceed")
        token = following


def server_time(connection: Connection, prefix: str) -> datetime:
    """The server's time, found by writing an object below a prefix, for servers whose answers have no Date.

    Raises:
        S3RequestError: a request failed.
    """
    key = f"{prefix}{uuid.uuid4().hex}"
    _put(connection, "PutObject", key, b"")
    head = head_object(connection, key).result()
    delete_keys(connection, [key])
    if head is None:
        raise S3RequestError(connection.bucket, Request("HeadObject", "HEAD", key), "NotFound", "it was written")
    return datetime.fromtimestamp(head.last_modified / 1e6, UTC)


def delete_keys(connection: Connection, keys: list[str]) -> None:
    """Delete objects, whether they exist or not.

    Raises:
        S3RequestError: a request failed, or the server refused to delete one.
    """
    for start in range(0, len(keys), 1_000):
        errors = delete_objects(connection, keys[start : start + 1_000]).result().errors
        for key, failure in errors.items():
            request = Request("DeleteObjects", "POST", key)
            raise S3RequestError(connection.bucket, request, failure.code, failure.message)


def _put(
    connection: Connection,
    operation: str,
    key: str,
    body: bytes,
    *,
    query: Pairs = (),
    headers: Pairs = (),
    with_checksum: bool = True,
) -> Part:
    algorithm = written_algorithm(connection, Checksums()) if with_checksum else None
    request = Request(operation, "PUT", key, query=query, headers=headers)
    return put_content(connection, request, Content.of(body, algorithm, needs_md5=algorithm is None)).result().part


def _date(text: str | None) -> datetime | None:
    """A date of HTTP, or one of S3's XML."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text) if text[0].isdecimal() else parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
