"""Objects' contents: reading parts of them, and the checksums that the server keeps of them."""

from concurrent.futures import Future

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.transport import Ending
from hyve_pipeline.s3.objects.source_responses import pinned_answer
from hyve_pipeline.s3.wire.checksums import Checksums, read_checksum_headers
from hyve_pipeline.s3.wire.errors import invalid_response
from hyve_pipeline.s3.wire.messages import Request, Response


def read_checksums(connection: Connection, key: str, etag: str) -> "Future[Checksums]":
    """Ask for the checksums of an object that still has an ETag.

    Returns:
        A future that gives them, empty where the server keeps none. It raises `ObjectChangedError` where the
        object is another one, or gone, and another `S3RequestError` where the request failed.
    """
    request = Request(
        "HeadObject", "HEAD", key, headers=(("if-match", f'"{etag}"'), ("x-amz-checksum-mode", "ENABLED"))
    )
    return connection.ask(
        request, lambda ending: read_checksum_headers(pinned_answer(connection.bucket, request, ending, etag).headers)
    )


def read_bytes(connection: Connection, key: str, etag: str, first: int, count: int) -> "Future[bytes]":
    """Read a part of an object that still has an ETag.

    Args:
        connection: the bucket.
        key: the whole key.
        etag: the ETag without quotes.
        first: how many bytes are before the part.
        count: bytes of the part, at least one.

    Returns:
        A future that gives the bytes. It raises `ObjectChangedError` where the object is another one, or gone,
        `ObjectUnreadableError` where it is archived, and another `S3RequestError` where the request failed.
    """
    request = Request(
        "GetObject", "GET", key, headers=(("if-match", f'"{etag}"'), ("range", f"bytes={first}-{first + count - 1}"))
    )

    def read(ending: Ending) -> bytes:
        response = pinned_answer(connection.bucket, request, ending, etag)
        _check_length(connection, request, response, count, first)
        return response.body

    return connection.ask(request, read, is_slow=True)


def read_object(connection: Connection, key: str, etag: str, size: int) -> "Future[Response]":
    """Read a whole small object that still has an ETag, with all that its headers tell.

    Returns:
        A future that gives the answer, or raises like `read_bytes`.
    """
    request = Request("GetObject", "GET", key, headers=(("if-match", f'"{etag}"'), ("x-amz-checksum-mode", "ENABLED")))

    def read(ending: Ending) -> Response:
        response = pinned_answer(connection.bucket, request, ending, etag)
        _check_length(connection, request, response, size, 0)
        return response

    return connection.ask(request, read)


def read_first_byte(connection: Connection, key: str) -> "Future[Response]":
    """Read one byte of an object, whichever it is now, to find out whether that is allowed.

    Returns:
        A future that gives the answer, or raises `S3RequestError`.
    """
    return connection.send(Request("GetObject", "GET", key, headers=(("range", "bytes=0-0"),)))


def _check_length(connection: Connection, request: Request, response: Response, count: int, first: int) -> None:
    if len(response.body) != count:
        reason = f"{len(response.body)} bytes came instead of {count} after the first {first}"
        raise invalid_response(connection.bucket, request, response, reason)
