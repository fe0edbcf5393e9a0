"""Looking at one object without its content."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.transport import Ending
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.xml import unquote_etag

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_METADATA = "x-amz-meta-"


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """What HeadObject says about an object.

    Attributes:
        etag: without quotes.
        size: bytes.
        last_modified: microseconds since 1970 UTC; HTTP dates have whole seconds only.
        storage_class: S3 storage class.
        version_id: the version, or None in a bucket without versions.
        keeps_versions: the bucket keeps versions, or has kept some before that was suspended.
        content_type: the media type, or None.
        metadata: the user's metadata by lower-case name, without ``x-amz-meta-``.
    """

    etag: str
    size: int
    last_modified: int
    storage_class: str = "STANDARD"
    version_id: str | None = None
    keeps_versions: bool = False
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def head_object(connection: Connection, key: str) -> "Future[ObjectHead | None]":
    """Ask for an object's properties.

    Returns:
        A future that gives them, or None where the bucket has no such object, or raises `S3RequestError`.
        A missing bucket looks the same, since an answer to HEAD has no body: probe the bucket before.
    """
    request = Request("HeadObject", "HEAD", key)

    def read(ending: Ending) -> ObjectHead | None:
        if isinstance(ending, Response):
            return read_head(connection.bucket, request, ending)
        if isinstance(ending, S3RequestError) and ending.status == 404 and ending.code != "NoSuchBucket":
            return None
        raise ending

    return connection.ask(request, read)


def read_head(bucket: str, request: Request, response: Response) -> ObjectHead:
    """Read an answer to HeadObject.

    Raises:
        S3RequestError: the ETag, the size or the date is missing.
    """
    etag, size, date = (response.header(name) for name in ("etag", "content-length", "last-modified"))
    if etag is None or size is None or date is None:
        raise invalid_response(bucket, request, response, "the answer lacks ETag, Content-Length or Last-Modified")
    try:
        modified = parsedate_to_datetime(date)
        last_modified = (modified - _EPOCH) // timedelta(microseconds=1)
    except (TypeError, ValueError):
        raise invalid_response(bucket, request, response, f"the answer has the date {date!r}") from None
    return ObjectHead(
        etag=unquote_etag(etag),
        size=int(size),
        last_modified=last_modified,
        storage_class=response.header("x-amz-storage-class") or "STANDARD",
        version_id=version_of(response),
        # A bucket that never kept any says nothing; one that does calls an object without version "null".
        keeps_versions=response.header("x-amz-version-id") is not None,
        content_type=response.header("content-type"),
        metadata={
            name.lower().removeprefix(_METADATA): value
            for name, value in response.headers
            if name.lower().startswith(_METADATA)
        },
    )


def version_of(response: Response) -> str | None:
    """The version that a response is about; a suspended bucket's ``null`` version is none."""
    version_id = response.header("x-amz-version-id")
    return None if version_id == "null" else version_id
