"""What every way of copying has in common: how answers are read."""

import re
from dataclasses import dataclass
from typing import NoReturn

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.settings.model import MIB
from hyve_pipeline.s3.connection.transport import Ending
from hyve_pipeline.s3.wire.errors import (
    CustomerKeyError,
    ObjectChangedError,
    ObjectUnreadableError,
    S3RequestError,
    invalid_response,
    needs_customer_key,
)
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.responses import parse_response
from hyve_pipeline.s3.wire.xml import Element, child_text, unquote_etag

# Larger copies may keep a server busy for longer than the fast transport waits.
SLOW_COPY = 32 * MIB


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a copy left in the store.

    Attributes:
        etag: the copy's ETag without quotes.
        version_id: the copy's version, or None in a bucket without versions.
        source_version_id: the version that was copied, or None likewise.
        bytes: the planned size.
        lost: what the copy has to do without, since the store's server refuses it.
        condition_ignored: the server copied another object than the planned one, since it does not know the
            condition that the copy was pinned by. What is in the store is newer than the plan.
        sends: how often the request was sent.
    """

    etag: str
    version_id: str | None
    source_version_id: str | None
    bytes: int
    condition_ignored: bool = False
    lost: tuple[str, ...] = ()
    sends: int = 1


# What is asked of the store alone, and tells nothing of the source.
_OF_STORE = {
    "CreateMultipartUpload",
    "UploadPart",
    "ListParts",
    "CompleteMultipartUpload",
    "PutObject",
}


def source_error(error: S3RequestError) -> S3RequestError:
    """The error of a copy, as the kind that says what became of the source object."""
    if error.operation in _OF_STORE:
        return error
    if error.status == 412 or error.code == "PreconditionFailed":
        return error.as_kind(ObjectChangedError)
    if error.status == 404 and error.code in ("NoSuchKey", "NotFound", "NoSuchVersion"):
        return error.as_kind(ObjectChangedError)
    if error.code in ("InvalidObjectState", "ObjectNotInActiveTierError"):
        return error.as_kind(ObjectUnreadableError)
    if needs_customer_key(error):
        return error.as_kind(CustomerKeyError)
    return error


def source_answer(ending: Ending) -> Response:
    """The answer to a request that reads a source object.

    Raises:
        S3RequestError: there is none; of the kind that says what became of the object, see `source_error`.
    """
    return ending if isinstance(ending, Response) else raise_source_error(ending)


def raise_source_error(error: BaseException) -> NoReturn:
    """Raise an exception: that of a request as the kind that says what became of the source, see `source_error`."""
    if isinstance(error, S3RequestError):
        raise source_error(error) from None
    raise error


def pinned_answer(bucket: str, request: Request, ending: Ending, etag: str) -> Response:
    """The answer to a request that reads a source object which must still have an ETag.

    Raises:
        ObjectChangedError: it is another one. Some servers do not know the condition, and answer all the same.
        S3RequestError: there is no answer, see `source_answer`.
    """
    response = source_answer(ending)
    found = response.header("etag")
    if found is None or same_etag(unquote_etag(found), etag):
        return response
    raise ObjectChangedError(
        request.operation,
        bucket,
        request.key,
        status=412,
        code="PreconditionFailed",
        message=f"it has the ETag {unquote_etag(found)} now, and not {etag}",
    )


# How S3 writes an answer to CopyObject: flat, in this order, and with nothing to decode. Whatever is written in
# any other way is read by the XML parser, which takes twenty times as long.
_USUAL_ANSWER = re.compile(
    rb"""(?:<\?xml version="1\.0" encoding="UTF-8"\?>)?\s*"""
    rb"""<CopyObjectResult(?: xmlns="http://s3\.amazonaws\.com/doc/2006-03-01/")?>\s*"""
    rb"""(?:<LastModified>[0-9TZ:.+-]*</LastModified>\s*)?"""
    rb"""<ETag>(?:&quot;|&#34;|")([0-9a-f]{32}(?:-[0-9]{1,5})?)(?:&quot;|&#34;|")</ETag>\s*"""
    rb"""(?:<LastModified>[0-9TZ:.+-]*</LastModified>\s*)?"""
    rb"""(?:<(Checksum[A-Z0-9a-z]+)>[A-Za-z0-9+/=_-]*</\2>\s*)*"""
    rb"""</CopyObjectResult>\s*"""
)


def read_copied_etag(bucket: str, request: Request, response: Response) -> str:
    """The ETag from the answer to CopyObject or CompleteMultipartUpload, without quotes; empty where it has none.

    Raises:
        S3RequestError: it is no such answer, so that nothing shows that the copy was made.
    """
    usual = _USUAL_ANSWER.fullmatch(response.body)
    if usual is not None:
        return usual[1].decode()
    if not response.body and response.header("etag") and request.operation == "CopyObject":
        raise _unknown_copy(bucket, request, response)
    return unquote_etag(child_text(_answer_root(bucket, request, response), "ETag") or "")


def read_copied_part(
    bucket: str, request: Request, response: Response, algorithm: str | None
) -> tuple[str, str | None]:
    """The ETag from the answer to UploadPartCopy, without quotes, and the checksum by an algorithm, where it has one.

    Raises:
        S3RequestError: there is no ETag.
    """
    if not response.body and request.operation == "UploadPartCopy":
        raise _unknown_copy(bucket, request, response)
    root = _answer_root(bucket, request, response)
    etag = child_text(root, "ETag")
    if not etag:
        raise invalid_response(bucket, request, response, "the answer has no ETag")
    checksum = None if algorithm is None else child_text(root, f"Checksum{algorithm}")
    return unquote_etag(etag), checksum or None


def _unknown_copy(bucket: str, request: Request, response: Response) -> S3RequestError:
    """The error of a copy that was taken for an upload of nothing; another try would bring the same."""
    return S3RequestError(
        request.operation,
        bucket,
        request.key,
        status=response.status,
        code="NotImplemented",
        message=f'the server answers nothing, as if it did not know {request.operation}: set transfer = "stream"',
    )


_ROOTS = {
    "CopyObject": ("CopyObjectResult",),
    "UploadPartCopy": ("CopyPartResult", "CopyObjectResult"),
    "CompleteMultipartUpload": ("CompleteMultipartUploadResult",),
}


def _answer_root(bucket: str, request: Request, response: Response) -> Element:
    """The root of the answer to a request that makes an object or a part.

    Raises:
        S3RequestError: it is none.
    """
    return parse_response(bucket, request, response, *_ROOTS[request.operation])


def source_version_of(response: Response) -> str | None:
    """The version that was copied, or None where the source keeps none."""
    version_id = response.header("x-amz-copy-source-version-id")
    return None if version_id == "null" else version_id
