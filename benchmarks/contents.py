"""The content of objects, for tasks in which bytes pass through the tools: the same for all objects of one size."""

import base64
import hashlib
import random
import re
import time
from collections.abc import Iterator
from functools import cache

from awscrt.checksums import crc64nvme

# The checksum that AWS stores with every new object; the others of S3 are neither stored nor checked here.
CHECKSUM = "x-amz-checksum-crc64nvme"

_RANGE = re.compile(r"bytes=(\d+)-(\d+)?")


@cache
def content(size: int) -> bytes:
    """The content of every object of that size: bytes that don't repeat within a megabyte."""
    block = random.Random(size).randbytes(min(size, 1024**2))  # noqa: S311 - the same in every run
    return (block * (-(-size // len(block))))[:size] if block else b""


@cache
def content_etag(size: int) -> str:
    """The MD5 of that content."""
    return hashlib.md5(content(size), usedforsecurity=False).hexdigest()


@cache
def content_checksum(size: int) -> str:
    """The CRC64NVME of that content, in base64."""
    return checksum(content(size))


def checksum(data: bytes) -> str:
    """The CRC64NVME of bytes, in base64."""
    return base64.b64encode(crc64nvme(data).to_bytes(8, "big")).decode()


def content_keys(count: int) -> Iterator[str]:
    """The keys of `count` objects."""
    for number in range(count):
        yield f"images/{number // 1000:06d}/{number:08d}.jpg"


def ranged(size: int, wanted: str | None) -> tuple[bytes, str | None]:
    """The part of an object for a Range header, and its Content-Range, which is None for the whole object."""
    found = _RANGE.fullmatch(wanted or "")
    if found is None:
        return content(size), None
    first, last = int(found[1]), min(int(found[2] or size), size - 1)
    return content(size)[first : last + 1], f"bytes {first}-{last}/{size}"


class Uploads:
    """Multipart uploads, of which only the size and the MD5 of each part are stored."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[int, tuple[int, bytes]]] = {}
        self._tags: dict[str, str | None] = {}

    def begin(self, tags: str | None) -> str:
        """Create one, and return its id."""
        upload_id = f"{time.monotonic_ns()}"
        self._parts[upload_id], self._tags[upload_id] = {}, tags
        return upload_id

    def put(self, upload_id: str, number: int, body: bytes) -> bytes:
        """Store a part, and return its MD5."""
        md5 = hashlib.md5(body, usedforsecurity=False).digest()
        self._parts[upload_id][number] = (len(body), md5)
        return md5

    def complete(self, upload_id: str) -> tuple[int, str, str | None]:
        """The size, the ETag and the tags of the object."""
        parts = [part for _, part in sorted(self._parts.pop(upload_id).items())]
        etag = hashlib.md5(b"".join(md5 for _, md5 in parts), usedforsecurity=False).hexdigest()
        return sum(size for size, _ in parts), f"{etag}-{len(parts)}", self._tags.pop(upload_id)
