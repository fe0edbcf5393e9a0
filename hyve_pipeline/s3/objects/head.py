"""HeadObject, and its replacement by GetObject where a server's HEAD is not enough."""

import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import exchange_with
from hyve_pipeline.s3.connection.server_abilities import HEAD, ORIGINAL_CODING
from hyve_pipeline.s3.connection.transport import ResponseOrError
from hyve_pipeline.s3.objects.read_headers import OPTIONAL_READ_HEADERS, PLAIN_CODING, coding_headers, is_gzip
from hyve_pipeline.s3.wire.checksums import keeps_md5_etags
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import LightFuture, complete
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response
from hyve_pipeline.s3.wire.responses import whole_number
from hyve_pipeline.s3.wire.xml import unquote_etag

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_METADATA = "x-amz-meta-"

# In the status of a restore, as in: ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"
_EXPIRY = re.compile(r'expiry-date="([^"]*)"')

# As in "Sun, 06 Nov 1994 08:49:37 GMT".
_DATE_LENGTH = 29
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}

# Statuses that are not clear without a body: some servers use them if there is no object, or if they lack HEAD.
_UNCLEAR = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
_WITHOUT_HEAD = {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """The answer to HeadObject.

    Attributes:
        etag: without quotes.
        size: bytes; None if the answer does not have it.
        last_modified: microseconds since 1970 UTC; HTTP dates have whole seconds only.
        storage_class: S3 storage class.
        version_id: the version, or None in a bucket without versions.
        keeps_versions: versioning is enabled or suspended in the bucket.
        content_type: the media type, or None.
        metadata: the user metadata by lower-case name, without ``x-amz-meta-``.
        is_etag_md5: no key encrypts the object, so that an ETag without ``-`` is the MD5 of its content.
        restored_until: until when an archived object can be read that was restored, in microseconds since 1970 UTC;
            None for others.
    """

    etag: str
    size: int | None
    last_modified: int
    storage_class: str = "STANDARD"
    version_id: str | None = None
    keeps_versions: bool = False
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_etag_md5: bool = True
    restored_until: int | None = None


def head_object(connection: Connection, key: str, *, needs_size: bool = False) -> "Future[ObjectHead | None]":
    """Request an object's headers.

    Args:
        connection: the bucket.
        key: the whole key.
        needs_size: use another request if an answer to HEAD does not have the size.

    Returns:
        A future that gives them, or None if the bucket has no such object, or raises `S3RequestError`.
        A missing bucket looks the same, as an answer to HEAD has no body: probe the bucket before.
    """

    def read(ending: ResponseOrError) -> ObjectHead | None:
        if isinstance(ending, Response):
            return read_head(connection.bucket, Request("HeadObject", "HEAD", key), ending)
        if isinstance(ending, S3RequestError) and ending.status == 404 and ending.code != "NoSuchBucket":
            return None
        raise ending

    return ask_head(connection, key, (), read, needs_size=needs_size)


def ask_head(
    connection: Connection, key: str, headers: Pairs, read: Callable[[ResponseOrError], T], *, needs_size: bool = False
) -> "Future[T]":
    """Request an object's headers, by GET of one byte if HEAD does not answer them.

    An answer to HEAD has no body: only the error of a GET says what is wrong.

    Args:
        connection: the bucket.
        key: the whole key.
        headers: conditions and others; those of `OPTIONAL_READ_HEADERS` are left out if the server refuses them.
        read: converts the answer, which has the form of one to HEAD, or the failure; it may raise another.
        needs_size: whether an answer without Content-Length is not enough.
    """
    outcome: Future[T] = LightFuture()
    _Heading(connection, key, headers, needs_size, lambda ending: complete(outcome, read, ending)).begin()
    return outcome


class _Heading:
    """The requests for the headers of one object."""

    def __init__(
        self,
        connection: Connection,
        key: str,
        headers: Pairs,
        needs_size: bool,
        on_end: Callable[[ResponseOrError], None],
    ) -> None:
        self._connection = connection
        self._key = key
        self._headers = headers
        self._needs_size = needs_size
        self._on_end = on_end

    def begin(self) -> None:
        if self._connection.abilities.lacks(HEAD):
            self._read_a_byte(self._on_end)
            return
        coding = coding_headers(self._connection)
        self._ask("HEAD", (*self._headers, *coding), lambda ending: self._judge(ending, coding))

    def _ask(self, method: str, headers: Pairs, on_end: Callable[[ResponseOrError], None]) -> None:
        request = Request("HeadObject" if method == "HEAD" else "GetObject", method, self._key, headers=headers)
        exchange_with(self._connection, request, OPTIONAL_READ_HEADERS, lambda ending, _: on_end(ending))

    def _judge(self, ending: ResponseOrError, coding: Pairs) -> None:
        if isinstance(ending, S3RequestError) and ending.status in _UNCLEAR:
            self._go_on(ending, lambda: self._read_a_byte(lambda read: self._judge_byte(ending, read)))
        elif not isinstance(ending, Response) or ending.header("content-length") is not None:
            self._on_end(ending)
        elif self._needs_size:
            self._go_on(ending, lambda: self._read_a_byte(self._on_end))
        elif is_gzip(ending) and coding != PLAIN_CODING:
            # Stored so, or compressed by a proxy? Without compression there is a length in the second case.
            headers = (*self._headers, *PLAIN_CODING)
            self._go_on(ending, lambda: self._ask("HEAD", headers, lambda plain: self._choose(ending, plain)))
        else:
            self._on_end(ending)

    def _go_on(self, ending: ResponseOrError, send: Callable[[], None]) -> None:
        """Send another request; if that fails because the connection was closed, the answer before counts."""
        try:
            send()
        except Exception:  # noqa: BLE001 - in any case `on_end` must be called
            self._on_end(ending)

    def _choose(self, compressed: Response, plain: ResponseOrError) -> None:
        is_plain = isinstance(plain, Response) and plain.header("content-length") and not is_gzip(plain)
        if is_plain:
            self._connection.abilities.note(ORIGINAL_CODING)
        self._on_end(plain if is_plain else compressed)

    def _judge_byte(self, refused: S3RequestError, read: ResponseOrError) -> None:
        if isinstance(read, Response) and refused.status in _WITHOUT_HEAD:
            self._connection.abilities.note(HEAD)
        # Only the error of GET says why, if there was an answer.
        is_answer = isinstance(read, Response) or (isinstance(read, S3RequestError) and read.status is not None)
        self._on_end(read if is_answer else refused)

    def _read_a_byte(self, on_end: Callable[[ResponseOrError], None]) -> None:
        headers = (*self._headers, *coding_headers(self._connection))

        def judge(ending: ResponseOrError) -> None:
            if isinstance(ending, S3RequestError) and ending.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                self._go_on(ending, lambda: self._ask("GET", headers, lambda whole: on_end(_as_head(whole))))  # empty
            else:
                on_end(_as_head(ending))

        self._ask("GET", (*headers, ("range", "bytes=0-0")), judge)


def _as_head(ending: ResponseOrError) -> ResponseOrError:
    """An answer to GET of the first byte, or of all, in the form of one to HEAD."""
    if not isinstance(ending, Response):
        return ending
    size = str(len(ending.body))
    if ending.status == HTTPStatus.PARTIAL_CONTENT:
        size = (ending.header("content-range") or "").rpartition("/")[2]
    kept = tuple(pair for pair in ending.headers if pair[0].lower() not in ("content-length", "content-range"))
    return Response(HTTPStatus.OK, (*kept, ("content-length", size)) if size.isdecimal() else kept)


def read_head(bucket: str, request: Request, response: Response) -> ObjectHead:
    """Read an answer to HeadObject.

    Raises:
        S3RequestError: the ETag or the date is missing, or a number or date is not valid.
    """
    etag, size, date = (response.header(name) for name in ("etag", "content-length", "last-modified"))
    if not etag or not unquote_etag(etag) or date is None:
        raise invalid_response(bucket, request, response, "the answer lacks ETag or Last-Modified")
    try:
        bytes_ = None if size is None else whole_number(size)
    except ValueError as error:
        raise invalid_response(bucket, request, response, f"the answer has the Content-Length {error}") from None
    try:
        last_modified = _microseconds(date)
    except (TypeError, ValueError, OverflowError):
        raise invalid_response(bucket, request, response, f"the answer has the date {date!r:.100}") from None
    return ObjectHead(
        etag=unquote_etag(etag),
        size=bytes_,
        last_modified=last_modified,
        storage_class=response.header("x-amz-storage-class") or "STANDARD",
        version_id=version_of(response),
        # There is none if versioning was never enabled. While it is suspended, the version is "null".
        keeps_versions=response.header("x-amz-version-id") is not None,
        content_type=response.header("content-type"),
        metadata={
            name.lower().removeprefix(_METADATA): value
            for name, value in response.headers
            if name.lower().startswith(_METADATA)
        },
        is_etag_md5=keeps_md5_etags(response),
        restored_until=_restored_until(response.header("x-amz-restore") or ""),
    )


def _restored_until(status: str) -> int | None:
    """When a restored copy expires, in microseconds since 1970 UTC; None where there is none, or it can't be read."""
    found = _EXPIRY.search(status)
    if found is None or 'ongoing-request="true"' in status:
        return None
    try:
        return _microseconds(found[1])
    except (TypeError, ValueError, OverflowError):
        return None


def _microseconds(date: str) -> int:
    """A date of HTTP, in microseconds since 1970 UTC.

    Raises:
        TypeError, ValueError, OverflowError: it is none.
    """
    # The one form that servers should send takes a tenth of the time that all others do.
    if len(date) == _DATE_LENGTH and date.endswith(" GMT") and date[8:11] in _MONTHS and date[5:7].isdecimal():
        at = datetime(
            int(date[12:16]),
            _MONTHS[date[8:11]],
            int(date[5:7]),
            int(date[17:19]),
            int(date[20:22]),
            int(date[23:25]),
            tzinfo=UTC,
        )
    else:
        at = parsedate_to_datetime(date)
    return (at - _EPOCH) // timedelta(microseconds=1)


def version_of(response: Response) -> str | None:
    """The version that a response is about; the ``null`` version of suspended versioning counts as none."""
    version_id = response.header("x-amz-version-id")
    return None if version_id == "null" else version_id
