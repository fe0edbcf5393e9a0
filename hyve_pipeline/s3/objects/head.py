"""Looking at one object without its content."""

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
from hyve_pipeline.s3.connection.transport import Ending
from hyve_pipeline.s3.objects.read_headers import OPTIONAL_READ_HEADERS, PLAIN_CODING, coding_headers, is_packed
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import complete
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response
from hyve_pipeline.s3.wire.responses import whole_number
from hyve_pipeline.s3.wire.xml import unquote_etag

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_METADATA = "x-amz-meta-"

# Refusals that say nothing without a body: some servers answer so where there is no object, or know no HEAD.
_UNCLEAR = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
_WITHOUT_HEAD = {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """What HeadObject says about an object.

    Attributes:
        etag: without quotes.
        size: bytes; None where the server does not tell.
        last_modified: microseconds since 1970 UTC; HTTP dates have whole seconds only.
        storage_class: S3 storage class.
        version_id: the version, or None in a bucket without versions.
        keeps_versions: the bucket keeps versions, or has kept some before that was suspended.
        content_type: the media type, or None.
        metadata: the user's metadata by lower-case name, without ``x-amz-meta-``.
    """

    etag: str
    size: int | None
    last_modified: int
    storage_class: str = "STANDARD"
    version_id: str | None = None
    keeps_versions: bool = False
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def head_object(connection: Connection, key: str, *, needs_size: bool = False) -> "Future[ObjectHead | None]":
    """Ask for an object's properties.

    Args:
        connection: the bucket.
        key: the whole key.
        needs_size: ask in another way where an answer to HEAD does not tell the size.

    Returns:
        A future that gives them, or None where the bucket has no such object, or raises `S3RequestError`.
        A missing bucket looks the same, since an answer to HEAD has no body: probe the bucket before.
    """

    def read(ending: Ending) -> ObjectHead | None:
        if isinstance(ending, Response):
            return read_head(connection.bucket, Request("HeadObject", "HEAD", key), ending)
        if isinstance(ending, S3RequestError) and ending.status == 404 and ending.code != "NoSuchBucket":
            return None
        raise ending

    return ask_head(connection, key, (), read, needs_size=needs_size)


def ask_head(
    connection: Connection, key: str, headers: Pairs, read: Callable[[Ending], T], *, needs_size: bool = False
) -> "Future[T]":
    """Ask for an object's properties, by reading a byte of it where HEAD does not tell them.

    An answer to HEAD has no body: where it is a refusal, only one to GET says what is wrong.

    Args:
        connection: the bucket.
        key: the whole key.
        headers: conditions and the like; those of `OPTIONAL_READ_HEADERS` are left out where they are refused.
        read: makes the result of the answer, which looks like one to HEAD, or of the failure; it may raise another.
        needs_size: an answer without Content-Length does not do.
    """
    outcome: Future[T] = Future()
    _Heading(connection, key, headers, needs_size, lambda ending: complete(outcome, read, ending)).begin()
    return outcome


class _Heading:
    """One question about an object, in as many requests as it takes."""

    def __init__(
        self, connection: Connection, key: str, headers: Pairs, needs_size: bool, on_end: Callable[[Ending], None]
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

    def _ask(self, method: str, headers: Pairs, on_end: Callable[[Ending], None]) -> None:
        request = Request("HeadObject" if method == "HEAD" else "GetObject", method, self._key, headers=headers)
        exchange_with(self._connection, request, OPTIONAL_READ_HEADERS, lambda ending, _: on_end(ending))

    def _judge(self, ending: Ending, coding: Pairs) -> None:
        if isinstance(ending, S3RequestError) and ending.status in _UNCLEAR:
            self._go_on(ending, lambda: self._read_a_byte(lambda read: self._judge_byte(ending, read)))
        elif not isinstance(ending, Response) or ending.header("content-length") is not None:
            self._on_end(ending)
        elif self._needs_size:
            self._go_on(ending, lambda: self._read_a_byte(self._on_end))
        elif is_packed(ending) and coding != PLAIN_CODING:
            # As it is stored, or packed on the way? Only what is not packed has a length then.
            headers = (*self._headers, *PLAIN_CODING)
            self._go_on(ending, lambda: self._ask("HEAD", headers, lambda plain: self._choose(ending, plain)))
        else:
            self._on_end(ending)

    def _go_on(self, ending: Ending, send: Callable[[], None]) -> None:
        """Send another request; where that can't be, since the connection was closed, the answer before counts."""
        try:
            send()
        except Exception:  # noqa: BLE001 - whatever it is, the question must come to an end
            self._on_end(ending)

    def _choose(self, packed: Response, plain: Ending) -> None:
        is_plain = isinstance(plain, Response) and plain.header("content-length") and not is_packed(plain)
        if is_plain:
            self._connection.abilities.note(ORIGINAL_CODING)
        self._on_end(plain if is_plain else packed)

    def _judge_byte(self, refused: S3RequestError, read: Ending) -> None:
        if isinstance(read, Response) and refused.status in _WITHOUT_HEAD:
            self._connection.abilities.note(HEAD)
        # Only the refusal of GET says why, if there was an answer at all.
        is_answer = isinstance(read, Response) or (isinstance(read, S3RequestError) and read.status is not None)
        self._on_end(read if is_answer else refused)

    def _read_a_byte(self, on_end: Callable[[Ending], None]) -> None:
        headers = (*self._headers, *coding_headers(self._connection))

        def judge(ending: Ending) -> None:
            if isinstance(ending, S3RequestError) and ending.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                self._go_on(ending, lambda: self._ask("GET", headers, lambda whole: on_end(_as_head(whole))))  # empty
            else:
                on_end(_as_head(ending))

        self._ask("GET", (*headers, ("range", "bytes=0-0")), judge)


def _as_head(ending: Ending) -> Ending:
    """An answer to GET of the first byte, or of all, as the one to HEAD would be."""
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
        S3RequestError: the ETag or the date is missing, or something is no number or no date.
    """
    etag, size, date = (response.header(name) for name in ("etag", "content-length", "last-modified"))
    if not etag or not unquote_etag(etag) or date is None:
        raise invalid_response(bucket, request, response, "the answer lacks ETag or Last-Modified")
    try:
        bytes_ = None if size is None else whole_number(size)
    except ValueError as error:
        raise invalid_response(bucket, request, response, f"the answer has the Content-Length {error}") from None
    try:
        modified = parsedate_to_datetime(date)
        last_modified = (modified - _EPOCH) // timedelta(microseconds=1)
    except (TypeError, ValueError, OverflowError):
        raise invalid_response(bucket, request, response, f"the answer has the date {date!r:.100}") from None
    return ObjectHead(
        etag=unquote_etag(etag),
        size=bytes_,
        last_modified=last_modified,
        storage_class=response.header("x-amz-storage-class") or "STANDARD",
        version_id=version_of(response),
        # A bucket that never kept any says nothing; one that does calls an object without version "null".
        keeps_versions=response.header("x-amz-version-id") is not None,
        content_type=response.header("content-type"),
        metadata={
            name.lower().removeprefix(_METADATA): value
            for name, value in response.headers
            if name.lower().startswith(_METADATA)
        },
    )


def version_of(response: Response) -> str | None:
    """The version that a response is about; a suspended bucket's ``null`` version is none."""
    version_id = response.header("x-amz-version-id")
    return None if version_id == "null" else version_id
