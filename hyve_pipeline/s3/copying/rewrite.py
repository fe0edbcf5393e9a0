"""Gives an object of the store other headers, metadata, tags or another storage class without a copy of its content.

The server copies the object onto itself: no byte of it passes through this process, or comes from another bucket.
"""

from concurrent.futures import Future

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.open_upload import UploadLog
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import Optional, exchange_with
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.connection.server_abilities import Ability
from hyve_pipeline.s3.copying.copy_object import MAX_SINGLE_COPY
from hyve_pipeline.s3.copying.multipart_copy import copy_in_parts
from hyve_pipeline.s3.copying.multipart_upload import TOO_LARGE, part_sizes
from hyve_pipeline.s3.objects.annotations import list_annotations
from hyve_pipeline.s3.objects.head import version_of
from hyve_pipeline.s3.objects.new_object import new_object, settle
from hyve_pipeline.s3.objects.pinned_write import OnEnd, wait_for_pinned
from hyve_pipeline.s3.objects.properties import ObjectProperties, kept_parts, read_part_sizes
from hyve_pipeline.s3.objects.source_responses import (
    SLOW_COPY,
    CopyResult,
    raise_source_error,
    read_copied_etag,
    source_error,
)
from hyve_pipeline.s3.wire.checksums import has_other_content
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import follow, recover, then
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response, copy_source


def rewrite_object(
    store: Connection,
    task: CopyTask,
    carried: ObjectProperties,
    *,
    part_size: int,
    window: Window | None = None,
    log: UploadLog | None = None,
) -> "Future[CopyResult]":
    """Let the server copy an object onto itself, or to another key of the same bucket, with other properties.

    One request is enough up to `copy_object.MAX_SINGLE_COPY`. Larger objects, and those that are to keep their parts,
    are copied by a multipart upload. That takes over no annotations: an object that is to keep those it has is copied
    as a whole.

    Args:
        store: the bucket.
        task: the object; source and store key are the same, and so are the ETags that it must still have. It was read
            just before. Or its two keys are of two objects of the store, for an object that has only moved.
        carried: its new properties, tags and grants included, and annotations, or None to leave those that it has;
            and of the object as it is now: its checksums, and whether its ETag is an MD5.
        part_size: bytes of a part, if the object needs parts and its own are unknown.
        window: the slots that parts share with other requests; the object itself has one already.
        log: records open multipart uploads, so that a later attempt can resume them.

    Returns:
        A future that gives the result or raises `ObjectChangedError` (overwritten or deleted since),
        `ObjectUnreadableError` (archived), or another `S3RequestError`: also if annotations would be lost that it is to
        keep.
    """
    has_parts = kept_parts(task.rules, task.source_etag) is not None
    if task.size <= MAX_SINGLE_COPY and not has_parts:
        return _rewrite_whole(store, task, carried)
    keeps_annotations = carried.annotations is None and task.source_key == task.store_key

    def rewrite() -> CopyResult:
        try:
            sizes = read_part_sizes(store, task) if has_parts else None
        except S3RequestError as error:
            raise source_error(error) from None
        annotated = 0
        if keeps_annotations:
            annotated = len(list_annotations(store, task.store_key, is_large=task.size > MIB).result() or ())
        if task.size <= MAX_SINGLE_COPY and (sizes is None or annotated):
            return _rewrite_whole(store, task, carried).result()
        if annotated:
            reason = (
                f"it has {annotated} annotations, which would be lost, as it is too large for CopyObject, which keeps "
                "them: give it the properties of the source's object by other means, or exclude its key"
            )
            raise S3RequestError(store.bucket, Request("CopyObject", "PUT", task.store_key), TOO_LARGE, reason)
        return copy_in_parts(store, store, task, sizes or part_sizes(store, task, part_size), window, log, carried)

    return store.workers.submit(rewrite)


# A result, and what the server lacks.
_Rewritten = tuple[CopyResult, tuple[Ability, ...]]


def _rewrite_whole(store: Connection, task: CopyTask, carried: ObjectProperties) -> "Future[CopyResult]":
    new = new_object(carried, task.rules, is_copied=True)
    request = Request(
        "CopyObject",
        "PUT",
        task.store_key,
        headers=(
            ("x-amz-copy-source", copy_source(store.bucket, task.source_key)),
            ("x-amz-copy-source-if-match", f'"{task.source_etag}"'),
            ("x-amz-metadata-directive", "REPLACE"),
            *new.headers,
            *task.rules.headers,
        ),
    )

    def read(answer: Response) -> CopyResult:
        etag = read_copied_etag(store.bucket, request, answer)
        if not etag:
            raise invalid_response(store.bucket, request, answer, "the answer has no ETag")
        ignored = carried.is_etag_md5 and has_other_content(task.source_etag, etag, answer)
        return CopyResult(etag, version_of(answer), None, bytes=0, condition_ignored=ignored)

    def send(condition: Pairs, optional: tuple[Optional, ...], on_end: OnEnd[_Rewritten]) -> None:
        pinned = request._replace(headers=(*request.headers, *condition))

        def on_sent(ended: CopyResult | BaseException, without: tuple[Ability, ...]) -> None:
            on_end(ended if isinstance(ended, BaseException) else (ended, without))

        exchange_with(store, pinned, (*optional, *new.optional), on_sent, read=read, is_slow=task.size > SLOW_COPY)

    def go_on(answer: _Rewritten) -> "Future[CopyResult]":
        result, without = answer
        settled = settle(store, task.store_key, result.etag, result.version_id, new, without, operation="CopyObject")
        return then(settled, lambda lost: result._replace(lost=lost))

    # Of an object that is copied onto itself, the condition on the source and the one on the store are about the same.
    was_seen = task.source_key == task.store_key
    written = wait_for_pinned(store, "CopyObject", task.store_key, task.store_etag, send, was_seen=was_seen)
    return recover(follow(written, go_on), raise_source_error)
