"""Uploads in parts as S3 knows them: begun, listed, completed, aborted."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import OPTIONAL_CHECKSUMS, Optional, exchange_with
from hyve_pipeline.s3.connection.server_abilities import Ability
from hyve_pipeline.s3.connection.transport import Ending
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response
from hyve_pipeline.s3.wire.responses import check_echo, is_truncated, parse_response, require, whole_number
from hyve_pipeline.s3.wire.xml import Element, child_text, escape_text, unquote_etag

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MAX_PARTS = 10_000
MIN_PART_SIZE = 5 * 1024**2
MAX_PART_SIZE = 5 * 1024**3

NO_SUCH_UPLOAD = "NoSuchUpload"


@dataclass(frozen=True, slots=True)
class Part:
    """A part that is in the store.

    Attributes:
        etag: its ETag without quotes.
        size: its bytes.
        checksum: its checksum in base64, by the algorithm of the upload, or None.
    """

    etag: str
    size: int
    checksum: str | None = None


def is_gone(error: S3RequestError) -> bool:
    """Whether an upload is not there any more: some servers call it a key or a part that is missing."""
    return error.code == NO_SUCH_UPLOAD or (error.status == HTTPStatus.NOT_FOUND and error.code != "NoSuchBucket")


def create_upload(
    store: Connection, key: str, headers: Pairs, optional: Iterable[Optional] = ()
) -> tuple[str, tuple[Ability, ...]]:
    """Begin an upload.

    Args:
        store: the bucket.
        key: the whole key.
        headers: what the new object is to carry.
        optional: those that it can do without.

    Returns:
        The upload's id, and which optional headers it was begun without, since the server refuses them.

    Raises:
        S3RequestError: it could not be begun.
    """
    request = Request("CreateMultipartUpload", "POST", key, query=(("uploads", ""),), headers=headers)
    response, without = _send_with(store, request, optional)
    # The second is how rclone calls it.
    roots = ("InitiateMultipartUploadResult", "InitiateMultipartUpload")
    root = parse_response(store.bucket, request, response, *roots)
    return require(store.bucket, request, response, root, "UploadId"), without


def complete_upload(
    store: Connection, key: str, upload_id: str, parts: Sequence[Part], algorithm: str | None, headers: Pairs = ()
) -> Response:
    """Make the object of its parts.

    Args:
        store: the bucket.
        key: the whole key.
        upload_id: the upload.
        parts: all of its parts, in order.
        algorithm: of the parts' checksums, where they have any.
        headers: what is known of the object as a whole.

    Raises:
        S3RequestError: the object was not made.
    """
    documents = (_part_document(number, part, algorithm) for number, part in enumerate(parts, start=1))
    document = f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{"".join(documents)}'
    request = Request(
        "CompleteMultipartUpload",
        "POST",
        key,
        query=(("uploadId", upload_id),),
        headers=(("content-type", "application/xml"), *headers),
        body=f"{document}</CompleteMultipartUpload>".encode(),
    )
    return _send_with(store, request, (OPTIONAL_CHECKSUMS,), is_slow=True)[0]


def _send_with(
    store: Connection, request: Request, optional: Iterable[Optional], *, is_slow: bool = False
) -> tuple[Response, tuple[Ability, ...]]:
    """Send a request and wait: the answer, and which optional headers were left out.

    Raises:
        S3RequestError: it failed.
    """
    outcome: Future[tuple[Ending, tuple[Ability, ...]]] = Future()
    exchange_with(store, request, optional, lambda *ended: outcome.set_result(ended), is_slow=is_slow)
    ending, without = outcome.result()
    if not isinstance(ending, Response):
        raise ending
    return ending, without


def _part_document(number: int, part: Part, algorithm: str | None) -> str:
    etag = escape_text(f'"{part.etag}"')
    checksum = f"<Checksum{algorithm}>{part.checksum}</Checksum{algorithm}>" if algorithm and part.checksum else ""
    return f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{checksum}</Part>"


def abort_upload(store: Connection, key: str, upload_id: str) -> None:
    """Give an upload up, so that its parts are no longer stored, and paid for.

    Raises:
        S3RequestError: it could not be aborted. An upload that is not there is no error.
    """
    request = Request("AbortMultipartUpload", "DELETE", key, query=(("uploadId", upload_id),))
    try:
        store.send(request).result()
    except S3RequestError as error:
        if not is_gone(error):
            raise


def list_parts(store: Connection, key: str, upload_id: str, algorithm: str | None) -> dict[int, Part]:
    """The parts that an upload has, by number.

    Raises:
        S3RequestError: they could not be listed; where `is_gone`, there is no such upload.
    """
    found: dict[int, Part] = {}
    marker = "0"
    while True:
        query = (("uploadId", upload_id), ("part-number-marker", marker))
        request = Request("ListParts", "GET", key, query=query)
        response = store.send(request).result()
        # The second is how moto calls it.
        root = parse_response(store.bucket, request, response, "ListPartsResult", "ListPartsResponse")
        goes_on = is_truncated(store.bucket, request, response, root)
        check_echo(store.bucket, request, response, root, "UploadId", upload_id)
        try:
            page = dict(_read_part(part, algorithm) for part in root.iter("{*}Part"))
        except ValueError as error:
            raise invalid_response(store.bucket, request, response, f"the answer has an odd part: {error}") from error
        found |= page
        next_marker = child_text(root, "NextPartNumberMarker") or ""
        # A server that goes round in circles must not hold up the work for ever.
        if not goes_on or next_marker == marker or not page:
            return found
        marker = next_marker


def _read_part(part: Element, algorithm: str | None) -> tuple[int, Part]:
    checksum = None if algorithm is None else child_text(part, f"Checksum{algorithm}")
    etag, size = unquote_etag(child_text(part, "ETag") or ""), whole_number(child_text(part, "Size"))
    if not etag:
        raise ValueError("it has no ETag")
    return whole_number(child_text(part, "PartNumber")), Part(etag, size, checksum or None)


def list_uploads(store: Connection, prefix: str) -> list[tuple[str, str]]:
    """The key and the beginning (as S3 writes times) of each open upload below a prefix: the first thousand.

    Raises:
        S3RequestError: they could not be listed.
    """
    request = Request("ListMultipartUploads", "GET", query=(("uploads", ""), ("prefix", prefix)))
    response = store.send(request).result()
    root = parse_response(store.bucket, request, response, "ListMultipartUploadsResult")
    # Only the first page is wanted; but an answer that does not say whether there are more was cut short.
    is_truncated(store.bucket, request, response, root)
    check_echo(store.bucket, request, response, root, "Prefix", prefix)
    return [
        (require(store.bucket, request, response, upload, "Key"), child_text(upload, "Initiated") or "")
        for upload in root.iter("{*}Upload")
    ]
