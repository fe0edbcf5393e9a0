"""GetObject of a large object, by parts in order, into a local file."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import BinaryIO

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.objects.get import read_bytes

PART_BYTES = 8 * 1024**2

# Parts in memory at most.
_AT_ONCE = 4


def download(
    connection: Connection, key: str, etag: str, size: int, file: BinaryIO, part_bytes: int = PART_BYTES
) -> Iterator[bytes]:
    """Read an object that must still have an ETag, and write it to a file.

    Args:
        connection: the bucket.
        key: the whole key.
        etag: the ETag without quotes.
        size: its bytes.
        file: where the content goes.
        part_bytes: bytes of a part; a few are in flight.

    Yields:
        Each part, after it was written.

    Raises:
        ObjectChangedError: the object was overwritten or deleted.
        S3RequestError: a request failed.
        OSError: the file can't be written.
    """
    asked: deque[Future[bytes]] = deque()
    begins = iter(range(0, size, part_bytes))
    for begin in begins:
        asked.append(read_bytes(connection, key, etag, begin, min(part_bytes, size - begin)))
        if len(asked) >= _AT_ONCE:
            yield _written(asked.popleft(), file)
    while asked:
        yield _written(asked.popleft(), file)


def _written(asked: "Future[bytes]", file: BinaryIO) -> bytes:
    content = asked.result()
    file.write(content)
    return content
