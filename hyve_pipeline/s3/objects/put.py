"""Puts content into a bucket, and believes that it is there only when the server has proved it."""

import base64
import hashlib
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import OPTIONAL_CHECKSUMS, OPTIONAL_MD5, Optional, exchange_with
from hyve_pipeline.s3.connection.server_abilities import CHECKSUMS, CONTENT_MD5, Ability
from hyve_pipeline.s3.connection.transport import Ending
from hyve_pipeline.s3.objects.head import ObjectHead, head_object
from hyve_pipeline.s3.objects.multipart_api import Part
from hyve_pipeline.s3.wire.checksums import DEFAULT_ALGORITHM, HEADER, PLAIN_MD5, Checksums, checksum, keeps_md5_etags
from hyve_pipeline.s3.wire.errors import invalid_response
from hyve_pipeline.s3.wire.futures import complete, follow, then
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response
from hyve_pipeline.s3.wire.xml import unquote_etag


def written_algorithm(store: Connection, known: Checksums) -> str | None:
    """The algorithm of the checksums to write with: the source's, or the usual one, or none where the store takes none.

    Args:
        store: the bucket that is written to.
        known: the checksums that the source keeps.
    """
    return None if store.abilities.lacks(CHECKSUMS) else known.algorithm or DEFAULT_ALGORITHM


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


@dataclass(frozen=True, slots=True)
class Put:
    """What came of content that was sent.

    Attributes:
        part: what the store has, with the checksum where the server has checked the bytes against it.
        response: the answer.
        without: the headers that the server refuses, so that they were not sent.
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
        optional: the headers that the request can do without, besides those that prove the content.

    Returns:
        A future that gives what came of it, once it is proved. It raises `S3RequestError` where the request was
        refused, or what the server tells is not of these bytes.
    """
    full = Request(
        request.operation,
        request.method,
        request.key,
        request.query,
        (*request.headers, *content.headers),
        content.data,
    )
    answered: Future[tuple[Response, tuple[Ability, ...]]] = Future()

    def read(ending: Ending, without: tuple[Ability, ...]) -> tuple[Response, tuple[Ability, ...]]:
        if not isinstance(ending, Response):
            raise ending
        return ending, without

    def judge(answer: tuple[Response, tuple[Ability, ...]]) -> Put:
        response, without = answer
        part = _proved(store.bucket, request, content, response, is_md5_checked=CONTENT_MD5 not in without)
        return Put(part, response, without)

    def go_on(answer: tuple[Response, tuple[Ability, ...]]) -> "Future[Put]":
        response, without = answer
        if response.header("etag") or request.operation != "PutObject":
            settled: Future[Put] = Future()
            settled.set_result(judge(answer))
            return settled
        # The answer does not tell what the object is called by from now on.
        found = head_object(store, request.key or "")
        return then(found, lambda head: judge((_with_etag(response, head), without)))

    exchange_with(
        store,
        full,
        (*optional, *_optional_proofs(content)),
        lambda ending, without: complete(answered, lambda found: read(found, without), ending),
    )
    return follow(answered, go_on)


def _with_etag(response: Response, head: ObjectHead | None) -> Response:
    etag = "" if head is None else head.etag
    return replace(response, headers=(*response.headers, ("etag", etag)))


def _optional_proofs(content: Content) -> tuple[Optional, ...]:
    """The headers that prove the content, as far as another proof is left without them."""
    if content.md5 is None:
        return ()
    return (OPTIONAL_CHECKSUMS, OPTIONAL_MD5) if content.algorithm is not None else (OPTIONAL_MD5,)


def _proved(bucket: str, request: Request, content: Content, response: Response, *, is_md5_checked: bool) -> Part:
    """What the store has, if the answer shows that it has these bytes."""
    etag = unquote_etag(response.header("etag") or "")
    if not etag:
        raise invalid_response(bucket, request, response, "the answer has no ETag")
    told = None if content.algorithm is None else response.header(f"{HEADER}{content.algorithm.lower()}")
    # Each proof by itself: a server may tell a checksum as it was given, without a look at the bytes. The ETag proves
    # something where it is an MD5, and ours is known.
    is_etag_known = content.md5 is not None and PLAIN_MD5.fullmatch(etag) is not None and keeps_md5_etags(response)
    is_other = told not in (None, content.checksum)
    is_other |= is_etag_known and not same_etag(etag, content.md5)
    if is_other:
        reason = f"the store has other bytes than were sent (ETag {etag}, MD5 {content.md5}, {content.checksum})"
        raise invalid_response(bucket, request, response, reason)
    if not is_md5_checked and told is None and not is_etag_known:
        reason = f"nothing proves what arrived: the store refuses Content-MD5, and its ETag {etag} is no MD5"
        raise invalid_response(bucket, request, response, reason)
    return Part(etag, len(content.data), told)
