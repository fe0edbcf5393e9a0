"""GetObject: reading objects or parts of them, and the checksums that the server stores."""

from concurrent.futures import Future

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import exchange_with
from hyve_pipeline.s3.connection.server_abilities import ORIGINAL_CODING, READ_CONDITIONS
from hyve_pipeline.s3.connection.transport import ResponseOrError
from hyve_pipeline.s3.objects.head import ask_head
from hyve_pipeline.s3.objects.read_headers import (
    CHECKSUM_MODE_HEADERS,
    OPTIONAL_READ_HEADERS,
    PLAIN_CODING,
    coding_headers,
    condition_headers,
    is_gzip,
    transcoding_hint,
)
from hyve_pipeline.s3.objects.source_responses import pinned_answer
from hyve_pipeline.s3.wire.checksums import Checksums, read_checksum_headers
from hyve_pipeline.s3.wire.errors import invalid_response
from hyve_pipeline.s3.wire.futures import LightFuture, complete, follow, then
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response


def read_checksums(connection: Connection, key: str, etag: str) -> "Future[Checksums]":
    """Request the checksums of an object that must still have an ETag.

    Returns:
        A future that gives them, empty if the server stores none. It raises `ObjectChangedError` if the object was
        overwritten or deleted, and another `S3RequestError` if the request failed.
    """
    request = Request("HeadObject", "HEAD", key)
    headers = (*condition_headers(etag), *CHECKSUM_MODE_HEADERS)
    return ask_head(
        connection,
        key,
        headers,
        lambda ending: read_checksum_headers(pinned_answer(connection.bucket, request, ending, etag).headers),
    )


def read_bytes(connection: Connection, key: str, etag: str, first: int, count: int) -> "Future[bytes]":
    """Read a part of an object that must still have an ETag.

    Args:
        connection: the bucket.
        key: the whole key.
        etag: the ETag without quotes.
        first: the offset of the part in bytes.
        count: bytes of the part, at least one.

    Returns:
        A future that gives the bytes. It raises `ObjectChangedError` if the object was overwritten or deleted,
        `ObjectUnreadableError` if it is archived, and another `S3RequestError` if the request failed.
    """
    headers = (*condition_headers(etag), ("range", f"bytes={first}-{first + count - 1}"))
    request = Request("GetObject", "GET", key, headers=headers, expected=count)
    return then(_read(connection, request, etag, first, count, is_slow=True), lambda response: response.body)


def read_object(connection: Connection, key: str, etag: str, size: int) -> "Future[Response]":
    """Read a whole small object that must still have an ETag, with all its headers.

    Returns:
        A future that gives the answer, or raises like `read_bytes`.
    """
    headers = (*condition_headers(etag), *CHECKSUM_MODE_HEADERS)
    request = Request("GetObject", "GET", key, headers=headers, expected=size)
    return _read(connection, request, etag, 0, size, is_slow=False)


def read_first_byte(connection: Connection, key: str) -> "Future[Response]":
    """Read one byte of an object of any ETag, to find out whether reading is allowed.

    Returns:
        A future that gives the answer, or raises `S3RequestError`.
    """
    return connection.send(Request("GetObject", "GET", key, headers=(("range", "bytes=0-0"),)))


def _read(
    connection: Connection, request: Request, etag: str, first: int, count: int, *, is_slow: bool
) -> "Future[Response]":
    """The answer to a request for `count` bytes, in the content coding that they are stored in."""
    coding = coding_headers(connection)
    asked = _ask(connection, request, coding, etag, is_slow)
    if coding == PLAIN_CODING:
        return then(asked, lambda response: _checked(connection, request, response, first, count))

    def judge(response: Response) -> "Future[Response] | Response":
        if len(response.body) == count or not is_gzip(response):
            return _checked(connection, request, response, first, count)
        return then(_ask(connection, request, PLAIN_CODING, etag, is_slow), lambda plain: choose(response, plain))

    def choose(compressed: Response, plain: Response) -> Response:
        if len(plain.body) != count:
            return _checked(connection, request, compressed, first, count)
        connection.abilities.note(ORIGINAL_CODING)
        return plain

    return follow(asked, judge)


def _ask(connection: Connection, request: Request, coding: Pairs, etag: str, is_slow: bool) -> "Future[Response]":
    def read(ending: ResponseOrError) -> Response:
        response = pinned_answer(connection.bucket, request, ending, etag)
        if response.header("etag") is None and connection.abilities.lacks(READ_CONDITIONS):
            reason = "the answer has no ETag, and the server refuses If-Match: nothing shows which object it is"
            raise invalid_response(connection.bucket, request, response, reason)
        return response

    full = request._replace(headers=(*request.headers, *coding))
    outcome: Future[Response] = LightFuture()
    # `read` once more at the end: only then is it known whether the server refuses the condition.
    exchange_with(
        connection,
        full,
        OPTIONAL_READ_HEADERS,
        lambda ended, _: complete(outcome, read, ended),
        read=read,
        is_slow=is_slow,
    )
    return outcome


def _checked(connection: Connection, request: Request, response: Response, first: int, count: int) -> Response:
    if len(response.body) == count:
        return response
    reason = f"{len(response.body)} bytes came instead of {count} after the first {first}{transcoding_hint(response)}"
    raise invalid_response(connection.bucket, request, response, reason)
