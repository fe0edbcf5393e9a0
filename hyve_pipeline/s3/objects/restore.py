"""Asks for archived objects to be restored: S3 makes a copy that can be read for some days.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html
"""

from concurrent.futures import Future
from enum import StrEnum
from http import HTTPStatus

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.transport import ResponseOrError, answer_of
from hyve_pipeline.s3.objects.write_headers import document_headers
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.messages import Request

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Restore(StrEnum):
    """What became of a request."""

    ASKED = "asked"  # the restore has begun
    IN_PROGRESS = "in_progress"  # it had begun before
    RESTORED = "restored"  # the object can be read; it stays so for the days that were asked for
    READABLE = "readable"  # it is not archived any more
    GONE = "gone"  # there is no such object any more


# What S3 refuses, and why that is no failure.
_NO_FAILURES = {
    (HTTPStatus.CONFLICT, "RestoreAlreadyInProgress"): Restore.IN_PROGRESS,
    (HTTPStatus.FORBIDDEN, "InvalidObjectState"): Restore.READABLE,
    (HTTPStatus.NOT_FOUND, "NoSuchKey"): Restore.GONE,
    (HTTPStatus.NOT_FOUND, "NotFound"): Restore.GONE,
}

_LACKING = (HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.METHOD_NOT_ALLOWED)


def restore_object(connection: Connection, key: str, days: int, tier: str) -> "Future[Restore]":
    """Ask for an archived object to be restored.

    Args:
        connection: the bucket.
        key: the whole key.
        days: for how many days it can be read then.
        tier: ``Bulk``, ``Standard`` or ``Expedited``.

    Returns:
        A future that gives what became of it, or raises `S3RequestError`.
    """
    body = (
        f'<RestoreRequest xmlns="{_NAMESPACE}"><Days>{days}</Days>'
        f"<GlacierJobParameters><Tier>{tier}</Tier></GlacierJobParameters></RestoreRequest>"
    ).encode()
    request = Request("RestoreObject", "POST", key, query=(("restore", ""),), headers=document_headers(body), body=body)

    def read(ending: ResponseOrError) -> Restore:
        if isinstance(ending, S3RequestError):
            known = _NO_FAILURES.get((HTTPStatus(ending.status), ending.code)) if ending.status else None
            if known is None:
                raise ending
            return known
        response = answer_of(ending)
        if response.status == HTTPStatus.ACCEPTED:
            return Restore.ASKED
        # An empty answer, or the place of the output of a query. Others are those of servers that ignore the parameter.
        if response.status == HTTPStatus.OK and not response.body.strip():
            return Restore.RESTORED
        raise invalid_response(connection.bucket, request, response, "the answer is none to RestoreObject")

    return connection.ask(request, read)


def lacks_restore(error: S3RequestError) -> bool:
    """Whether a refusal shows that a server can't restore."""
    return error.status in _LACKING or error.code in ("NotImplemented", "MethodNotAllowed")
