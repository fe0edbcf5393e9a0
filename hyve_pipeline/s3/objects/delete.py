"""Deleting many objects, and knowing of each whether it is gone."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.objects.head import version_of
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response, telling_code
from hyve_pipeline.s3.wire.futures import recover, then
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.xml import MalformedXmlError, escape_text, fits_in_xml, local_name, parse_xml

MAX_KEYS = 1000  # the most that S3 takes in one request

# The code for a key that an answer did not mention.
UNMENTIONED = "NotMentioned"


@dataclass(frozen=True, slots=True)
class DeletedObject:
    """An object that is gone.

    Attributes:
        delete_marker_version_id: the version of the delete marker that hides it now, in a bucket with
            versions; None where it was removed for good.
    """

    delete_marker_version_id: str | None = None


# What nearly all are.
_DELETED = DeletedObject()


@dataclass(frozen=True, slots=True)
class DeleteFailure:
    """Why an object was not deleted, or is not known to be.

    Attributes:
        code: S3's error code, or `UNMENTIONED`.
        message: what the server said, in one line.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """What became of each key; every key is in one of the two.

    Attributes:
        deleted: the objects that are gone, by key. A key that was not there counts as deleted.
        errors: the others, by key.
    """

    deleted: Mapping[str, DeletedObject]
    errors: Mapping[str, DeleteFailure]


def delete_objects(
    connection: Connection, keys: Sequence[str], etags: Mapping[str, str] | None = None
) -> "Future[DeleteResult]":
    """Delete up to 1,000 objects.

    Args:
        connection: the bucket.
        keys: whole keys.
        etags: the ETags that objects must still have, by key, where the server knows this condition; others
            ignore it or refuse the request. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html

    Returns:
        A future that gives the outcome by key, or raises `S3RequestError` where the whole request failed.

    Raises:
        ValueError: over 1,000 keys, or a key twice.
    """
    if len(keys) > MAX_KEYS or len(set(keys)) != len(keys):
        raise ValueError(f"{len(keys)} keys to delete at once: at most {MAX_KEYS}, each once")
    together: list[str] = []
    alone: list[str] = []
    for key in keys:
        (together if _survives_xml(key) else alone).append(key)
    wanted = etags or {}
    parts = [_delete_one(connection, key, wanted.get(key)) for key in alone]
    if together:
        parts.append(_delete_together(connection, together, wanted))
    return _merge(parts)


def _survives_xml(key: str) -> bool:
    """Whether a server can be trusted to give the key back as it was.

    A carriage return can be written as a character reference, but some servers answer with a raw one, which
    XML turns into a newline: then the key would look as if it had not been mentioned.
    """
    return fits_in_xml(key) and "\r" not in key


def _delete_together(connection: Connection, keys: Sequence[str], etags: Mapping[str, str]) -> "Future[DeleteResult]":
    body = delete_document(keys, etags)
    # Every server takes this checksum, and some take no other. It is a checksum, not a safeguard.
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    request = Request(
        "DeleteObjects",
        "POST",
        query=(("delete", ""),),
        headers=(("content-md5", md5), ("content-type", "application/xml")),
        body=body,
    )
    return then(connection.send(request), lambda answer: read_result(connection.bucket, request, answer, keys))


def _delete_one(connection: Connection, key: str, etag: str | None) -> "Future[DeleteResult]":
    """Delete one object whose key goes through no XML."""
    headers = (("if-match", f'"{etag}"'),) if etag else ()

    def gone(response: Response) -> DeleteResult:
        is_marker = response.header("x-amz-delete-marker") == "true"
        return DeleteResult({key: DeletedObject(version_of(response) if is_marker else None)}, {})

    def failed(error: BaseException) -> DeleteResult:
        if not isinstance(error, S3RequestError):
            raise error
        return DeleteResult({}, {key: DeleteFailure(error.code, error.message)})

    return recover(then(connection.send(Request("DeleteObject", "DELETE", key, headers=headers)), gone), failed)


def delete_version(connection: Connection, key: str, version_id: str) -> "Future[Response]":
    """Remove one version of an object, or one delete marker, for good.

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

    A key that the answer does not mention is an error: silence is no proof that it is gone.

    Raises:
        S3RequestError: the answer cannot be understood.
    """
    try:
        root = parse_xml(response.body)
    except MalformedXmlError as error:
        raise invalid_response(bucket, request, response, f"the answer is {error}") from error
    if local_name(root) != "DeleteResult":
        raise invalid_response(bucket, request, response, f"the answer is a <{local_name(root)}> document")
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
            message = " ".join((fields.get("Message") or "no message").split())
            errors[key] = DeleteFailure(telling_code(fields.get("Code") or "Unknown", message), message)
    for key in keys:
        if key in errors:
            deleted.pop(key, None)
        elif key not in deleted:
            errors[key] = DeleteFailure(UNMENTIONED, "the server's answer does not mention this key")
    return DeleteResult(deleted, errors)


def _marker(version_id: str | None) -> str | None:
    return None if version_id in (None, "", "null") else version_id


def _merge(parts: Sequence["Future[DeleteResult]"]) -> "Future[DeleteResult]":
    """One result once all are there; the first exception where one has failed as a whole."""
    outcome: Future[DeleteResult] = Future()
    lock = Lock()
    left = len(parts)

    def on_done(_: "Future[DeleteResult]") -> None:
        nonlocal left
        with lock:
            left -= 1
            if left:
                return
        try:
            results = [part.result() for part in parts]
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
            outcome.set_exception(error)
            return
        deleted = {key: value for result in results for key, value in result.deleted.items()}
        errors = {key: value for result in results for key, value in result.errors.items()}
        outcome.set_result(DeleteResult(deleted, errors))

    if not parts:
        outcome.set_result(DeleteResult({}, {}))
    for part in parts:
        part.add_done_callback(on_done)
    return outcome
