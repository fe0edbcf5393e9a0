"""The content of objects, for tasks in which bytes pass through the tools: the same for all objects of one size."""

import hashlib
import random
import re
import time
from collections.abc import Iterator
from functools import cache

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
        self._parts: dict[str, dict[int, tuple[int, str]]] = {}

    def begin(self) -> str:
        """Create one, and return its id."""
        upload_id = f"{time.monotonic_ns()}"
        self._parts[upload_id] = {}
        return upload_id

    def put(self, upload_id: str, number: int, body: bytes) -> str:
        """Store a part, and return its MD5."""
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        self._parts[upload_id][number] = (len(body), md5)
        return md5

    def complete(self, upload_id: str) -> tuple[int, str]:
        """The size and the ETag of the object."""
        parts = [part for _, part in sorted(self._parts.pop(upload_id).items())]
        digests = b"".join(bytes.fromhex(md5) for _, md5 in parts)
        etag = hashlib.md5(digests, usedforsecurity=False).hexdigest()
        return sum(size for size, _ in parts), f"{etag}-{len(parts)}"
