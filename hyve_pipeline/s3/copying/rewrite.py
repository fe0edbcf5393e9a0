"""Giving an object of the store other headers, metadata, tags or another storage class, while its content stays.

The server writes the object anew from itself: no byte of it comes through this process, nor from another bucket.
"""

from concurrent.futures import Future
from dataclasses import replace

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.open_upload import UploadLog
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import exchange_with
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.connection.server_abilities import Ability
from hyve_pipeline.s3.connection.transport import Ending
from hyve_pipeline.s3.copying.copy_object import MAX_SINGLE_COPY, SLOW_COPY
from hyve_pipeline.s3.copying.multipart_copy import copy_in_parts
from hyve_pipeline.s3.copying.multipart_upload import part_sizes
from hyve_pipeline.s3.objects.head import version_of
from hyve_pipeline.s3.objects.new_object import new_object, settle
from hyve_pipeline.s3.objects.properties import ObjectProperties, parts_of_etag, read_part_sizes
from hyve_pipeline.s3.objects.source_responses import CopyResult, read_copied_etag, source_answer, source_error
from hyve_pipeline.s3.wire.checksums import PLAIN_MD5, keeps_md5_etags
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import complete, follow, then
from hyve_pipeline.s3.wire.messages import Request, copy_source


def rewrite_object(
    store: Connection,
    task: CopyTask,
    carried: ObjectProperties,
    *,
    part_size: int,
    window: Window | None = None,
    log: UploadLog | None = None,
) -> "Future[CopyResult]":
    """Let the server write an object onto itself, with what it is to carry from now on.

    One request does it up to `copying.MAX_SINGLE_COPY`. Larger objects, and those that are to keep the parts they were
    uploaded in, are made anew of parts.

    Args:
        store: the bucket.
        task: the object; source and store key are the same, and the ETag is the one that it must still have.
        carried: what it is to carry, tags and grants included; and what the server says of the object now: its
            checksums, and whether its ETag is an MD5.
        part_size: bytes of a part, where the object has to be cut and its own parts are not known.
        window: the slots that parts share with other requests; the object itself has one already.
        log: knows uploads in parts that are open, so that a later attempt can go on with them.

    Returns:
        A future that gives the outcome or raises `ObjectChangedError` (overwritten or gone since),
        `ObjectUnreadableError` (archived), or another `S3RequestError`.
    """
    has_parts = task.rules.keeps_parts and parts_of_etag(task.source_etag) is not None
    if task.size <= MAX_SINGLE_COPY and not has_parts:
        return _rewrite_whole(store, task, carried)

    def rewrite() -> CopyResult:
        try:
            sizes = read_part_sizes(store, task) if has_parts else None
        except S3RequestError as error:
            raise source_error(error) from None
        if sizes is None and task.size <= MAX_SINGLE_COPY:
            return _rewrite_whole(store, task, carried).result()
        return copy_in_parts(store, store, task, sizes or part_sizes(task.size, part_size), window, log, carried)

    return store.workers.submit(rewrite)


def _rewrite_whole(store: Connection, task: CopyTask, carried: ObjectProperties) -> "Future[CopyResult]":
    new = new_object(carried, task.rules, replaces_tags=True)
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
    written: Future[tuple[CopyResult, tuple[Ability, ...]]] = Future()

    def read(ending: Ending) -> CopyResult:
        answer = source_answer(ending)
        etag = read_copied_etag(store.bucket, request, answer)
        if not etag:
            raise invalid_response(store.bucket, request, answer, "the answer has no ETag")
        tells_content = carried.is_etag_md5 and keeps_md5_etags(answer)
        is_comparable = PLAIN_MD5.fullmatch(task.source_etag) and PLAIN_MD5.fullmatch(etag)
        return CopyResult(
            etag=etag,
            version_id=version_of(answer),
            source_version_id=None,
            bytes=0,
            condition_ignored=bool(tells_content and is_comparable and not same_etag(etag, task.source_etag)),
        )

    def go_on(answer: tuple[CopyResult, tuple[Ability, ...]]) -> "Future[CopyResult]":
        result, without = answer
        return then(
            settle(store, task.store_key, result.version_id, new, without), lambda lost: replace(result, lost=lost)
        )

    exchange_with(
        store,
        request,
        new.optional,
        lambda ending, without: complete(written, lambda found: (read(found), without), ending),
        is_slow=task.size > SLOW_COPY,
    )
    return follow(written, go_on)
