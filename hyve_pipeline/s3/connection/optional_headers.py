"""Requests with headers that a server may refuse: then they are left out, and the request is made all the same."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, TypeVar

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.s3.connection.connection import Connection, itself
from hyve_pipeline.s3.connection.server_abilities import CHECKSUMS, CONTENT_MD5, READ_CONDITIONS, Ability
from hyve_pipeline.s3.connection.transport import ResponseOrError
from hyve_pipeline.s3.wire.errors import S3RequestError, needs_customer_key
from hyve_pipeline.s3.wire.futures import LightFuture, complete
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response
from hyve_pipeline.s3.wire.xml import unquote_etag

T = TypeVar("T")

# By these a server refuses what it does not know. Others say that the request is right and can't be done.
_REFUSING_STATUSES = {400, 405, 406, 415, 417, 422, 431, 501}

# Refusals of these statuses that are about something else than a header, whichever it is.
_ABOUT_SOMETHING_ELSE = {
    "AuthorizationHeaderMalformed",
    "EntityTooLarge",
    "EntityTooSmall",
    "ExpiredToken",
    "IllegalLocationConstraintException",
    "IncompleteBody",
    "InvalidBucketName",
    "InvalidPart",
    "InvalidPartOrder",
    "InvalidToken",
    "InvalidURI",
    "KeyTooLongError",
    "MetadataTooLarge",
    "RequestTimeout",
    "TokenRefreshRequired",
    "UserKeyMustBeSpecified",
}

# By this a server says that the content is not what a header says.
_OTHER_CONTENT = "BadDigest"

# By these it says the same, or that it does not know that header.
_ABOUT_CONTENT = {_OTHER_CONTENT, "InvalidDigest", "XAmzContentChecksumMismatch"}


@dataclass(frozen=True, slots=True)
class Optional:
    """A header, or some that belong together, which a request can do without.

    Attributes:
        ability: what the server lacks where it refuses them.
        names: the headers, in lower case; one that ends with ``*`` is the beginning of a name.
        words: what a refusal says that is about them, in lower case.
    """

    ability: Ability
    names: tuple[str, ...]
    words: tuple[str, ...]

    def covers_any(self, headers: Pairs) -> bool:
        """Whether one of them is among these."""
        return any(self._covers(name) for name, _ in headers)

    def left_out_of(self, request: Request) -> Request:
        """The request without them."""
        return request._replace(headers=tuple(pair for pair in request.headers if not self._covers(pair[0])))

    def is_named_by(self, error: S3RequestError) -> bool:
        """Whether a refusal says that it is about them."""
        said = f"{error.code} {error.message}".lower()
        return any(word in said for word in self.words)

    def _covers(self, name: str) -> bool:
        return any(
            name.startswith(covered[:-1]) if covered.endswith("*") else name == covered for covered in self.names
        )


# What proves content, and a server may refuse.
OPTIONAL_CHECKSUMS = Optional(
    CHECKSUMS, ("x-amz-checksum-*", "x-amz-sdk-checksum-algorithm"), ("checksum", "x-amz-sdk-")
)
OPTIONAL_MD5 = Optional(CONTENT_MD5, ("content-md5",), ("md5",))


def may_be_unsupported(error: BaseException) -> bool:
    """Whether an error may mean that the server does not support something in the request."""
    if not isinstance(error, S3RequestError) or error.code in _ABOUT_SOMETHING_ELSE or needs_customer_key(error):
        return False
    return error.status in _REFUSING_STATUSES or error.code == "NotImplemented"


def is_about_content(error: BaseException) -> bool:
    """Whether a server says that the content that arrived is not what a header says."""
    return isinstance(error, S3RequestError) and error.code in _ABOUT_CONTENT


def exchange_with(
    connection: Connection,
    request: Request,
    optional: Iterable[Optional],
    on_end: Callable[[T | BaseException, tuple[Ability, ...]], object],
    *,
    read: Callable[[Response], T] = itself,
    is_slow: bool = False,
    check_content: Callable[[], S3RequestError | None] | None = None,
) -> None:
    """Like `Connection.exchange`, for a request with optional headers.

    Those that the server is known to refuse are left out. When it refuses the request, it is sent again without those
    that may be the reason, one after the other; the one without which it succeeds is remembered. `on_end` also gets
    what was left out.

    `check_content` is called when the server says that the content is not what its headers say. What it returns ends
    the request; otherwise the content changed on its way to the server, and is sent once more.
    """
    present = [one for one in optional if one.covers_any(request.headers)]
    missing = [one for one in present if connection.abilities.lacks(one.ability)]
    sent = [one for one in present if one not in missing]
    _Search(connection, request, sent, missing, on_end, read, is_slow, check_content).begin()


def ask_with(
    connection: Connection,
    request: Request,
    optional: Iterable[Optional],
    read: Callable[[ResponseOrError], T],
    *,
    is_slow: bool = False,
    check: Callable[[Response], Response] = itself,
    check_content: Callable[[], S3RequestError | None] | None = None,
) -> "Future[tuple[T, tuple[Ability, ...]]]":
    """Like `exchange_with`, as a future for `read` of the answer or failure, and for what the server lacks."""
    outcome: Future[tuple[T, tuple[Ability, ...]]] = LightFuture()

    def on_end(ended: ResponseOrError, without: tuple[Ability, ...]) -> None:
        complete(outcome, lambda found: (read(found), without), ended)

    exchange_with(connection, request, optional, on_end, is_slow=is_slow, read=check, check_content=check_content)
    return outcome


class _Search(Generic[T]):
    """The search for what a server refuses of one request."""

    def __init__(
        self,
        connection: Connection,
        request: Request,
        sent: Sequence[Optional],
        left_out: Sequence[Optional],
        on_end: Callable[[T | BaseException, tuple[Ability, ...]], object],
        read: Callable[[Response], T],
        is_slow: bool,
        check_content: Callable[[], S3RequestError | None] | None,
    ) -> None:
        self._connection = connection
        self._request = request
        self._sent = list(sent)
        self._left_out = list(left_out)
        self._found: list[Optional] = []
        self._on_end = on_end
        self._read = read
        self._is_slow = is_slow
        self._check_content = check_content
        self._is_content_right = False

    def begin(self) -> None:
        self._send((), self._judge_first)

    def _send(self, suspects: Sequence[Optional], judge: Callable[[T | BaseException], None]) -> None:
        request = self._request
        for one in (*self._left_out, *suspects):
            request = one.left_out_of(request)
        self._connection.exchange(request, judge, read=self._read, is_slow=self._is_slow)

    def _judge_first(self, ended: T | BaseException) -> None:
        if not isinstance(ended, S3RequestError):
            self._end(ended)
        elif self._check_content is not None and is_about_content(ended):
            self._send_once_more(ended, self._check_content)
        elif self._is_content_right and ended.code == _OTHER_CONTENT:
            # Without the checksum, the server would take what arrives for it.
            self._end(ended)
        elif self._sent and may_be_unsupported(ended):
            self._suspect(ended)
        elif ended.status == HTTPStatus.PRECONDITION_FAILED and (condition := self._condition_of_a_read()) is not None:
            self._look(condition, ended)
        else:
            self._end(ended)

    def _condition_of_a_read(self) -> Optional | None:
        return next((one for one in self._sent if one.ability is READ_CONDITIONS), None)

    def _look(self, condition: Optional, error: S3RequestError) -> None:
        """Send a read without its condition if the object has the ETag all the same, as a HEAD shows.

        Some servers compare ETags with their quotes, or in another letter case than they list them.
        """
        wanted = next(value for name, value in self._request.headers if name == "if-match")

        def judge(ended: Response | BaseException) -> None:
            found = ended.header("etag") if isinstance(ended, Response) else None
            if found is None or not same_etag(unquote_etag(found), unquote_etag(wanted)):
                self._end(error)
                return
            self._leave_out((condition,))
            try:
                self._send((), self._judge_first)
            except Exception:  # noqa: BLE001 - closed just now, say; whatever it is, the request must come to an end
                self._end(error)

        try:
            self._connection.exchange(Request("HeadObject", "HEAD", self._request.key), judge)
        except Exception:  # noqa: BLE001 - as above
            self._end(error)

    def _send_once_more(self, error: S3RequestError, check_content: Callable[[], S3RequestError | None]) -> None:
        self._check_content = None
        problem = check_content()
        if problem is not None:
            self._end(problem)
            return
        self._is_content_right = True
        try:
            self._send((), self._judge_first)
        except Exception:  # noqa: BLE001 - closed just now, say; whatever it is, the request must come to an end
            self._end(error)

    def _suspect(self, error: S3RequestError) -> None:
        """Send the request without each header that an error may be about, and at last without all of them."""
        named = [one for one in self._sent if one.is_named_by(error)]
        suspected = named if named or error.code in _ABOUT_CONTENT else self._sent
        each = [(one,) for one in suspected]
        trials = iter(each if len(each) <= 1 else [*each, tuple(self._sent)])

        def try_next() -> None:
            suspects = next(trials, None)
            if suspects is None:
                self._end(error)
                return
            try:
                self._send(suspects, lambda ended: judge(suspects, ended))
            except Exception:  # noqa: BLE001 - closed just now, say; whatever it is, the request must come to an end
                self._end(error)

        def judge(suspects: tuple[Optional, ...], ended: T | BaseException) -> None:
            if isinstance(ended, S3RequestError) and may_be_unsupported(ended):
                if (ended.code, ended.message) == (error.code, error.message):
                    try_next()
                    return
                # The server has something else to refuse now, so that this was refused before.
                self._leave_out(suspects)
                self._judge_first(ended)
                return
            if not isinstance(ended, BaseException):
                self._leave_out(suspects)
            self._end(ended)

        try_next()

    def _leave_out(self, suspects: Sequence[Optional]) -> None:
        self._found += suspects
        self._left_out += suspects
        self._sent = [one for one in self._sent if one not in suspects]

    def _end(self, ended: T | BaseException) -> None:
        if not isinstance(ended, BaseException):
            for one in self._found:
                self._connection.abilities.note(one.ability)
        self._on_end(ended, tuple(one.ability for one in self._left_out))
