"""The answers of copies, and of requests that read source objects."""

import re
from typing import NamedTuple, NoReturn

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.s3.connection.transport import ResponseOrError
from hyve_pipeline.s3.wire.checksums import SharedChecksum
from hyve_pipeline.s3.wire.errors import (
    CustomerKeyError,
    ObjectChangedError,
    ObjectUnreadableError,
    S3RequestError,
    needs_customer_key,
)
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.responses import parse_response, require
from hyve_pipeline.s3.wire.xml import child_text, unquote_etag

# Larger copies may take a server longer than the CRT transport waits.
SLOW_COPY = 32 * MIB


class CopyResult(NamedTuple):
    """The result of a copy.

    Attributes:
        etag: the copy's ETag without quotes.
        version_id: the copy's version, or None in a bucket without versions.
        source_version_id: the version that was copied, or None likewise.
        bytes: the planned size.
        lost: what the copy lacks, because the store's server refuses it.
        condition_ignored: the server ignored the condition on the source's ETag and copied another object than the
            planned one. The copy is newer than the plan.
        sends: how often the request was sent.
        shared: the checksum that both servers told of the content of a streamed object, if they did.
    """

    etag: str
    version_id: str | None
    source_version_id: str | None
    bytes: int
    condition_ignored: bool = False
    lost: tuple[str, ...] = ()
    sends: int = 1
    shared: SharedChecksum | None = None


# Requests to the store alone, whose failures are not about the source.
_OF_STORE = {
    "CreateMultipartUpload",
    "UploadPart",
    "ListParts",
    "CompleteMultipartUpload",
    "PutObject",
}


def source_error(error: S3RequestError) -> S3RequestError:
    """The error of a copy, as the subclass for the state of the source object."""
    if error.operation in _OF_STORE or isinstance(error, ObjectChangedError):
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


def source_answer(ending: ResponseOrError) -> Response:
    """The answer to a request that reads a source object.

    Raises:
        S3RequestError: there is none; of the subclass of `source_error`.
    """
    return ending if isinstance(ending, Response) else raise_source_error(ending)


def raise_source_error(error: BaseException) -> NoReturn:
    """Raise an exception; that of a request as the subclass of `source_error`."""
    if isinstance(error, S3RequestError):
        raise source_error(error) from None
    raise error


def pinned_answer(bucket: str, request: Request, ending: ResponseOrError, etag: str) -> Response:
    """The answer to a request that reads a source object which must still have an ETag.

    Raises:
        ObjectChangedError: it has another ETag. Some servers ignore the condition.
        S3RequestError: there is no answer, see `source_answer`.
    """
    response = source_answer(ending)
    found = response.header("etag")
    # The second is what a proxy makes of the ETag of an object that it compresses on the way.
    if found is None or any(same_etag(unquote_etag(found), one) for one in (etag, f"{etag}-gzip")):
        return response
    reason = f"it has the ETag {unquote_etag(found)} now, not {etag}"
    raise ObjectChangedError(bucket, request, "PreconditionFailed", reason, status=412)


# The usual form of an answer to CopyObject: flat, in this order, and with nothing to decode. Other forms are read by
# the XML parser, which takes twenty times as long.
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
    """The ETag from the answer to CopyObject or CompleteMultipartUpload, without quotes; empty if it has none.

    Raises:
        S3RequestError: it is no such answer, so nothing proves that the copy was made.
    """
    usual = _USUAL_ANSWER.fullmatch(response.body)
    if usual is not None:
        return usual[1].decode()
    if not response.body and response.header("etag") and request.operation == "CopyObject":
        raise _unknown_copy(bucket, request, response)
    root = parse_response(bucket, request, response, *_ROOTS[request.operation])
    return unquote_etag(child_text(root, "ETag") or "")


def read_copied_part(
    bucket: str, request: Request, response: Response, algorithm: str | None
) -> tuple[str, str | None]:
    """The ETag from the answer to UploadPartCopy, without quotes, and the checksum of an algorithm, if it has one.

    Raises:
        S3RequestError: there is no ETag.
    """
    if not response.body and request.operation == "UploadPartCopy":
        raise _unknown_copy(bucket, request, response)
    root = parse_response(bucket, request, response, *_ROOTS[request.operation])
    etag = require(bucket, request, response, root, "ETag")
    checksum = None if algorithm is None else child_text(root, f"Checksum{algorithm}")
    return unquote_etag(etag), checksum or None


def _unknown_copy(bucket: str, request: Request, response: Response) -> S3RequestError:
    """The error of a copy that the server treated as an upload of an empty body; another attempt would not help."""
    reason = f'the answer is empty, as if the server did not support {request.operation}: set transfer = "stream"'
    error = S3RequestError(bucket, request, "NotImplemented", reason, status=response.status)
    if request.operation == "CopyObject":
        error.written = unquote_etag(response.header("etag") or "") or None
    return error


_ROOTS = {
    "CopyObject": ("CopyObjectResult",),
    "UploadPartCopy": ("CopyPartResult", "CopyObjectResult"),
    "CompleteMultipartUpload": ("CompleteMultipartUploadResult",),
}


def source_version_of(response: Response) -> str | None:
    """The version that was copied, or None if the source has none."""
    version_id = response.header("x-amz-copy-source-version-id")
    return None if version_id == "null" else version_id
