"""Object Lock: retention, legal hold and event hold of objects, and whether a bucket has it.

CopyObject does not copy them. They are sent with the write, and what the object lacks then is put afterwards. A server
that does not know them would take a request to put them for the object itself: its bucket must have said that it has
Object Lock.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from collections.abc import Mapping
from concurrent.futures import Future
from http import HTTPStatus

from hyve_pipeline.core.model.object_lock import ObjectLock, current_lock
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import may_be_unsupported
from hyve_pipeline.s3.connection.server_abilities import LOCKS_READ, OBJECT_LOCKS
from hyve_pipeline.s3.connection.transport import ResponseOrError
from hyve_pipeline.s3.objects.source_responses import source_answer
from hyve_pipeline.s3.objects.write_headers import document_headers
from hyve_pipeline.s3.wire.errors import OBJECT_LOCKED, S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import both, completed, follow, then
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response
from hyve_pipeline.s3.wire.responses import parse_response
from hyve_pipeline.s3.wire.xml import MalformedXmlError, child_text, escape_text, local_name, parse_xml

LOCK_HEADERS = "x-amz-object-lock-"

_NO_CONFIGURATION = "ObjectLockConfigurationNotFoundError"
_NO_LOCK = "NoSuchObjectLockConfiguration"

_WAY_ON = '; locks = "none" copies objects without theirs'


def has_object_lock(connection: Connection) -> bool:
    """Whether a bucket has Object Lock. Waits for the answer.

    Raises:
        S3RequestError: it is unknown, as a permission is missing.
    """
    request = Request("GetObjectLockConfiguration", "GET", query=(("object-lock", ""),))
    try:
        response = connection.send(request).result()
    except S3RequestError as error:
        if error.code == _NO_CONFIGURATION or error.status == HTTPStatus.NOT_FOUND or may_be_unsupported(error):
            return False
        raise _with_way_on(error, "GetBucketObjectLockConfiguration") from None
    if connection.place.server == AWS:
        root = parse_response(connection.bucket, request, response, "ObjectLockConfiguration")
    else:
        # Servers that don't know the parameter list the bucket, say.
        try:
            root = parse_xml(response.body)
        except MalformedXmlError:
            return False
        if local_name(root) != "ObjectLockConfiguration":
            return False
    if child_text(root, "ObjectLockEnabled") != "Enabled":
        return False
    connection.abilities.prove(OBJECT_LOCKS)
    return True


def lock_of(bucket: str, request: Request, response: Response) -> ObjectLock:
    """What protects an object, from an answer to HEAD or GET; nothing if the permission to read it is missing.

    Raises:
        S3RequestError: the headers are not valid.
    """
    named = {name.lower(): value for name, value in response.headers}
    values = {name.removeprefix(LOCK_HEADERS): value for name, value in named.items() if name.startswith(LOCK_HEADERS)}
    if not values:
        return ObjectLock()
    try:
        return _lock(values)
    except ValueError as error:
        raise invalid_response(bucket, request, response, f"the answer has a lock that is none: {error}") from None


def _lock(values: Mapping[str, str]) -> ObjectLock:
    has_event_hold = values.get("event-hold") == "ON"
    return current_lock(
        ObjectLock(
            mode=values.get("mode"),
            until=values.get("retain-until-date"),
            legal_hold=values.get("legal-hold") == "ON",
            event_hold=has_event_hold,
            event_days=values.get("event-hold-duration-days") if has_event_hold else None,
            event_years=values.get("event-hold-duration-years") if has_event_hold else None,
        )
    )


def lock_headers(lock: ObjectLock) -> Pairs:
    """The headers that protect a new object."""
    named = {
        "mode": lock.mode,
        "retain-until-date": lock.until,
        "legal-hold": "ON" if lock.legal_hold else None,
        "event-hold": "ON" if lock.event_hold else None,
        "event-hold-duration-days": lock.event_days,
        "event-hold-duration-years": lock.event_years,
    }
    return tuple((LOCK_HEADERS + name, value) for name, value in named.items() if value is not None)


def prove_locks_readable(source: Connection, key: str) -> "Future[None]":
    """Find out once whether the locks of a bucket's objects may be read: without the permissions, S3 leaves them out.

    Returns:
        A future that raises `S3RequestError` if a permission is missing, or the object is gone.
    """
    if source.abilities.has_proved(LOCKS_READ):
        return completed(None)
    asked = both(
        _ask(source, key, "GetObjectRetention", "retention"), _ask(source, key, "GetObjectLegalHold", "legal-hold")
    )
    return then(asked, lambda _: source.abilities.prove(LOCKS_READ))


def _ask(source: Connection, key: str, operation: str, parameter: str) -> "Future[None]":
    request = Request(operation, "GET", key, query=((parameter, ""),))

    def read(ended: ResponseOrError) -> None:
        # A message about the lock that is not there gets the code of a locked object.
        if isinstance(ended, S3RequestError) and ended.code in (_NO_LOCK, OBJECT_LOCKED) and ended.status == 404:
            return
        if isinstance(ended, S3RequestError) and ended.status == HTTPStatus.FORBIDDEN:
            raise _with_way_on(ended, operation)
        response = source_answer(ended)
        # Other servers may not know the request, and answer with the object: it is allowed all the same.
        if source.place.server == AWS:
            parse_response(source.bucket, request, response, operation.removeprefix("GetObject"))

    return source.ask(request, read)


def _with_way_on(error: S3RequestError, permission: str) -> S3RequestError:
    if error.status == HTTPStatus.FORBIDDEN:
        error.message = f"{error.message} (allow s3:{permission}{_WAY_ON})"
    return error


def put_lock(store: Connection, key: str, version_id: str | None, lock: ObjectLock) -> "Future[None]":
    """Protect an object, or rather one of its versions.

    Args:
        store: the bucket; it must have said that it has Object Lock.
        key: the whole key.
        version_id: the version; None for the newest.
        lock: what to put; what it does not have stays as it is.

    Returns:
        A future that raises `S3RequestError` if it could not be put.

    Raises:
        S3RequestError: the bucket is not known to have Object Lock.
    """
    version = () if version_id is None else (("versionId", version_id),)
    retention = Request("PutObjectRetention", "PUT", key, query=(("retention", ""), *version))
    hold = Request("PutObjectLegalHold", "PUT", key, query=(("legal-hold", ""), *version))
    if not store.abilities.has_proved(OBJECT_LOCKS):
        reason = "the bucket has not said that it has Object Lock: the server might overwrite the object"
        raise S3RequestError(store.bucket, retention, "NotImplemented", reason)

    def put_hold(_: object) -> "Future[None]":
        if not lock.legal_hold:
            return completed(None)
        return _put(store, hold, "LegalHold", {"Status": "ON"})

    if not lock.has_retention:
        return put_hold(None)
    fields = {"Mode": lock.mode, "RetainUntilDate": lock.until, "EventHold": "ON" if lock.event_hold else None}
    duration = {"Days": lock.event_days, "Years": lock.event_years}
    return follow(_put(store, retention, "Retention", fields, EventHoldDuration=duration), put_hold)


def _put(
    store: Connection,
    request: Request,
    root: str,
    fields: Mapping[str, str | None],
    **groups: Mapping[str, str | None],
) -> "Future[None]":
    inner = _elements(fields)
    for name, members in groups.items():
        within = _elements(members)
        inner += f"<{name}>{within}</{name}>" if within else ""
    body = f'<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{root}>'.encode()
    full = request._replace(headers=document_headers(body), body=body)

    def read(ended: ResponseOrError) -> None:
        if isinstance(ended, S3RequestError):
            raise _with_way_on(ended, request.operation)
        source_answer(ended)

    return store.ask(full, read)


def _elements(fields: Mapping[str, str | None]) -> str:
    return "".join(f"<{name}>{escape_text(value)}</{name}>" for name, value in fields.items() if value is not None)
