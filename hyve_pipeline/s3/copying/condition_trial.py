"""Tries which operations of a server keep a condition on what they would overwrite, on an object made for that."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

from hyve_pipeline.core.model.copy_task import NO_OBJECT
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.objects.delete import delete_version
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.objects.multipart_api import abort_upload, complete_upload, create_upload
from hyve_pipeline.s3.objects.pinned_write import NO_ETAG, expectation
from hyve_pipeline.s3.objects.put import Content, put_content
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response, copy_source


@dataclass(frozen=True, slots=True)
class ConditionTrial:
    """What was found out.

    Attributes:
        kept: for each operation whether the server refuses the write when the condition does not hold; None where
            something else refused it.
        refuses_match: those of them that refuse a write whose ``If-Match`` has the object's own ETag, too.
        are_demanded: a write without a condition is forbidden, and one with a condition is not.
        etag: that of the object now, without quotes.
        version_id: its version, or None.
    """

    kept: Mapping[str, bool | None]
    refuses_match: Collection[str]
    are_demanded: bool
    etag: str
    version_id: str | None


def try_conditions(store: Connection, key: str, body: bytes) -> ConditionTrial:
    """Write an object of a key that the store does not have, and try to overwrite it against a condition.

    Raises:
        S3RequestError: the object can't be written at all.
    """
    content = Content.of(body, None, needs_md5=True)

    def put(condition: Pairs) -> Response:
        return put_content(store, Request("PutObject", "PUT", key, headers=condition), content).result().response

    def copy(condition: Pairs) -> Response:
        headers = (("x-amz-copy-source", copy_source(store.bucket, key)), ("x-amz-metadata-directive", "REPLACE"))
        return store.send(Request("CopyObject", "PUT", key, headers=(*headers, *condition))).result()

    def complete(condition: Pairs) -> Response:
        upload_id, _ = create_upload(store, key, ())
        try:
            query = (("partNumber", "1"), ("uploadId", upload_id))
            sent = put_content(store, Request("UploadPart", "PUT", key, query=query), content)
            return complete_upload(store, key, upload_id, [sent.result().part], None, condition).result()
        except S3RequestError:
            with suppress(S3RequestError):
                abort_upload(store, key, upload_id)
            raise

    are_demanded = False
    try:
        put(())
    except S3RequestError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        put(expectation(NO_OBJECT))
        are_demanded = True
    operations = {"PutObject": put, "CopyObject": copy, "CompleteMultipartUpload": complete}
    kept = {name: _is_kept(store, key, write) for name, write in operations.items()}
    refuses_match = [name for name, write in operations.items() if kept[name] and _refuses_match(store, key, write)]
    head = head_object(store, key).result()
    etag = "" if head is None else head.etag
    return ConditionTrial(kept, refuses_match, are_demanded, etag, None if head is None else head.version_id)


def _is_kept(store: Connection, key: str, write: Callable[[Pairs], Response]) -> bool | None:
    refusals = [_refusal(store, key, write, store_etag) for store_etag in (NO_OBJECT, NO_ETAG)]
    if None in refusals:
        return False
    return True if set(refusals) == {HTTPStatus.PRECONDITION_FAILED} else None


def _refuses_match(store: Connection, key: str, write: Callable[[Pairs], Response]) -> bool:
    head = head_object(store, key).result()
    return head is not None and _refusal(store, key, write, head.etag) == HTTPStatus.PRECONDITION_FAILED


def _refusal(store: Connection, key: str, write: Callable[[Pairs], Response], store_etag: str) -> int | None:
    """Overwrite the object where it has this ETag; the status of the refusal, 0 without one, None if it was written."""
    before = head_object(store, key).result()
    try:
        write(expectation(store_etag))
    except S3RequestError as error:
        return error.status or 0
    # What was overwritten is a version that nobody needs.
    if before is not None and before.version_id is not None:
        with suppress(S3RequestError):
            delete_version(store, key, before.version_id).result()
    return None
