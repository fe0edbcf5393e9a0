"""The versions of one object: lists them, and hides the object by a delete marker."""

from concurrent.futures import Future
from dataclasses import dataclass
from urllib.parse import unquote_plus

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.objects.head import version_of
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import then
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.responses import is_truncated, parse_response, require, whole_number
from hyve_pipeline.s3.wire.xml import child_text, unquote_etag

# The most that S3 takes in one request; versions before that many newer ones are not found.
_MOST_VERSIONS = 1_000


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of an object.

    Attributes:
        version_id: its id.
        etag: its ETag without quotes.
        size: bytes.
        storage_class: S3 storage class.
    """

    version_id: str
    etag: str
    size: int
    storage_class: str


def versioning_state(connection: Connection) -> str | None:
    """The versioning state of a bucket: ``Enabled``, ``Suspended``, or None if it was never enabled.

    Raises:
        S3RequestError: the request failed.
    """
    request = Request("GetBucketVersioning", "GET", query=(("versioning", ""),))
    answer = connection.send(request).result()
    # The second is moto's name for a bucket without versioning.
    roots = ("VersioningConfiguration", "GetBucketVersioningResponse")
    status = child_text(parse_response(connection.bucket, request, answer, *roots), "Status") or None
    if status not in (None, "Enabled", "Suspended"):
        raise invalid_response(connection.bucket, request, answer, f"the answer has the status {status!r}")
    return status


def list_versions(connection: Connection, key: str) -> "Future[list[ObjectVersion]]":
    """The versions of one object, newest first, without delete markers.

    Returns:
        A future that gives up to about 1,000 of them, none in a bucket without versioning, or raises
        `S3RequestError`.
    """
    query = (("versions", ""), ("prefix", key), ("encoding-type", "url"), ("max-keys", str(_MOST_VERSIONS)))
    request = Request("ListObjectVersions", "GET", query=query)
    return then(connection.send(request), lambda answer: _read_versions(connection.bucket, request, answer, key))


def put_delete_marker(connection: Connection, key: str) -> "Future[str]":
    """Hide an object by a delete marker; nothing is removed.

    Args:
        connection: the bucket, which keeps versions.
        key: the whole key.

    Returns:
        A future that gives the id of the delete marker, or raises `S3RequestError`, also if the server made none.
    """
    request = Request("DeleteObject", "DELETE", key)

    def read(answer: Response) -> str:
        version_id = version_of(answer)
        if version_id is None or answer.header("x-amz-delete-marker") != "true":
            reason = "the server made no delete marker, as S3 does for each DELETE in a bucket that keeps versions"
            raise S3RequestError(connection.bucket, request, "NotImplemented", reason)
        return version_id

    return then(connection.send(request), read)


def _read_versions(bucket: str, request: Request, response: Response, key: str) -> list[ObjectVersion]:
    root = parse_response(bucket, request, response, "ListVersionsResult")
    # Only the newest are needed; but an answer without IsTruncated is not valid.
    is_truncated(bucket, request, response, root)
    try:
        found: list[ObjectVersion] = []
        for version in root.iter("{*}Version"):
            name = child_text(version, "Key") or ""
            # Some servers announce an encoding that they don't use. All names begin with the key, so both are checked.
            if key in (name, unquote_plus(name)):
                found.append(
                    ObjectVersion(
                        version_id=require(bucket, request, response, version, "VersionId"),
                        etag=unquote_etag(require(bucket, request, response, version, "ETag")),
                        size=whole_number(child_text(version, "Size")),
                        storage_class=child_text(version, "StorageClass") or "STANDARD",
                    )
                )
    except ValueError as error:
        raise invalid_response(bucket, request, response, f"the answer is no list of versions: {error}") from error
    return found
