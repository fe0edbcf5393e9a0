"""Writes content into a bucket, and succeeds only if the server's answer proves that the store has it.

Where the source's server has a checksum of the content, that is sent with it: a server that checks it compares what
arrived with what the source promises, and nothing is hashed here. Amazon S3 checks Content-MD5. Of other servers that
must be found out: the first small object is sent with a wrong MD5. A server that checks it refuses that, and one that
ignores it has written what was to be written anyway.
"""

import base64
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import (
    OPTIONAL_CHECKSUMS,
    OPTIONAL_MD5,
    Optional,
    ask_with,
    is_about_content,
    may_be_unsupported,
)
from hyve_pipeline.s3.connection.server_abilities import CHECKED_MD5, CHECKSUMS, CONTENT_MD5, Ability
from hyve_pipeline.s3.connection.transport import ResponseOrError, answer_of
from hyve_pipeline.s3.objects.head import ObjectHead, head_object
from hyve_pipeline.s3.objects.multipart_api import Part
from hyve_pipeline.s3.wire.checksums import (
    DEFAULT_ALGORITHM,
    HEADER,
    PLAIN_MD5,
    Checksums,
    checksum,
    keeps_md5_etags,
    md5_of,
)
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import follow, retry, then
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response
from hyve_pipeline.s3.wire.xml import unquote_etag

# The MD5 of no content that is known, for a write that a server refuses if it checks the MD5.
_WRONG_MD5 = "0" * 32

# Larger objects are not sent once more to find out something about the server.
_MOST_TRIAL_BYTES = 1024**2


def checks_md5(store: Connection) -> bool:
    """Whether the server is known to compare Content-MD5 with what arrives."""
    is_known = store.place.server == AWS or store.abilities.has_proved(CHECKED_MD5)
    return is_known and not store.abilities.lacks(CONTENT_MD5)


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
        other: makes the error for bytes that are not those of the checksums. None where these were computed from the
            bytes; otherwise the source has promised them.
        is_checked: the bytes were compared with what the source promises.
    """

    data: bytes
    md5: str | None
    algorithm: str | None
    checksum: str | None
    other: Callable[[str], S3RequestError] | None = None
    is_checked: bool = True

    @classmethod
    def of(cls, data: bytes, algorithm: str | None, *, needs_md5: bool) -> "Content":
        """Compute the checksums; without an algorithm always the MD5."""
        md5 = None
        if needs_md5 or algorithm is None:
            md5 = md5_of(data)
        return cls(data, md5, algorithm, None if algorithm is None else checksum(algorithm, data))

    def problem(self, etag: str | None = None) -> S3RequestError | None:
        """The error if the bytes are not what the source promises. That takes hashing them.

        Args:
            etag: what the store has now, if they were written.
        """
        if self.other is None:
            return None
        error = None
        if self.md5 is not None and (found := md5_of(self.data)) != self.md5:
            error = self.other(f"its MD5 is {found}, its ETag {self.md5}")
        elif self.algorithm is not None and (found := checksum(self.algorithm, self.data)) != self.checksum:
            error = self.other(f"its {self.algorithm} is {found}, the source has {self.checksum}")
        if error is not None:
            error.written = etag
        return error

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
    store: Connection, request: Request, content: Content, optional: Iterable[Optional] = (), *, is_slow: bool = False
) -> "Future[Put]":
    """Send a PutObject or UploadPart with its content.

    Args:
        store: the bucket.
        request: the request without the content.
        content: the content.
        optional: the headers that may be left out, besides those with checksums.
        is_slow: see `Connection.send`; the transport for that does not copy the content either.

    Returns:
        A future that gives the proved result. It raises `S3RequestError` if the request failed, or the answer does not
        prove these bytes.
    """
    full = request._replace(headers=(*request.headers, *content.headers), body=content.data)

    def read(ended: ResponseOrError) -> Response:
        if isinstance(ended, S3RequestError) and is_about_content(ended):
            reason = f"the server says that other bytes arrived than were sent ({ended.code}: {ended.message})"
            raise S3RequestError(store.bucket, request, INVALID_RESPONSE, reason, request_id=ended.request_id)
        return answer_of(ended)

    headers = (*optional, *_optional_proofs(content))
    asked = ask_with(store, full, headers, read, is_slow=is_slow, check_content=content.problem)
    return follow(asked, lambda answer: _judge(store, request, content, *answer))


def put_object(
    store: Connection, request: Request, content: Content, optional: Iterable[Optional] = (), *, is_slow: bool = False
) -> "Future[Put]":
    """Like `put_content`; finds out whether the server checks Content-MD5, if that is not known yet."""
    abilities, size = store.abilities, len(content.data)
    is_known = checks_md5(store) or abilities.lacks(CONTENT_MD5)
    if is_known or content.md5 is None or size > _MOST_TRIAL_BYTES or not abilities.begin_trial(CHECKED_MD5):
        return put_content(store, request, content, optional, is_slow=is_slow)
    wrong = replace(content, md5=_WRONG_MD5)
    tried = request._replace(headers=(*request.headers, *wrong.headers), body=content.data)

    def go_on(answer: tuple[Response, tuple[Ability, ...]]) -> "Future[Put] | Put":
        return _judge(store, request, content, *answer)

    def judge(error: BaseException) -> "Future[Put]":
        if is_about_content(error):
            abilities.prove(CHECKED_MD5)
        elif not may_be_unsupported(error):
            abilities.end_trial(CHECKED_MD5)
            raise error
        # Where it was refused for another reason, the write itself shows it again.
        return put_content(store, request, content, optional)

    return retry(follow(ask_with(store, tried, (*optional, OPTIONAL_CHECKSUMS), answer_of), go_on), judge)


def _judge(
    store: Connection, request: Request, content: Content, response: Response, without: tuple[Ability, ...]
) -> "Future[Put] | Put":
    """The result of a write that the server has accepted."""
    if response.header("etag") or request.operation != "PutObject":
        return _proved_put(store, request, content, response, without)
    # The answer does not have the ETag of the new object.
    return then(
        head_object(store, request.key or ""),
        lambda head: _proved_put(store, request, content, _with_etag(response, head), without),
    )


def _proved_put(
    store: Connection, request: Request, content: Content, response: Response, without: tuple[Ability, ...]
) -> Put:
    part = _proved(store, request, content, response, is_md5_checked=CONTENT_MD5 not in without)
    return Put(part, response, without)


def _with_etag(response: Response, head: ObjectHead | None) -> Response:
    etag = "" if head is None else head.etag
    return response._replace(headers=(*response.headers, ("etag", etag)))


def _optional_proofs(content: Content) -> tuple[Optional, ...]:
    """The headers with checksums that may be left out, because another proof is left."""
    if content.md5 is None:
        return ()
    return (OPTIONAL_CHECKSUMS, OPTIONAL_MD5) if content.algorithm is not None else (OPTIONAL_MD5,)


def _proved(store: Connection, request: Request, content: Content, response: Response, *, is_md5_checked: bool) -> Part:
    """What the store has, if the answer proves that it has these bytes."""
    bucket = store.bucket
    etag = unquote_etag(response.header("etag") or "")
    if not etag:
        raise invalid_response(bucket, request, response, "the answer has no ETag")
    stored = None if content.algorithm is None else response.header(f"{HEADER}{content.algorithm.lower()}")
    # Each proof by itself: a server may return the checksum of the request without checking the bytes. The ETag is a
    # proof if it is an MD5, and ours is known.
    is_etag_known = content.md5 is not None and PLAIN_MD5.fullmatch(etag) is not None and keeps_md5_etags(response)
    is_checked_there = (stored is not None and store.place.server == AWS) or (
        content.md5 is not None and is_md5_checked and checks_md5(store)
    )
    is_other = stored not in (None, content.checksum) or (is_etag_known and not same_etag(etag, content.md5))
    if is_other or not (content.is_checked or is_etag_known or is_checked_there):
        problem = content.problem(etag)
        if problem is not None:
            raise problem
    if is_other:
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
