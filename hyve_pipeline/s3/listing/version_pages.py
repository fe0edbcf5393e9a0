"""Pages of a listing of versions: reading one answer to ListObjectVersions exactly, or with an error.

Most servers give versions and delete markers in one order: by key, and each key's newest first. Some give all versions
of a page before all delete markers; their order follows from the times then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from hyve_pipeline.s3.listing.envelope import read_truncated, texts_beside
from hyve_pipeline.s3.listing.key_encoding import Plus, decode_keys
from hyve_pipeline.s3.listing.malformed import MalformedPageError, shown
from hyve_pipeline.s3.listing.pages import (
    MAX_KEY_BYTES,
    is_usable_etag,
    local_name_of,
    parse_dates,
    parse_sizes,
    restored_until,
)
from hyve_pipeline.s3.wire.xml import Element, MalformedXmlError, local_name, parse_xml, unquote_etag

_KINDS = ("Version", "DeleteMarker")
_ONCE = (
    "EncodingType",
    "IsTruncated",
    "KeyMarker",
    "MaxKeys",
    "Name",
    "NextKeyMarker",
    "NextVersionIdMarker",
    "Prefix",
)

# The id of an object that was written while its bucket kept no versions.
NULL_VERSION = "null"

# Longer ids are no ids: AWS's have 32 characters.
_MOST_ID = 1_024


class ListedVersion(NamedTuple):
    """One version, or one delete marker.

    Attributes:
        key: its whole key.
        version_id: its id; `NULL_VERSION` if the bucket kept no versions then.
        last_modified: when it was written, in microseconds since 1970 UTC.
        is_marker: it is a delete marker: the object is gone from then on.
        is_latest: it is the newest of its key.
        is_first_in_doubt: a delete marker and a version of the key are of this time, and which is the newer one is not
            known: the page does not show that its order is one.
        size, etag, storage_class: of the object; the ETag is without quotes, and empty if there is none.
        restored_until: until when an archived object can be read that was restored, likewise; None for all others.
    """

    key: str
    version_id: str
    last_modified: int
    is_marker: bool
    is_latest: bool
    size: int = 0
    etag: str = ""
    storage_class: str = ""
    is_first_in_doubt: bool = False
    restored_until: int | None = None


@dataclass(frozen=True, slots=True)
class VersionPage:
    """One answer to ListObjectVersions.

    Attributes:
        versions: by key, each key's newest first.
        listed: the same by key, each key's as the server has them.
        is_one_order: a delete marker stands before a version: the server does not list them apart.
        is_truncated: whether more pages follow.
        next_key, next_version: key and version id after which the next page begins, as the server writes them; None if
            it does not. A key may be percent-encoded or not, as may the next two.
        begins: the key after which this one begins, likewise.
        name, prefix, max_keys: the request's parameters, as the answer has them.
    """

    versions: Sequence[ListedVersion]
    listed: Sequence[ListedVersion]
    is_one_order: bool
    is_truncated: bool
    next_key: str | None
    next_version: str | None
    begins: str | None
    name: str | None
    prefix: str | None
    max_keys: int | None


def read_version_page(body: bytes, plus: Plus | None) -> VersionPage:
    """Read an answer to ListObjectVersions.

    Args:
        body: the answer's body.
        plus: what a ``+`` in an encoded key stands for, if that is known of the server.

    Raises:
        MalformedPageError: it is truncated, incomplete, or contradicts itself.
        AmbiguousPlusError: keys have a ``+``, and nothing shows what it stands for.
    """
    try:
        root = parse_xml(body)
    except MalformedXmlError as error:
        raise MalformedPageError(" ".join(str(error).split())) from error
    if local_name(root) != "ListVersionsResult":
        raise MalformedPageError(f"it is a <{local_name(root)}> document")
    texts = texts_beside(root, _KINDS, _ONCE)
    is_truncated = read_truncated(texts)
    is_encoded = texts.get("EncodingType") == "url"
    entries = [entry for entry in root.iterchildren() if local_name_of(entry) in _KINDS]
    found = _read_entries([_fields_of(entry) for entry in entries], plus, is_encoded=is_encoded)
    is_one_order = any(before.is_marker and not after.is_marker for before, after in pairwise(found))

    max_keys = texts.get("MaxKeys") or ""
    return VersionPage(
        versions=_in_order(found, is_one_order=is_one_order),
        listed=sorted(found, key=lambda version: version.key),
        is_one_order=is_one_order,
        is_truncated=is_truncated,
        next_key=texts.get("NextKeyMarker") or None,
        next_version=texts.get("NextVersionIdMarker") or None,
        begins=texts.get("KeyMarker") or None,
        name=texts.get("Name") or None,
        prefix=texts.get("Prefix") or None,
        max_keys=int(max_keys) if max_keys.isdecimal() and len(max_keys) < 10 else None,
    )


# An entry: whether it is a delete marker, its texts by name, and until when it is restored, see `ListedVersion`.
_Entry = tuple[bool, dict[str, str], int | None]


def _fields_of(entry: Element) -> _Entry:
    is_marker = local_name_of(entry) == "DeleteMarker"
    fields: dict[str, str] = {}
    for child in entry:
        name = local_name_of(child)
        if not len(child):
            if name in fields:
                raise MalformedPageError(f"a version has two {name} fields")
            fields[name] = child.text or ""
    for name in ("Key", "VersionId", "LastModified", *(() if is_marker else ("Size",))):
        if not fields.get(name):
            key = f": {shown(fields['Key'])}" if fields.get("Key") else ""
            raise MalformedPageError(f"a version has no {name}{key}")
    if len(fields["VersionId"]) > _MOST_ID:
        raise MalformedPageError(f"the id of a version has {len(fields['VersionId']):,} characters")
    elements = {local_name_of(child): child for child in entry if local_name_of(child) in ("Key", "RestoreStatus")}
    return is_marker, fields, restored_until(elements)


def _read_entries(entries: Sequence[_Entry], plus: Plus | None, *, is_encoded: bool) -> list[ListedVersion]:
    written = [fields["Key"] for _, fields, _ in entries]
    keys = decode_keys(written, plus) if is_encoded else written
    sizes = parse_sizes(["0" if is_marker else fields["Size"] for is_marker, fields, _ in entries], written)
    times = parse_dates([fields["LastModified"] for _, fields, _ in entries], written)
    found: list[ListedVersion] = []
    for (is_marker, fields, restored), key, size, time in zip(entries, keys, sizes, times, strict=True):
        if len(key.encode()) > MAX_KEY_BYTES:
            raise MalformedPageError(f"a key has {len(key.encode()):,} bytes: {shown(key)}")
        etag = unquote_etag(fields.get("ETag", ""))
        found.append(
            ListedVersion(
                key=key,
                version_id=fields["VersionId"],
                last_modified=time,
                is_marker=is_marker,
                is_latest=fields.get("IsLatest") == "true",
                size=size,
                etag=etag if is_usable_etag(etag) and not is_marker else "",
                storage_class="" if is_marker else fields.get("StorageClass") or "STANDARD",
                restored_until=restored,
            )
        )
    return found


def _in_order(entries: list[ListedVersion], *, is_one_order: bool) -> list[ListedVersion]:
    """The entries by key, each key's newest first; those of one time as the server has them.

    Raises:
        MalformedPageError: versions, or delete markers, are not in the order of their keys.
    """
    for is_marker in (False, True):
        keys = [entry.key for entry in entries if entry.is_marker is is_marker]
        for before, after in pairwise(keys):
            if before > after:
                raise MalformedPageError(f"its keys are not in ascending order: {shown(after)} follows {shown(before)}")
    in_order = sorted(entries, key=lambda entry: (entry.key, -entry.last_modified, not entry.is_latest))
    if is_one_order:
        return in_order
    kinds: dict[tuple[str, int], set[bool]] = {}
    for entry in entries:
        kinds.setdefault((entry.key, entry.last_modified), set()).add(entry.is_marker)
    return [
        entry._replace(is_first_in_doubt=len(kinds[entry.key, entry.last_modified]) > 1 and not entry.is_latest)
        for entry in in_order
    ]
