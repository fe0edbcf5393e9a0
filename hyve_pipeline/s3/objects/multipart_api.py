"""The requests of a multipart upload: create, list, complete, abort."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus

from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import OPTIONAL_CHECKSUMS, Optional, ask_with
from hyve_pipeline.s3.connection.server_abilities import SOURCE_PARTS, Ability
from hyve_pipeline.s3.connection.transport import answer_of
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import then
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response
from hyve_pipeline.s3.wire.responses import check_echo, is_truncated, parse_response, require, whole_number
from hyve_pipeline.s3.wire.xml import Element, child_text, escape_text, unquote_etag

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MAX_PARTS = 10_000
MIN_PART_SIZE = 5 * 1024**2
MAX_PART_SIZE = 5 * 1024**3
MAX_OBJECT_SIZE = MAX_PARTS * MAX_PART_SIZE

NO_SUCH_UPLOAD = "NoSuchUpload"


@dataclass(frozen=True, slots=True)
class Part:
    """A part that is in the store.

    Attributes:
        etag: its ETag without quotes.
        size: bytes.
        checksum: in base64, with the algorithm of the upload, or None.
    """

    etag: str
    size: int
    checksum: str | None = None


def is_gone(error: S3RequestError) -> bool:
    """Whether the upload does not exist any more; some servers report a missing key or part instead."""
    return error.code == NO_SUCH_UPLOAD or (error.status == HTTPStatus.NOT_FOUND and error.code != "NoSuchBucket")


def are_parts_refused(store: Connection, error: S3RequestError) -> bool:
    """Whether a server refuses the parts of an upload, which is noted: others may do.

    Some want all parts but the last to be equally large, or larger ones, or know no uploads in parts at all.
    https://developers.cloudflare.com/r2/objects/upload-objects/
    """
    is_unknown = error.status in (HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.METHOD_NOT_ALLOWED)
    is_refused = (error.operation == "CreateMultipartUpload" and is_unknown) or (
        error.operation == "CompleteMultipartUpload" and error.code in ("EntityTooSmall", "InvalidPart")
    )
    if not is_refused or store.place.server == AWS:
        return False
    store.abilities.note(SOURCE_PARTS)
    return True


def create_upload(
    store: Connection, key: str, headers: Pairs, optional: Iterable[Optional] = ()
) -> tuple[str, tuple[Ability, ...]]:
    """Create an upload.

    Args:
        store: the bucket.
        key: the whole key.
        headers: the headers of the new object.
        optional: those that may be left out.

    Returns:
        The upload's id, and the optional headers that were left out because the server refuses them.

    Raises:
        S3RequestError: it could not be created.
    """
    request = Request("CreateMultipartUpload", "POST", key, query=(("uploads", ""),), headers=headers)
    response, without = ask_with(store, request, optional, answer_of).result()
    # The second is rclone's name.
    roots = ("InitiateMultipartUploadResult", "InitiateMultipartUpload")
    root = parse_response(store.bucket, request, response, *roots)
    return require(store.bucket, request, response, root, "UploadId"), without


def complete_upload(
    store: Connection,
    key: str,
    upload_id: str,
    parts: Sequence[Part],
    algorithm: str | None,
    headers: Pairs = (),
    optional: Iterable[Optional] = (),
) -> "Future[Response]":
    """Complete an upload.

    Args:
        store: the bucket.
        key: the whole key.
        upload_id: the upload.
        parts: all of its parts, in order.
        algorithm: of the parts' checksums, if they have any.
        headers: the checksum of the full object, and a condition.
        optional: the headers that may be left out, besides those with checksums.

    Returns:
        A future that gives the answer, or raises `S3RequestError`: the object was not created.
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
    asked = ask_with(store, request, (*optional, OPTIONAL_CHECKSUMS), answer_of, is_slow=True)
    return then(asked, lambda answer: answer[0])


def _part_document(number: int, part: Part, algorithm: str | None) -> str:
    etag = escape_text(f'"{part.etag}"')
    checksum = f"<Checksum{algorithm}>{part.checksum}</Checksum{algorithm}>" if algorithm and part.checksum else ""
    return f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{checksum}</Part>"


def abort_upload(store: Connection, key: str, upload_id: str) -> None:
    """Abort an upload, so that its parts are no longer stored and charged.

    Raises:
        S3RequestError: it could not be aborted. An upload that does not exist is no error.
    """
    request = Request("AbortMultipartUpload", "DELETE", key, query=(("uploadId", upload_id),))
    try:
        store.send(request).result()
    except S3RequestError as error:
        if not is_gone(error):
            raise


def list_parts(store: Connection, key: str, upload_id: str, algorithm: str | None) -> dict[int, Part]:
    """The parts of an upload, by number.

    Raises:
        S3RequestError: they could not be listed; if `is_gone`, there is no such upload.
    """
    found: dict[int, Part] = {}
    marker = "0"
    while True:
        query = (("uploadId", upload_id), ("part-number-marker", marker))
        request = Request("ListParts", "GET", key, query=query)
        response = store.send(request).result()
        # The second is moto's name.
        root = parse_response(store.bucket, request, response, "ListPartsResult", "ListPartsResponse")
        has_more = is_truncated(store.bucket, request, response, root)
        check_echo(store.bucket, request, response, root, "UploadId", upload_id)
        try:
            page = dict(_read_part(part, algorithm) for part in root.iter("{*}Part"))
        except ValueError as error:
            raise invalid_response(store.bucket, request, response, f"a part is not valid: {error}") from error
        found |= page
        next_marker = child_text(root, "NextPartNumberMarker") or ""
        # A server that repeats a page must not cause an endless loop.
        if not has_more or next_marker == marker or not page:
            return found
        marker = next_marker


def _read_part(part: Element, algorithm: str | None) -> tuple[int, Part]:
    checksum = None if algorithm is None else child_text(part, f"Checksum{algorithm}")
    etag, size = unquote_etag(child_text(part, "ETag") or ""), whole_number(child_text(part, "Size"))
    if not etag:
        raise ValueError("it has no ETag")
    return whole_number(child_text(part, "PartNumber")), Part(etag, size, checksum or None)


def list_uploads(store: Connection, prefix: str) -> list[tuple[str, str]]:
    """The key and the time of initiation (in S3's format) of the first 1,000 open uploads below a prefix.

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
