"""Objects' contents: reading parts of them, and the checksums that the server keeps of them."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from hyve_pipeline.s3.connection import Connection
from hyve_pipeline.s3.copy_answers import source_answer
from hyve_pipeline.s3.errors import invalid_response
from hyve_pipeline.s3.message import Request
from hyve_pipeline.s3.transport import Ending

_CHECKSUM = "x-amz-checksum-"


@dataclass(frozen=True, slots=True)
class Checksums:
    """What a server knows of an object's content.

    Attributes:
        values: checksums in base64, by algorithm in lower case, such as ``crc64nvme``.
        is_of_whole: whether they are of the whole object, and not of the checksums of its parts.
    """

    values: Mapping[str, str]
    is_of_whole: bool


def read_checksums(connection: Connection, key: str, etag: str) -> "Future[Checksums]":
    """Ask for the checksums of an object that still has an ETag.

    Returns:
        A future that gives them, empty where the server keeps none. It raises `ObjectChangedError` where the
        object is another one, or gone, and another `S3RequestError` where the request failed.
    """
    request = Request(
        "HeadObject", "HEAD", key, headers=(("if-match", f'"{etag}"'), ("x-amz-checksum-mode", "ENABLED"))
    )

    def read(ending: Ending) -> Checksums:
        response = source_answer(ending)
        named = ((name.lower(), value) for name, value in response.headers)
        values = {name.removeprefix(_CHECKSUM): value for name, value in named if name.startswith(_CHECKSUM)}
        kind = values.pop("type", None)
        # Without a type, the number of parts behind a value tells.
        is_of_whole = kind == "FULL_OBJECT" if kind else not any("-" in value for value in values.values())
        return Checksums(values, is_of_whole)

    return connection.ask(request, read)


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
        response = source_answer(ending)
        if len(response.body) != count:
            reason = f"{len(response.body)} bytes came instead of {count} after the first {first}"
            raise invalid_response(connection.bucket, request, response, reason)
        return response.body

    return connection.ask(request, read, is_slow=True)
