"""Lists, reads and writes the annotations of objects: named texts of up to 1 MiB, at most 1,000 of an object.

CopyObject copies them by itself. Whatever else writes an object loses them: they are put one by one afterwards.

A server that does not know them takes a request for an annotation for one for the object, and PutObjectAnnotation for
PutObject: it would overwrite the object's content. So none is put before the server has answered
ListObjectAnnotations as S3 does.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/annotations-overview.html
"""

from concurrent.futures import Future
from dataclasses import dataclass, field
from http import HTTPStatus

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import may_be_unsupported
from hyve_pipeline.s3.connection.server_abilities import ANNOTATIONS, NO_ANNOTATIONS
from hyve_pipeline.s3.connection.transport import ResponseOrError
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.objects.pinned_write import StoreChangedError
from hyve_pipeline.s3.objects.put import Content, Put, put_content
from hyve_pipeline.s3.objects.read_headers import CHECKSUM_MODE_HEADERS
from hyve_pipeline.s3.objects.source_responses import source_answer
from hyve_pipeline.s3.wire.checksums import (
    DEFAULT_ALGORITHM,
    PLAIN_MD5,
    keeps_md5_etags,
    read_checksum_headers,
)
from hyve_pipeline.s3.wire.errors import (
    ANSWER_TOO_LARGE,
    INVALID_RESPONSE,
    NOT_PERMITTED,
    S3RequestError,
    invalid_response,
)
from hyve_pipeline.s3.wire.futures import LightFuture, complete, completed, deliver, fail, recover, then
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.responses import check_echo, parse_response, require, whole_number
from hyve_pipeline.s3.wire.xml import Element, child_text, fits_in_xml, unquote_etag

# The first is S3's name of the root in its documentation, the second has the form of its other listings.
_ROOTS = ("ListObjectAnnotationsOutput", "ListObjectAnnotationsResult")

# The code of an answer of a server that does not know the request: it is not sent again.
_OTHER_ANSWER = "NotImplemented (another answer)"

# The most that an object has.
MOST_ANNOTATIONS = 1000

_WAY_ON = '; annotations = "exclude" copies objects without theirs'


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation without its text.

    Attributes:
        name: unique for its object.
        size: bytes of its text.
        etag: without quotes; empty if the server does not tell it.
    """

    name: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class AnnotationsOf:
    """The annotations of an object, and where their texts are read.

    Attributes:
        source: the bucket.
        key: the whole key.
        entries: the annotations, sorted by name.
    """

    source: Connection = field(repr=False)
    key: str
    entries: tuple[Annotation, ...]


def list_annotations(
    connection: Connection, key: str, *, is_large: bool = False
) -> "Future[tuple[Annotation, ...] | None]":
    """Request the annotations of an object, without their texts.

    Args:
        connection: the bucket.
        key: the whole key.
        is_large: the object itself, with which a server may answer that knows none, is too large for the memory.

    Returns:
        A future that gives them sorted by name, or None if the server has no annotations. It raises `S3RequestError`:
        on Amazon S3 also if the answer is not one of S3, as annotations would be lost.
    """
    abilities = connection.abilities
    if abilities.has_proved(NO_ANNOTATIONS):
        return completed(None)

    def ask() -> "Future[tuple[Annotation, ...] | None]":
        outcome: Future[tuple[Annotation, ...] | None] = LightFuture()
        try:
            _Listing(connection, key, outcome, is_large=is_large).ask(None)
        except Exception as error:  # noqa: BLE001 - closed just now, say
            fail(outcome, error)
        return outcome

    if connection.place.server == AWS or abilities.has_proved(ANNOTATIONS):
        return ask()
    return abilities.try_out(ANNOTATIONS, ask, lambda: list_annotations(connection, key, is_large=is_large))


def find_annotations(source: Connection, key: str, *, is_large: bool = False) -> "Future[AnnotationsOf | None]":
    """Like `list_annotations`, for a copy of the object; None also if it has none."""
    listed = list_annotations(source, key, is_large=is_large)
    return then(listed, lambda found: AnnotationsOf(source, key, found) if found else None)


class _Listing:
    """The pages of one object's annotations."""

    def __init__(
        self, connection: Connection, key: str, outcome: "Future[tuple[Annotation, ...] | None]", *, is_large: bool
    ) -> None:
        self._connection = connection
        self._key = key
        self._outcome = outcome
        self._is_large = is_large
        self._found: dict[str, Annotation] = {}

    def ask(self, token: str | None) -> None:
        """Request the page with a continuation token; without one the first."""
        query = (("annotation", ""), *((("continuation-token", token),) if token is not None else ()))
        request = Request("ListObjectAnnotations", "GET", self._key, query=query)

        def read(response: Response) -> str | None:
            return self._read(request, response, token)

        def on_end(ended: str | BaseException | None) -> None:
            try:
                self._judge(ended)
            except BaseException as error:  # noqa: BLE001 - the future must end
                fail(self._outcome, error)

        # The slow transport gives an answer up that is too large by its headers; the other one has read it by then.
        self._connection.exchange(request, on_end, read=read, is_slow=self._is_large and not self._is_known())

    def _judge(self, ended: str | BaseException | None) -> None:
        if isinstance(ended, str):
            self.ask(ended)
        elif ended is None:
            self._connection.abilities.prove(ANNOTATIONS)
            self._outcome.set_result(tuple(sorted(self._found.values(), key=lambda entry: entry.name)))
        elif isinstance(ended, S3RequestError) and ended.code == _OTHER_ANSWER:
            self._connection.abilities.prove(NO_ANNOTATIONS)
            self._outcome.set_result(None)
        elif isinstance(ended, S3RequestError) and self._may_know_none(ended):
            # Otherwise the object is gone, or the server can't be reached.
            found = head_object(self._connection, self._key)
            deliver(found, lambda head: complete(self._outcome, lambda _: self._lacking(head, ended), None))
        else:
            fail(self._outcome, _as_source_error(ended))

    def _is_known(self) -> bool:
        """Whether the server is known to have annotations."""
        return self._connection.place.server == AWS or self._connection.abilities.has_proved(ANNOTATIONS)

    def _may_know_none(self, error: S3RequestError) -> bool:
        """Whether a failure may mean that the server has no annotations, and not that a permission is missing."""
        if error.code in ("NotImplemented", "MethodNotAllowed"):
            return True
        if self._is_known():
            return False
        is_not_found = error.status == HTTPStatus.NOT_FOUND
        is_other_answer = error.code in (INVALID_RESPONSE, ANSWER_TOO_LARGE)
        return is_other_answer or is_not_found or error.status == 500 or may_be_unsupported(error)

    def _lacking(self, head: object, error: S3RequestError) -> None:
        if isinstance(head, BaseException):
            raise head
        if head is None:
            raise _as_source_error(error)
        self._connection.abilities.prove(NO_ANNOTATIONS)

    def _read(self, request: Request, response: Response, token: str | None) -> str | None:
        """Note the annotations of a page, and return the token of the next.

        Raises:
            S3RequestError: it is no such page.
        """
        bucket = self._connection.bucket
        # A server that does not know the parameter answers with the object, whose content may be anything.
        is_object = response.header("etag") is not None
        if is_object or (b"<ListObjectAnnotations" not in response.body and not self._is_known()):
            error = invalid_response(bucket, request, response, f"the answer is no list of annotations{_WAY_ON}")
            if not self._is_known():
                error.code = _OTHER_ANSWER
            raise error
        root = parse_response(bucket, request, response, *_ROOTS, hint=_WAY_ON)
        if fits_in_xml(self._key):
            check_echo(bucket, request, response, root, "Key", self._key)
        check_echo(bucket, request, response, root, "ContinuationToken", token)
        try:
            page = [_entry(bucket, request, response, element) for element in root.iter("{*}AnnotationEntry")]
            count = child_text(root, "AnnotationCount")
            if count is None and next(root.iterchildren("{*}Annotations"), None) is None:
                raise ValueError("it has neither Annotations nor AnnotationCount")
            if count is not None and whole_number(count) != len(page):
                raise ValueError(f"it has {len(page)} annotations, and says that there are {count}")
        except ValueError as error:
            raise invalid_response(bucket, request, response, f"the answer is no list: {error}{_WAY_ON}") from None
        following = child_text(root, "NextContinuationToken") or None
        names = {entry.name for entry in page}
        is_stuck = following is not None and (following == token or not names)
        if len(names) < len(page) or names & self._found.keys() or is_stuck:
            raise invalid_response(bucket, request, response, "the answer repeats annotations")
        self._found |= {entry.name: entry for entry in page}
        if len(self._found) > MOST_ANNOTATIONS:
            raise invalid_response(bucket, request, response, "the object has more annotations than S3 allows")
        return following


def _entry(bucket: str, request: Request, response: Response, element: Element) -> Annotation:
    name = require(bucket, request, response, element, "AnnotationName")
    return Annotation(name, whole_number(child_text(element, "Size")), unquote_etag(child_text(element, "ETag") or ""))


def _as_source_error(error: BaseException) -> BaseException:
    """The error of a request that reads the source, with what the user can do about a missing permission."""
    if not isinstance(error, S3RequestError):
        return error
    if error.code in NOT_PERMITTED:
        return _with_way_on(error)
    try:
        source_answer(error)
    except S3RequestError as kind:
        return kind
    return error


def _with_way_on(error: S3RequestError) -> S3RequestError:
    """The error of a missing permission, with what the user can do."""
    error.message = f"{error.message} (allow s3:{error.operation}{_WAY_ON})"
    return error


def read_annotation(of: AnnotationsOf, entry: Annotation) -> "Future[Content]":
    """Read the text of an annotation, as content that can be put.

    Returns:
        A future that gives it, checked against its size, and its checksum or MD5 where the server has one. It raises
        `S3RequestError`, also if the annotation was replaced since it was listed.
    """
    source = of.source
    request = Request(
        "GetObjectAnnotation",
        "GET",
        of.key,
        query=(("annotation", ""), ("annotationName", entry.name)),
        headers=CHECKSUM_MODE_HEADERS,
        expected=entry.size,
    )

    def read(ended: ResponseOrError) -> Content:
        if not isinstance(ended, Response):
            raise _as_source_error(ended)
        data, etag = ended.body, unquote_etag(ended.header("etag") or "")
        known = read_checksum_headers(ended.headers)
        algorithm = known.algorithm or DEFAULT_ALGORITHM
        content = Content.of(data, algorithm, needs_md5=True)
        is_md5 = keeps_md5_etags(ended) and PLAIN_MD5.fullmatch(etag) is not None
        problem = None
        if len(data) != entry.size or (entry.etag and etag and not same_etag(etag, entry.etag)):
            problem = f"the annotation {entry.name!r} is another one than was listed"
        elif known.algorithm is not None and known.values[known.algorithm] != content.checksum:
            problem = f"the {algorithm} of the annotation {entry.name!r} is {content.checksum}"
        elif known.algorithm is None and is_md5 and not same_etag(etag, content.md5):
            problem = f"the MD5 of the annotation {entry.name!r} is {content.md5}"
        if problem is not None:
            raise invalid_response(source.bucket, request, ended, problem)
        return content

    return source.ask(request, read)


def put_annotation(store: Connection, key: str, etag: str, name: str, content: Content) -> "Future[Put]":
    """Write an annotation of an object that must still have an ETag.

    Never call it for a server that has not answered `list_annotations`: others overwrite the object.

    Returns:
        A future that gives the proved result. It raises `StoreChangedError` if the object has another ETag or is gone,
        or another `S3RequestError`.

    Raises:
        S3RequestError: the server is not known to have annotations.
    """
    request = Request(
        "PutObjectAnnotation",
        "PUT",
        key,
        query=(("annotation", ""), ("annotationName", name)),
        headers=(("x-amz-object-if-match", f'"{etag}"'),),
    )
    if not store.abilities.has_proved(ANNOTATIONS):
        reason = "the server has not answered ListObjectAnnotations: it might overwrite the object"
        raise S3RequestError(store.bucket, request, "NotImplemented", reason)

    def judge(error: BaseException) -> Put:
        if isinstance(error, S3RequestError) and error.status in (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.NOT_FOUND):
            reason = "the store's object was replaced before it had its annotations"
            raise StoreChangedError(store.bucket, request, "PreconditionFailed", reason, status=412)
        raise _with_way_on(error) if isinstance(error, S3RequestError) and error.code in NOT_PERMITTED else error

    return recover(put_content(store, request, content), judge)
