"""Listing: the walk through one range of keys, page by page, complete or failed.

A sync deletes what a listing did not show. So nothing that is odd about a page is passed over: whatever
does not fit together ends the walk with an `IncompleteInventoryError`, and only a walk that came to its
end gives a proof.
"""

import operator
import re
import threading
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from urllib.parse import unquote_plus

from hyve_pipeline.core.errors import IncompleteInventoryError, InterruptedRunError
from hyve_pipeline.core.inventory import KeyRange, RangeEnd, RangeProof
from hyve_pipeline.s3.connection import Connection
from hyve_pipeline.s3.errors import S3RequestError, bucket_error
from hyve_pipeline.s3.message import Request, Response
from hyve_pipeline.s3.xml import Element, MalformedXmlError, child_text, local_name, parse_xml, unquote_etag

MAX_KEYS = 1000  # the most that S3 puts on one page

# How often a walk that waits for a page looks whether it was given up.
_LOOK_UP_SECONDS = 0.5

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_COLUMNS = ("Key", "Size", "LastModified", "ETag")


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing, column by column; the n-th entries of all columns describe one object.

    Attributes:
        keys: whole keys, prefix included, strictly ascending.
        sizes: bytes.
        last_modified: microseconds since 1970 UTC.
        etags: ETags without quotes.
        storage_classes: S3 storage classes.
    """

    keys: list[str]
    sizes: list[int]
    last_modified: list[int]
    etags: list[str]
    storage_classes: list[str]

    def __len__(self) -> int:
        return len(self.keys)

    def head(self, count: int) -> "Page":
        """The first `count` objects."""
        return Page(
            self.keys[:count],
            self.sizes[:count],
            self.last_modified[:count],
            self.etags[:count],
            self.storage_classes[:count],
        )


@dataclass(frozen=True, slots=True)
class ListingAnswer:
    """What one answer to ListObjectsV2 says.

    Attributes:
        page: the objects.
        is_truncated: whether more follow.
        next_token: the continuation token, where the server gave one.
    """

    page: Page
    is_truncated: bool
    next_token: str | None


class MalformedPageError(ValueError):
    """An answer to ListObjectsV2 that does not fit together; the message says how."""


class RangeWalk:
    """One walk through one range of keys within the prefix of a connection's place.

    Iterate it once, to the end; then `proof` says how the walk went. The next page is on its way while the
    current one is worked on.
    """

    def __init__(
        self,
        connection: Connection,
        key_range: KeyRange,
        max_keys: int = MAX_KEYS,
        stop: threading.Event | None = None,
    ) -> None:
        """Describe the walk; nothing is sent yet.

        Args:
            connection: the bucket and prefix.
            key_range: in whole keys, prefix included.
            max_keys: keys asked for in one page, at most 1,000.
            stop: when it is set, the walk is given up, even while a page is awaited.
        """
        self.range = key_range
        self._connection = connection
        self._max_keys = max_keys
        self._stop = stop or threading.Event()
        self._pages = 0
        self._keys = 0
        self._first_key: str | None = None
        self._last_key: str | None = None
        self._tokens: set[str] = set()
        self._end: RangeEnd | None = None
        self._started = False

    @property
    def proof(self) -> RangeProof:
        """How the walk went.

        Raises:
            IncompleteInventoryError: the walk has not come to its end.
        """
        if self._end is None:
            raise self._incomplete("the walk has not come to its end")
        return RangeProof(
            range=self.range,
            first_key=self._first_key,
            last_key=self._last_key,
            keys=self._keys,
            pages=self._pages,
            end=self._end,
        )

    def __iter__(self) -> Iterator[Page]:
        """Walk the range; pages without keys in it are not given.

        Raises:
            BucketError: the bucket cannot be listed at all.
            IncompleteInventoryError: a page failed, or does not fit to the others.
            InterruptedRunError: it was given up.
        """
        if self._started:
            raise RuntimeError("a range can be walked only once: make another walk")
        self._started = True
        return self._walk()

    def _walk(self) -> Iterator[Page]:
        # The last key that the server showed; `_last_key` is the last one within the range.
        seen = self.range.after
        pending = self._ask(("start-after", seen) if seen else None)
        while True:
            answer = self._receive(pending)
            page = answer.page
            self._check_keys(page.keys, seen)
            if page.keys:
                seen = page.keys[-1]
            kept = page
            if self.range.until is not None and seen > self.range.until:
                self._end = RangeEnd.PASSED_BOUND
                kept = page.head(bisect_right(page.keys, self.range.until))
            elif not answer.is_truncated:
                self._end = RangeEnd.END_OF_LISTING
            else:
                pending = self._ask(self._way_on(answer))
            if kept.keys:
                self._first_key = self._first_key if self._first_key is not None else kept.keys[0]
                self._last_key = kept.keys[-1]
                self._keys += len(kept)
                yield kept
            if self._end is not None:
                return

    def _ask(self, position: tuple[str, str] | None) -> "Future[Response]":
        query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", str(self._max_keys))]
        if self._connection.place.prefix:
            query.append(("prefix", self._connection.place.prefix))
        if position is not None:
            query.append(position)
        return self._connection.send(Request("ListObjectsV2", "GET", query=tuple(query)))

    def _receive(self, pending: "Future[Response]") -> ListingAnswer:
        self._pages += 1
        try:
            return parse_answer(self._await(pending).body)
        except S3RequestError as error:
            if self._pages == 1:
                raise bucket_error(error, self._connection.place) from error
            raise self._incomplete(f"it failed: {error}") from error
        except MalformedPageError as error:
            raise self._incomplete(str(error)) from error

    def _await(self, pending: "Future[Response]") -> Response:
        """The answer, unless the walk is given up before it comes: a server may stay silent for long."""
        while not self._stop.is_set():
            done, _ = wait([pending], timeout=_LOOK_UP_SECONDS)
            if done:
                return pending.result()
        raise InterruptedRunError(f"the listing of {self._connection.place.uri} was given up")

    def _way_on(self, answer: ListingAnswer) -> tuple[str, str]:
        """The parameter that asks for the page after this one."""
        token = answer.next_token
        if token:
            if token in self._tokens:
                raise self._incomplete("the server repeats a continuation token")
            self._tokens.add(token)
            return "continuation-token", token
        if answer.page.keys:
            return "start-after", answer.page.keys[-1]
        raise self._incomplete("it is truncated, but has neither a continuation token nor a key to go on from")

    def _check_keys(self, keys: list[str], seen: str) -> None:
        """Hold a page's keys against the prefix, the page before, and S3's order."""
        if not keys:
            return
        if seen and keys[0] <= seen:
            raise self._incomplete(f"it begins with {keys[0]!r}, which is not after {seen!r}")
        if not all(map(operator.lt, keys, islice(keys, 1, None))):
            before, after = next(pair for pair in pairwise(keys) if pair[0] >= pair[1])
            raise self._incomplete(f"its keys are not in ascending order: {after!r} follows {before!r}")
        prefix = self._connection.place.prefix
        # Between two keys that begin with the prefix, in order, there can only be more of them.
        for key in (keys[0], keys[-1]):
            if not key.startswith(prefix):
                raise self._incomplete(f"{key!r} does not begin with the prefix {prefix!r}")

    def _incomplete(self, problem: str) -> IncompleteInventoryError:
        return IncompleteInventoryError(
            f"the listing of {self._connection.place.uri} is not complete, page {self._pages}: {problem}; "
            "nothing was planned, run it again"
        )


def list_range(connection: Connection, key_range: KeyRange, max_keys: int = MAX_KEYS) -> RangeWalk:
    """The walk through a range of keys, see `RangeWalk`."""
    return RangeWalk(connection, key_range, max_keys)


def parse_answer(body: bytes) -> ListingAnswer:
    """Read an answer to ListObjectsV2.

    Raises:
        MalformedPageError: it is cut short, or anything in it is missing or does not fit together.
    """
    try:
        root = parse_xml(body)
    except MalformedXmlError as error:
        raise MalformedPageError(str(error)) from error
    if local_name(root) != "ListBucketResult":
        raise MalformedPageError(f"it is a <{local_name(root)}> document")
    truncated = child_text(root, "IsTruncated")
    if truncated not in ("true", "false"):
        raise MalformedPageError("it does not say whether it is truncated")
    keys, sizes, dates, etags = _columns(root)
    is_encoded = child_text(root, "EncodingType") == "url"
    page = Page(
        [_decode_key(key) for key in keys] if is_encoded else keys,
        _parse_sizes(sizes, keys),
        _parse_dates(dates, keys),
        [unquote_etag(etag) for etag in etags],
        _storage_classes(root, len(keys)),
    )
    return ListingAnswer(page, truncated == "true", child_text(root, "NextContinuationToken") or None)


def _columns(root: Element) -> list[list[str]]:
    """Keys, sizes, dates and ETags as they are written.

    One pass a tag takes half of the time that reading object by object takes.
    """
    namespace = root.tag[: root.tag.rindex("}") + 1] if "}" in root.tag else ""
    columns = [[element.text or "" for element in root.iter(namespace + name)] for name in _COLUMNS]
    objects = sum(1 for _ in root.iterchildren(namespace + "Contents"))
    for name, column in zip(_COLUMNS, columns, strict=True):
        if len(column) != objects:
            raise MalformedPageError(f"{objects} objects have {len(column)} {name} fields{_example(root, name)}")
        if "" in column:
            raise MalformedPageError(f"an object has an empty {name}{_example(root, name)}")
    return columns


def _example(root: Element, name: str) -> str:
    """The key of the first object that lacks a field, as a part of a message."""
    for entry in root.iterchildren("{*}Contents"):
        if not child_text(entry, name):
            return f": {child_text(entry, 'Key')!r}"
    return ""


def _decode_key(key: str) -> str:
    """Undo ``encoding-type=url``; S3 writes a space as ``+``."""
    if "%" not in key and "+" not in key:
        return key
    try:
        if _BROKEN_ESCAPE.search(key):
            raise ValueError("broken percent-encoding")
        return unquote_plus(key, errors="strict")
    except ValueError as error:
        raise MalformedPageError(f"the key {key!r} cannot be decoded: {error}") from error


def _parse_sizes(sizes: list[str], keys: list[str]) -> list[int]:
    try:
        numbers = list(map(int, sizes))
    except ValueError:
        numbers = [-1]
    if numbers and min(numbers) < 0:
        size, key = next(pair for pair in zip(sizes, keys, strict=True) if not pair[0].isdecimal())
        raise MalformedPageError(f"{key!r} has the size {size!r}")
    return numbers


def _parse_dates(dates: list[str], keys: list[str]) -> list[int]:
    parsed: list[int] = []
    parse = datetime.fromisoformat
    try:
        # A date without a zone cannot be subtracted and raises TypeError.
        for date in dates:
            parsed.append((parse(date) - _EPOCH) // _MICROSECOND)
    except (ValueError, TypeError):
        raise MalformedPageError(f"{keys[len(parsed)]!r} has the date {dates[len(parsed)]!r}") from None
    return parsed


def _storage_classes(root: Element, objects: int) -> list[str]:
    """The storage classes; servers that know no classes leave them out."""
    namespace = root.tag[: root.tag.rindex("}") + 1] if "}" in root.tag else ""
    classes = [element.text or "STANDARD" for element in root.iter(namespace + "StorageClass")]
    if len(classes) == objects:
        return classes
    return [child_text(entry, "StorageClass") or "STANDARD" for entry in root.iterchildren(namespace + "Contents")]
