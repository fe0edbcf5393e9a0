"""Puts content into a bucket, and believes that it is there only when the server has proved it."""

import base64
import hashlib
from concurrent.futures import Future
from dataclasses import dataclass

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.objects.head import version_of
from hyve_pipeline.s3.objects.multipart_api import Part
from hyve_pipeline.s3.wire.checksums import HEADER, PLAIN_MD5, checksum
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import then
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response
from hyve_pipeline.s3.wire.xml import unquote_etag

# How servers refuse a checksum that they don't know; most ignore it.
_UNKNOWN = {"NotImplemented", "InvalidArgument", "InvalidRequest", "InvalidDigest", "BadDigest", "MalformedXML"}


@dataclass(frozen=True, slots=True)
class Content:
    """Some bytes, and how they are proved.

    Attributes:
        data: the bytes.
        md5: their MD5 in hexadecimal digits; None where nothing needs it, since it costs more than all else here.
        algorithm: of the checksum that goes with them, or None.
        checksum: the checksum in base64.
    """

    data: bytes
    md5: str | None
    algorithm: str | None
    checksum: str | None

    @classmethod
    def of(cls, data: bytes, algorithm: str | None, *, needs_md5: bool) -> "Content":
        """Compute what goes with the bytes; without an algorithm it is always the MD5."""
        md5 = None
        if needs_md5 or algorithm is None:
            md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return cls(data, md5, algorithm, None if algorithm is None else checksum(algorithm, data))

    @property
    def headers(self) -> Pairs:
        """What lets a server refuse other bytes than these. Every server knows the MD5."""
        headers: list[tuple[str, str]] = []
        if self.md5 is not None:
            headers.append(("content-md5", base64.b64encode(bytes.fromhex(self.md5)).decode()))
        if self.algorithm is not None and self.checksum is not None:
            headers.append((f"{HEADER}{self.algorithm.lower()}", self.checksum))
            # As AWS's own libraries send it: some servers keep the checksum only then.
            headers.append(("x-amz-sdk-checksum-algorithm", self.algorithm))
        return tuple(headers)


def put_empty_object(store: Connection, key: str) -> "Future[str | None]":
    """Put an object without content.

    Returns:
        A future that gives its version, None in a bucket without versions, or raises `S3RequestError`.
    """
    return then(store.send(Request("PutObject", "PUT", key)), version_of)


def put_content(store: Connection, request: Request, content: Content) -> "Future[tuple[Part, Response]]":
    """Send a PutObject or UploadPart with its content.

    Args:
        store: the bucket.
        request: the request without the content.
        content: the content.

    Returns:
        A future that gives what the store has, once that is proved, with the checksum where the server has held it
        against the bytes; and the answer. It raises `S3RequestError` where the request was refused, or what the
        server tells is not of these bytes.
    """
    full = Request(
        request.operation,
        request.method,
        request.key,
        request.query,
        (*request.headers, *content.headers),
        content.data,
    )
    return then(store.send(full), lambda response: (_proved(store.bucket, request, content, response), response))


def _proved(bucket: str, request: Request, content: Content, response: Response) -> Part:
    """What the store has, if the answer shows that it has these bytes."""
    etag = unquote_etag(response.header("etag") or "")
    if not etag:
        raise invalid_response(bucket, request, response, "the answer has no ETag")
    told = None if content.algorithm is None else response.header(f"{HEADER}{content.algorithm.lower()}")
    # Each proof by itself: a server may tell a checksum as it was given, without a look at the bytes. The ETag proves
    # something where it is an MD5, and ours is known.
    is_other = told not in (None, content.checksum)
    is_other |= content.md5 is not None and _is_md5(etag, response) and not same_etag(etag, content.md5)
    if is_other:
        reason = f"the store has other bytes than were sent (ETag {etag}, MD5 {content.md5}, {content.checksum})"
        raise invalid_response(bucket, request, response, reason)
    return Part(etag, len(content.data), told)


def _is_md5(etag: str, response: Response) -> bool:
    encryption = response.header("x-amz-server-side-encryption") or "AES256"
    return PLAIN_MD5.fullmatch(etag) is not None and encryption == "AES256"


def refuses_checksum(error: S3RequestError) -> bool:
    """Whether a server refused a request for a checksum that it does not know."""
    return error.status in (400, 501) and error.code in _UNKNOWN and "checksum" in error.message.lower()
