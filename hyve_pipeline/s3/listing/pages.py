"""Pages of a listing: reading one answer to ListObjectsV2 exactly, or with an error.

`fast_pages` reads most pages of most servers. All others are read here, element by element, with a message for every
contradiction.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import bounds, longest
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA
from hyve_pipeline.s3.listing.envelope import Envelope, check_count, read_envelope
from hyve_pipeline.s3.listing.key_encoding import Plus, decode_keys
from hyve_pipeline.s3.listing.malformed import MalformedPageError, shown
from hyve_pipeline.s3.listing.unparsable_keys import unparsable_key_problem
from hyve_pipeline.s3.wire.xml import Element, MalformedXmlError, local_name, parse_xml, unquote_etag

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DIGITS = re.compile("[0-9]{1,19}")
_LARGEST = 2**63 - 1

# The elements of an object: those that each must have for its row, and those that it has at most once.
_WANTED = ("Size", "LastModified")
_TEXTS = ("Key", *_WANTED, "ETag", "StorageClass")
_FIELDS = {*_TEXTS, "RestoreStatus"}

# The characters of an ETag (RFC 9110). Anything else can't be sent as a condition.
_ETAG = re.compile("[!#-~]{1,1024}")

# S3's keys have at most 1,024 bytes, and some servers allow more. No server accepts a longer URL than this.
MAX_KEY_BYTES = 8 * 1024
_MAX_CLASS_BYTES = 256

# Times that every program can write as a date. The first is what servers written in Go give for an unknown time.
UNKNOWN_TIME = _FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_UNKNOWN_DATE = "0001-01-01T00:00:00Z"
_LAST = (datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing.

    Attributes:
        table: one row an object, in the server's order, columns as in `core.inventory.INVENTORY_SCHEMA`.
    """

    table: pa.Table

    def __len__(self) -> int:
        return self.table.num_rows

    @property
    def keys(self) -> list[str]:
        """Whole keys, prefix included."""
        return self.table.column("key").to_pylist()

    @property
    def etags(self) -> list[str]:
        """ETags without quotes; empty where the server gives none, or one that is not valid."""
        return self.table.column("etag").to_pylist()

    @property
    def sizes(self) -> list[int]:
        """Sizes in bytes."""
        return self.table.column("size").to_pylist()

    @property
    def last_modified(self) -> list[int]:
        """Microseconds since 1970 UTC."""
        return self.table.column("last_modified").cast(pa.int64()).to_pylist()

    @property
    def storage_classes(self) -> list[str]:
        """S3 storage classes."""
        return self.table.column("storage_class").to_pylist()

    @property
    def first_key(self) -> str:
        """The key of the first object; there must be one."""
        return self.table.column("key")[0].as_py()

    @property
    def last_key(self) -> str:
        """The key of the last object; there must be one."""
        return self.table.column("key")[-1].as_py()

    def head(self, count: int) -> "Page":
        """The first `count` objects."""
        return Page(self.table.slice(0, count))


@dataclass(frozen=True, slots=True)
class ListingAnswer:
    """One answer to ListObjectsV2.

    Attributes:
        page: the objects.
        envelope: the other elements.
    """

    page: Page
    envelope: Envelope


def read_any_page(body: bytes, plus: Plus | None = None) -> ListingAnswer:
    """Read an answer to ListObjectsV2 in any form.

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
        problem = unparsable_key_problem(body) or " ".join(str(error).split())
        raise MalformedPageError(problem) from error
    envelope = read_envelope(root)
    # A parser turns a raw carriage return into a newline.
    if not envelope.is_encoded and b"\r" in body and (problem := unparsable_key_problem(body)) is not None:
        raise MalformedPageError(problem)
    objects = [_fields_of(entry) for entry in root.iterchildren() if local_name_of(entry) == "Contents"]
    check_count(envelope, len(objects))
    written = [_text(entry, "Key") for entry in objects]
    # Of an object that lacks one of them nothing is taken but its key: it can be asked for by HEAD.
    whole = [all(_text(entry, name) for name in _WANTED) for entry in objects]
    sizes, dates, etags = (
        [_text(entry, name) if is_whole else unknown for entry, is_whole in zip(objects, whole, strict=True)]
        for name, unknown in (("Size", "0"), ("LastModified", _UNKNOWN_DATE), ("ETag", ""))
    )
    arrays: dict[str, Sequence[object]] = {
        "key": decode_keys(written, plus) if envelope.is_encoded else written,
        "size": parse_sizes(sizes, written),
        "last_modified": parse_dates(dates, written),
        "etag": [_usable(etag) for etag in etags],
        # Servers without storage classes leave it out.
        "storage_class": [_text(entry, "StorageClass") or "STANDARD" for entry in objects],
        "restored_until": [restored_until(entry) for entry in objects],
    }
    table = pa.table(arrays, INVENTORY_SCHEMA)
    check_table(table)
    return ListingAnswer(Page(table), envelope)


def check_table(table: pa.Table) -> None:
    """Check the values of a page.

    Raises:
        MalformedPageError: a key is too long for a request, or a date or class is not plausible.
    """
    if not table.num_rows:
        return
    if longest(table.column("key")) > MAX_KEY_BYTES:
        key = max(table.column("key").to_pylist(), key=lambda key: len(key.encode()))
        raise MalformedPageError(f"a key has {len(key.encode()):,} bytes: {shown(key)}")
    if longest(table.column("storage_class")) > _MAX_CLASS_BYTES:
        raise MalformedPageError(f"an object has a storage class of over {_MAX_CLASS_BYTES} bytes")
    for name in ("last_modified", "restored_until"):
        moments = table.column(name).cast(pa.int64())
        oldest, newest = bounds(moments)
        if oldest is None or (oldest >= _FIRST and newest <= _LAST):
            continue
        rows = zip(table.column("key").to_pylist(), moments.to_pylist(), strict=True)
        key = next(key for key, moment in rows if moment is not None and not _FIRST <= moment <= _LAST)
        raise MalformedPageError(f"{shown(key)} has a date outside of the years 1 to 9999")


def local_name_of(element: Element) -> str:
    """An element's name without its namespace; empty for a comment or another node."""
    return local_name(element) if isinstance(element.tag, str) else ""


def _fields_of(entry: Element) -> dict[str, Element]:
    """The elements of one object by name.

    Raises:
        MalformedPageError: one occurs twice, or is not a plain text, or there is no key.
    """
    fields: dict[str, Element] = {}
    for child in entry:
        name = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else ""
        if name in fields and name in _FIELDS:
            raise MalformedPageError(f"an object has two {name} fields{_named(fields)}")
        if not name or (name in _TEXTS and len(child)) or (child.tail and child.tail.strip()):
            raise MalformedPageError(f"an object has a field that is no text{_named(fields)}")
        fields[name] = child
    if "Key" not in fields:
        raise MalformedPageError("an object has no Key")
    if not fields["Key"].text:
        raise MalformedPageError("an object has an empty Key")
    if entry.text and entry.text.strip():
        raise MalformedPageError(f"an object has text beside its fields{_named(fields)}")
    return fields


def _named(fields: dict[str, Element]) -> str:
    """The key of an object, as a part of a message."""
    return f": {shown(fields['Key'].text)}" if "Key" in fields and fields["Key"].text else ""


def _text(fields: dict[str, Element], name: str) -> str:
    return (fields[name].text or "") if name in fields else ""


def is_usable_etag(etag: str) -> bool:
    """Whether an ETag, without quotes, can be sent as a condition."""
    return _ETAG.fullmatch(etag) is not None


def _usable(etag: str) -> str:
    """An ETag without quotes; empty if it can't be sent as a condition."""
    plain = unquote_etag(etag)
    return plain if is_usable_etag(plain) else ""


def parse_sizes(sizes: list[str], keys: list[str]) -> list[int]:
    """Sizes in bytes.

    Args:
        sizes: as the server wrote them.
        keys: the keys that they are of, for the message.

    Raises:
        MalformedPageError: one is no size.
    """
    for size, key in zip(sizes, keys, strict=True):
        if not _DIGITS.fullmatch(size) or int(size) > _LARGEST:
            raise MalformedPageError(f"{shown(key)} has the size {shown(size)}")
    return list(map(int, sizes))


def parse_dates(dates: list[str], keys: list[str]) -> list[int]:
    """Times in microseconds since 1970 UTC.

    Args:
        dates: as the server wrote them.
        keys: the keys that they are of, for the message.

    Raises:
        MalformedPageError: one is no date, or has no zone.
    """
    parsed: list[int] = []
    try:
        # The difference to a date without a zone raises TypeError.
        for date in dates:
            parsed.append((_parse_date(date) - _EPOCH) // _MICROSECOND)
    except (ValueError, TypeError, OverflowError):
        raise MalformedPageError(f"{shown(keys[len(parsed)])} has the date {shown(dates[len(parsed)])}") from None
    return parsed


def _parse_date(date: str) -> datetime:
    """A date as S3 writes it in a listing, or as HTTP does, as some servers write it there too."""
    return parsedate_to_datetime(date) if date.endswith(" GMT") else datetime.fromisoformat(date)


def restored_until(fields: dict[str, Element]) -> int | None:
    """When the restored copy of an object expires, in microseconds since 1970; None if there is none yet."""
    status = fields.get("RestoreStatus")
    if status is None:
        return None
    texts = {local_name_of(child): child.text for child in status}
    date = texts.get("RestoreExpiryDate")
    if not date or texts.get("IsRestoreInProgress") == "true":
        return None
    return parse_dates([date], [_text(fields, "Key")])[0]
