"""Deletes many objects, with a result for each."""

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import Lock

from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import Optional, exchange_with, may_be_unsupported
from hyve_pipeline.s3.connection.server_abilities import DELETE_CONDITIONS, MANY_DELETES, TOGETHER, Ability
from hyve_pipeline.s3.connection.transport import ResponseOrError, answer_of
from hyve_pipeline.s3.objects.head import version_of
from hyve_pipeline.s3.objects.read_headers import condition_headers
from hyve_pipeline.s3.objects.write_headers import document_headers
from hyve_pipeline.s3.wire.errors import CONNECTION_ERROR, NOT_PERMITTED, S3RequestError, refined_code, shortened
from hyve_pipeline.s3.wire.futures import LightFuture, both, completed, follow, retry, then
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.responses import parse_response
from hyve_pipeline.s3.wire.xml import escape_text, fits_in_xml

MAX_KEYS = 1000  # the most that S3 takes in one request

# Requests in flight of one call that deletes objects one by one.
_AT_ONCE = 32

_OPTIONAL_CONDITION = Optional(DELETE_CONDITIONS, ("if-match",), ("if-match", "condition"))

# The code for a key that is missing in an answer.
UNMENTIONED = "NotMentioned"


@dataclass(frozen=True, slots=True)
class DeletedObject:
    """A deleted object.

    Attributes:
        delete_marker_version_id: the version of the delete marker that hides it now, in a bucket with
            versions; None if it was removed permanently.
    """

    delete_marker_version_id: str | None = None


# Nearly all results.
_DELETED = DeletedObject()


@dataclass(frozen=True, slots=True)
class DeleteFailure:
    """Why an object was not deleted, or may not have been.

    Attributes:
        code: S3's error code, or `UNMENTIONED`.
        message: the server's message, in one line.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """The result for each key; every key is in one of the two.

    Attributes:
        deleted: the deleted objects, by key. A key that did not exist counts as deleted.
        errors: the others, by key.
        is_conditional: whether the request had the ETags that objects must still have.
    """

    deleted: Mapping[str, DeletedObject]
    errors: Mapping[str, DeleteFailure]
    is_conditional: bool = False


def delete_objects(
    connection: Connection, keys: Sequence[str], etags: Mapping[str, str] | None = None
) -> "Future[DeleteResult]":
    """Delete up to 1,000 objects.

    Args:
        connection: the bucket.
        keys: whole keys.
        etags: the ETags that objects must still have, by key, if the server supports this condition; some ignore it.
            If a server refuses it, the request is sent without.
            https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html

    Returns:
        A future that gives the result by key, or raises `S3RequestError` if the whole request failed.

    Raises:
        ValueError: over 1,000 keys, or a key twice.
    """
    if len(keys) > MAX_KEYS or len(set(keys)) != len(keys):
        raise ValueError(f"{len(keys)} keys to delete at once: at most {MAX_KEYS}, each once")
    wanted = etags or {}
    if connection.abilities.lacks(MANY_DELETES):
        return _OneByOne(connection, keys, wanted).begin()
    together = [key for key in keys if _survives_xml(key)]
    if len(together) == len(keys):
        return _delete_together(connection, keys, wanted)
    alone = _OneByOne(connection, [key for key in keys if not _survives_xml(key)], wanted).begin()
    # The first of both never fails, so the result comes when all requests have ended.
    return then(both(alone, _delete_together(connection, together, wanted)), _joined)


def _survives_xml(key: str) -> bool:
    """Whether the answer of a server will have the same key.

    A carriage return can be written as a character reference, but some servers answer with a raw one, which
    XML turns into a newline: then the answer would seem to lack the key.
    """
    return fits_in_xml(key) and "\r" not in key


def _delete_together(connection: Connection, keys: Sequence[str], etags: Mapping[str, str]) -> "Future[DeleteResult]":
    """Delete with conditions; without them if the server refuses that; one by one if it refuses that too."""
    if not keys:
        return completed(DeleteResult({}, {}))
    conditions = {} if etags and connection.abilities.lacks(DELETE_CONDITIONS) else etags

    def one_by_one(keys: Sequence[str]) -> "Future[DeleteResult]":
        return then(_OneByOne(connection, keys, etags).begin(), learn)

    def learn(result: DeleteResult) -> DeleteResult:
        if result.deleted:
            connection.abilities.note(MANY_DELETES)
        return result

    def after_first(first: DeleteResult, error: S3RequestError) -> "Future[DeleteResult]":
        """Delete all others one by one if that has worked for the first, so that the server refuses DeleteObjects."""
        if not first.deleted:
            raise error
        return then(one_by_one(keys[1:]), lambda others: _joined([learn(first), others]))

    def send(etags: Mapping[str, str]) -> "Future[DeleteResult]":
        def refused(error: BaseException) -> "Future[DeleteResult]":
            if not isinstance(error, S3RequestError):
                raise error
            if _may_be_unsupported(error):
                return send({}) if etags else one_by_one(keys)
            if connection.place.server == AWS or connection.abilities.has_proved(TOGETHER) or not _is_answer(error):
                raise error
            return follow(_OneByOne(connection, keys[:1], conditions).begin(), lambda first: after_first(first, error))

        return retry(then(_send_together(connection, keys, etags), ended), refused)

    def ended(result: DeleteResult) -> DeleteResult:
        if result.deleted:
            connection.abilities.prove(TOGETHER)
        if conditions and not result.is_conditional and result.deleted:
            connection.abilities.note(DELETE_CONDITIONS)
        return result

    def finish(result: DeleteResult) -> "Future[DeleteResult]":
        left = [key for key, failure in result.errors.items() if failure.code in _UNSUPPORTED]
        if not left or result.deleted or connection.abilities.lacks(MANY_DELETES):
            return completed(result)
        return then(
            one_by_one(left),
            lambda singly: replace(_joined([result, singly]), is_conditional=singly.is_conditional),
        )

    return follow(send(conditions), finish)


# With these a server refuses each key of a request that it does not support.
_UNSUPPORTED = {"NotImplemented", "MethodNotAllowed"}


def _may_be_unsupported(error: S3RequestError) -> bool:
    """Whether a server may not support DeleteObjects, or not in this form."""
    is_missing = error.status in (404, 411, 413) and error.code != "NoSuchBucket"
    return is_missing or may_be_unsupported(error) or error.code == "MalformedXML"


def _is_answer(error: S3RequestError) -> bool:
    """Whether a server that does not support DeleteObjects may have answered so: some take it for a POST of a form.

    A missing permission is about the keys, and for who applies the plan to see.
    """
    return error.status is not None and not error.is_throttled and error.code not in NOT_PERMITTED


def _send_together(connection: Connection, keys: Sequence[str], etags: Mapping[str, str]) -> "Future[DeleteResult]":
    body = delete_document(keys, etags)
    request = Request("DeleteObjects", "POST", query=(("delete", ""),), headers=document_headers(body), body=body)

    def read(ending: ResponseOrError) -> DeleteResult:
        result = read_result(connection.bucket, request, answer_of(ending), keys)
        return replace(result, is_conditional=bool(etags))

    return connection.ask(request, read)


class _OneByOne:
    """Deletes objects by one request each, several at once."""

    def __init__(self, connection: Connection, keys: Sequence[str], etags: Mapping[str, str]) -> None:
        self._connection = connection
        self._etags = etags
        self._waiting = deque(keys)
        self._left = len(keys)
        self._lock = Lock()
        self._deleted: dict[str, DeletedObject] = {}
        self._errors: dict[str, DeleteFailure] = {}
        self._is_conditional = False
        self._outcome: Future[DeleteResult] = LightFuture()

    def begin(self) -> "Future[DeleteResult]":
        """Begin; the future gives the result for each key, and raises nothing."""
        if not self._waiting:
            return completed(DeleteResult({}, {}))
        for _ in range(min(_AT_ONCE, len(self._waiting))):
            self._send_next()
        return self._outcome

    def _send_next(self) -> None:
        with self._lock:
            key = self._waiting.popleft() if self._waiting else None
        if key is None:
            return
        etag = self._etags.get(key)
        request = Request("DeleteObject", "DELETE", key, headers=condition_headers(etag) if etag else ())

        def on_end(ending: ResponseOrError, without: tuple[Ability, ...]) -> None:
            self._settle(key, ending, is_conditional=etag is not None and not without)

        try:
            exchange_with(self._connection, request, (_OPTIONAL_CONDITION,), on_end)
        except Exception as error:  # noqa: BLE001 - the connection is being closed, say
            self._settle(key, error, is_conditional=False)

    def _settle(self, key: str, ending: ResponseOrError, *, is_conditional: bool) -> None:
        if isinstance(ending, Response):
            is_marker = ending.header("x-amz-delete-marker") == "true"
            self._deleted[key] = DeletedObject(version_of(ending) if is_marker else None)
        elif isinstance(ending, S3RequestError):
            self._errors[key] = DeleteFailure(ending.code, ending.message)
        else:
            self._errors[key] = DeleteFailure(CONNECTION_ERROR, str(ending))
        with self._lock:
            self._is_conditional |= is_conditional
            self._left -= 1
            is_last = not self._left
        if is_last:
            self._outcome.set_result(DeleteResult(self._deleted, self._errors, self._is_conditional))
        else:
            self._send_next()


def delete_version(connection: Connection, key: str, version_id: str) -> "Future[Response]":
    """Remove one version of an object, or one delete marker, permanently.

    Returns:
        A future that gives the answer, or raises `S3RequestError`.
    """
    return connection.send(Request("DeleteObject", "DELETE", key, query=(("versionId", version_id),)))


def delete_document(keys: Sequence[str], etags: Mapping[str, str]) -> bytes:
    """The body of a DeleteObjects request, with the condition of each key that has an ETag."""
    conditions = {key: f"<ETag>&quot;{escape_text(etag)}&quot;</ETag>" for key, etag in etags.items()}
    objects = "".join(f"<Object><Key>{escape_text(key)}</Key>{conditions.get(key, '')}</Object>" for key in keys)
    document = f'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{objects}</Delete>'
    return f'<?xml version="1.0" encoding="UTF-8"?>{document}'.encode()


def read_result(bucket: str, request: Request, response: Response, keys: Sequence[str]) -> DeleteResult:
    """Read an answer to DeleteObjects.

    A key that is missing in the answer is an error: nothing proves that it was deleted.

    Raises:
        S3RequestError: the answer cannot be understood.
    """
    root = parse_response(bucket, request, response, "DeleteResult")
    wanted = set(keys)
    deleted: dict[str, DeletedObject] = {}
    errors: dict[str, DeleteFailure] = {}
    for entry in root.iterchildren("{*}Deleted", "{*}Error"):
        fields = {child.tag.rpartition("}")[2]: child.text or "" for child in entry.iterchildren("{*}*")}
        key = fields.get("Key")
        if key not in wanted:
            continue
        if entry.tag.endswith("Deleted"):
            marker = fields.get("DeleteMarkerVersionId")
            deleted[key] = DeletedObject(_marker(marker)) if marker else _DELETED
        else:
            message = shortened(fields.get("Message") or "no message")
            errors[key] = DeleteFailure(refined_code(fields.get("Code") or "Unknown", message), message)
    for key in keys:
        if key in errors:
            deleted.pop(key, None)
        elif key not in deleted:
            errors[key] = DeleteFailure(UNMENTIONED, "the server's answer does not have this key")
    return DeleteResult(deleted, errors)


def _marker(version_id: str | None) -> str | None:
    return None if version_id in (None, "", "null") else version_id


def _joined(results: Sequence[DeleteResult]) -> DeleteResult:
    """One result: for a key in several, the last one counts."""
    deleted: dict[str, DeletedObject] = {}
    errors: dict[str, DeleteFailure] = {}
    for result in results:
        for key in result.deleted:
            errors.pop(key, None)
        deleted.update(result.deleted)
        errors.update(result.errors)
    return DeleteResult(deleted, errors, any(result.is_conditional for result in results))
