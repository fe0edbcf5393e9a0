"""Writes content into a bucket, and succeeds only if the server's answer proves that the store has it."""

import base64
import hashlib
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import OPTIONAL_CHECKSUMS, OPTIONAL_MD5, Optional, ask_with
from hyve_pipeline.s3.connection.server_abilities import CHECKSUMS, CONTENT_MD5, Ability
from hyve_pipeline.s3.connection.transport import answer_of
from hyve_pipeline.s3.objects.head import ObjectHead, head_object
from hyve_pipeline.s3.objects.multipart_api import Part
from hyve_pipeline.s3.wire.checksums import DEFAULT_ALGORITHM, HEADER, PLAIN_MD5, Checksums, checksum, keeps_md5_etags
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import completed, follow, then
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response
from hyve_pipeline.s3.wire.xml import unquote_etag


def written_algorithm(store: Connection, known: Checksums) -> str | None:
    """The checksum algorithm for a new object: the source's, else the default, or None if the store has none.

    Args:
        store: the bucket that is written to.
        known: the checksums that the source has.
    """
    return None if store.abilities.lacks(CHECKSUMS) else known.algorithm or DEFAULT_ALGORITHM


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes, and their checksums.

    Attributes:
        data: the bytes.
        md5: their MD5 in hexadecimal digits; None if it is not needed, as it costs more than everything else here.
        algorithm: of the checksum that is sent with them, or None.
        checksum: the checksum in base64.
    """

    data: bytes
    md5: str | None
    algorithm: str | None
    checksum: str | None

    @classmethod
    def of(cls, data: bytes, algorithm: str | None, *, needs_md5: bool) -> "Content":
        """Compute the checksums; without an algorithm always the MD5."""
        md5 = None
        if needs_md5 or algorithm is None:
            md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return cls(data, md5, algorithm, None if algorithm is None else checksum(algorithm, data))

    @property
    def headers(self) -> Pairs:
        """The headers by which a server checks the bytes. Every server supports the MD5."""
        headers: list[tuple[str, str]] = []
        if self.md5 is not None:
            headers.append(("content-md5", base64.b64encode(bytes.fromhex(self.md5)).decode()))
        if self.algorithm is not None and self.checksum is not None:
            headers.append((f"{HEADER}{self.algorithm.lower()}", self.checksum))
            # As AWS's own libraries send it: some servers store the checksum only then.
            headers.append(("x-amz-sdk-checksum-algorithm", self.algorithm))
        return tuple(headers)


@dataclass(frozen=True, slots=True)
class Put:
    """The result of sending content.

    Attributes:
        part: what the store has, with the checksum if the answer has it.
        response: the answer.
        without: what the server lacks, so its headers were not sent.
    """

    part: Part
    response: Response
    without: tuple[Ability, ...]


def put_content(
    store: Connection, request: Request, content: Content, optional: Iterable[Optional] = ()
) -> "Future[Put]":
    """Send a PutObject or UploadPart with its content.

    Args:
        store: the bucket.
        request: the request without the content.
        content: the content.
        optional: the headers that may be left out, besides those with checksums.

    Returns:
        A future that gives the proved result. It raises `S3RequestError` if the request failed, or the answer does not
        prove these bytes.
    """
    full = request._replace(headers=(*request.headers, *content.headers), body=content.data)

    def judge(response: Response, without: tuple[Ability, ...]) -> Put:
        part = _proved(store.bucket, request, content, response, is_md5_checked=CONTENT_MD5 not in without)
        return Put(part, response, without)

    def go_on(answer: tuple[Response, tuple[Ability, ...]]) -> "Future[Put]":
        response, without = answer
        if response.header("etag") or request.operation != "PutObject":
            return completed(judge(response, without))
        # The answer does not have the ETag of the new object.
        found = head_object(store, request.key or "")
        return then(found, lambda head: judge(_with_etag(response, head), without))

    return follow(ask_with(store, full, (*optional, *_optional_proofs(content)), answer_of), go_on)


def _with_etag(response: Response, head: ObjectHead | None) -> Response:
    etag = "" if head is None else head.etag
    return response._replace(headers=(*response.headers, ("etag", etag)))


def _optional_proofs(content: Content) -> tuple[Optional, ...]:
    """The headers with checksums that may be left out, because another proof is left."""
    if content.md5 is None:
        return ()
    return (OPTIONAL_CHECKSUMS, OPTIONAL_MD5) if content.algorithm is not None else (OPTIONAL_MD5,)


def _proved(bucket: str, request: Request, content: Content, response: Response, *, is_md5_checked: bool) -> Part:
    """What the store has, if the answer proves that it has these bytes."""
    etag = unquote_etag(response.header("etag") or "")
    if not etag:
        raise invalid_response(bucket, request, response, "the answer has no ETag")
    stored = None if content.algorithm is None else response.header(f"{HEADER}{content.algorithm.lower()}")
    # Each proof by itself: a server may return the checksum of the request without checking the bytes. The ETag is a
    # proof if it is an MD5, and ours is known.
    is_etag_known = content.md5 is not None and PLAIN_MD5.fullmatch(etag) is not None and keeps_md5_etags(response)
    if stored not in (None, content.checksum) or (is_etag_known and not same_etag(etag, content.md5)):
        reason = f"the store has other bytes than were sent (ETag {etag}, MD5 {content.md5}, {content.checksum})"
        raise _unproved(bucket, request, response, reason, etag)
    if not is_md5_checked and stored is None and not is_etag_known:
        reason = f"nothing proves what the store has: it refuses Content-MD5, and its ETag {etag} is no MD5"
        raise _unproved(bucket, request, response, reason, etag)
    return Part(etag, len(content.data), stored)


def _unproved(bucket: str, request: Request, response: Response, reason: str, etag: str) -> S3RequestError:
    error = invalid_response(bucket, request, response, reason)
    error.written = etag
    return error
