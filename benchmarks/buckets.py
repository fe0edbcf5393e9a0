"""The buckets of the benchmarks' S3 server.

The XML of an object in a listing is written when the object is created, so a page costs little more than joining 1,000
byte strings. Keys have only characters that need no encoding in XML or in a URL.
"""

import hashlib
import time
from bisect import bisect_left, bisect_right
from itertools import islice
from typing import NamedTuple

from benchmarks.contents import content_etag, content_keys

FOLDER_KEYS = 1000

_LAST = "\U0010ffff"


class Entry(NamedTuple):
    """An object; `modified` in seconds since 1970, `xml` as it is listed."""

    size: int
    etag: str
    modified: float
    xml: bytes


def make_entry(key: str, size: int, etag: str, modified: float) -> Entry:
    """An object and its part of a listing."""
    date = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(modified))
    xml = (
        f"<Contents><Key>{key}</Key><LastModified>{date}</LastModified><ETag>&quot;{etag}&quot;</ETag>"
        f"<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )
    return Entry(size, etag, modified, xml.encode())


class Bucket:
    """The objects of a bucket by key.

    Attributes:
        objects: all of them.
        tags: those of the objects that have any, in the form of the header ``x-amz-tagging``.
        filling: how many made-up objects it has, and of when; None if it has others.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Entry] = {}
        self.tags: dict[str, str] = {}
        self.filling: tuple[int, float] | None = None
        self._order: list[str] | None = []

    def fill(self, count: int, modified: float) -> None:
        """Replace everything by `count` made-up objects, the same ones every time."""
        if self.filling == (count, modified):
            return
        self.objects = {}  # before new ones are made: two sets of millions would not fit in memory
        self.tags = {}
        for number in range(count):
            etag = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
            key = f"images/{number // FOLDER_KEYS:06d}/{etag[:16]}.jpg"
            self.objects[key] = make_entry(key, 1000 + number % 50_000, etag, modified)
        self._order = None
        self.filling = (count, modified)

    def differ(self, others: int, more: int) -> None:
        """Let the first objects have other content than the made-up one, and add objects of other keys."""
        for key in self.order[:others]:
            entry = self.objects[key]
            self.put(key, make_entry(key, entry.size + 1, entry.etag[::-1], entry.modified))
        for number in range(more):
            key = f"images/more/{number:08d}.jpg"
            etag = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
            self.put(key, make_entry(key, 1000, etag, time.time()))

    def fill_with_content(self, count: int, size: int, modified: float) -> None:
        """Replace everything by `count` objects of one size that can be read; the first of each folder has a tag."""
        etag = content_etag(size)
        self.objects = {key: make_entry(key, size, etag, modified) for key in content_keys(count)}
        self.tags = dict.fromkeys(islice(content_keys(count), 0, None, FOLDER_KEYS), "made=up")
        self._order = self.filling = None

    def put(self, key: str, entry: Entry, tags: str | None = None) -> None:
        """Add or overwrite an object."""
        self.tags.pop(key, None)
        if tags:
            self.tags[key] = tags
        if key not in self.objects:
            self._order = None
        self.filling = None
        self.objects[key] = entry

    def remove(self, key: str) -> bool:
        """Remove an object; False if there is none."""
        if self.objects.pop(key, None) is None:
            return False
        self._order = self.filling = None
        return True

    @property
    def order(self) -> list[str]:
        """All keys, sorted."""
        if self._order is None:
            self._order = sorted(self.objects)
        return self._order

    def page(self, prefix: str, delimiter: str, after: str, limit: int) -> tuple[list[str], list[str], str | None]:
        """Keys, common prefixes, and where the next page begins, None when there is none."""
        order = self.order
        start = max(bisect_right(order, after) if after else 0, bisect_left(order, prefix))
        if delimiter and after.endswith(delimiter):
            start = max(start, bisect_left(order, after + _LAST))
        end = bisect_left(order, prefix + _LAST) if prefix else len(order)
        if not delimiter:
            keys = order[start : min(start + limit, end)]
            return keys, [], keys[-1] if keys and start + limit < end else None
        keys, folders = [], []
        while start < end and len(keys) + len(folders) < limit:
            head, found, _ = order[start][len(prefix) :].partition(delimiter)
            if found:
                folders.append(prefix + head + delimiter)
                start = bisect_left(order, folders[-1] + _LAST, start, end)
            else:
                keys.append(order[start])
                start += 1
        return keys, folders, max(keys[-1:] + folders[-1:]) if start < end else None
