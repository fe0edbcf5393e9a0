"""The history of a key: all its versions and delete markers, oldest first, as texts that two buckets can share.

A sync of versions compares histories, not objects. The text of a version has its size and its ETag; version ids and
times are each server's own. The digest of a history stands in an inventory where the ETag of an object does, so that
plans, journals, the memory and verifications work as they do for objects.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator

import pyarrow as pa

from hyve_pipeline.core.base.etags import HEX_ETAG_PATTERN
from hyve_pipeline.core.model.inventory import VERSION_SCHEMA

# The text of a delete marker.
DELETE_MARKER = "-"

# What separates the size of a version from its ETag.
SEPARATOR = ":"

# The columns of an inventory of all versions: a row a key. `size` is the sum of all versions, `last_modified` is that
# of the newest version or delete marker, and `etag` the digest of the history, which is empty where the history can't
# be compared: a version has no ETag, or the order of two versions is not known.
HISTORY_SCHEMA = VERSION_SCHEMA.append(
    pa.field(
        "history",
        pa.list_(pa.string()),
        nullable=False,
        metadata={"description": "versions as SIZE:ETAG and delete markers as -, oldest first"},
    )
).append(
    pa.field(
        "archived",
        pa.list_(pa.int32()),
        nullable=False,
        metadata={"description": "the places of versions that can't be read now, from 1"},
    )
)

_HEX_ETAG = re.compile(HEX_ETAG_PATTERN)


def history_etag(etag: str) -> str:
    """An ETag as histories have it: in lower case if it is hexadecimal, see `core.base.etags`."""
    return etag.lower() if _HEX_ETAG.fullmatch(etag) else etag


def version_text(size: int, etag: str) -> str:
    """The text of a version."""
    return f"{size}{SEPARATOR}{history_etag(etag)}"


def same_kind(one: str, other: str) -> bool:
    """Whether two texts may stand for the same content: two delete markers, or two versions of one size."""
    return one.partition(SEPARATOR)[0] == other.partition(SEPARATOR)[0]


def digests(history: Iterable[str]) -> Iterator[str]:
    """The digest of the first text, of the first two, and so on; that of all is the digest of the history."""
    digest = hashlib.md5(usedforsecurity=False)
    for place, text in enumerate(history):
        digest.update(f"\n{text}".encode() if place else text.encode())
        yield digest.hexdigest()


def history_digest(history: Iterable[str]) -> str:
    """The digest of a history; empty for none."""
    found = ""
    for digest in digests(history):
        found = digest
    return found


def length_of(history: Iterable[str], digest: str | None) -> int | None:
    """How many of the oldest texts have a digest; 0 where it is empty or None, and None where none have it."""
    if not digest:
        return 0
    return next((length for length, found in enumerate(digests(history), start=1) if found == digest), None)
