"""Server-side copies by multipart upload: of objects too large for CopyObject, and of those that keep their parts.

Unlike CopyObject, a multipart upload copies no properties: headers, metadata, tags, storage class and the checksum
algorithm are read first.
"""

from collections.abc import Sequence
from concurrent.futures import Future

from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.open_upload import UploadLog
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.connection.transport import ResponseOrError
from hyve_pipeline.s3.connection.version_pins import pinned_source
from hyve_pipeline.s3.copying.multipart_upload import (
    PARTS_IN_FLIGHT,
    MadeObject,
    PartedObject,
    PartRange,
    make_of_parts,
    part_sizes,
)
from hyve_pipeline.s3.objects.multipart_api import Part, are_parts_refused
from hyve_pipeline.s3.objects.new_object import new_object
from hyve_pipeline.s3.objects.properties import ObjectProperties, read_all_properties, read_part_sizes, read_properties
from hyve_pipeline.s3.objects.source_responses import (
    SLOW_COPY,
    CopyResult,
    read_copied_part,
    source_answer,
    source_error,
)
from hyve_pipeline.s3.wire.checksums import kind_of_parts, upload_headers
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Pairs, Request


def submit_copy_in_parts(
    source: Connection,
    store: Connection,
    task: CopyTask,
    part_size: int,
    window: Window | None,
    log: UploadLog | None = None,
) -> "Future[CopyResult]":
    """Copy an object in parts on a worker thread of the store's connection, see `copy_object.copy_object`."""

    def copy() -> CopyResult:
        copied = copy_in_source_parts(source, store, task, window, log) if task.rules.keeps_parts else None
        return copied or copy_in_parts(source, store, task, part_sizes(store, task, part_size), window, log)

    return store.workers.submit(copy)


def copy_in_source_parts(
    source: Connection, store: Connection, task: CopyTask, window: Window | None, log: UploadLog | None
) -> CopyResult | None:
    """Copy an object in the parts that it has in the source; None if these are unknown, or the store refuses them.

    Raises:
        ObjectChangedError: the source's object was overwritten or deleted.
        S3RequestError: a request failed.
    """
    try:
        sizes = read_part_sizes(source, task)
    except S3RequestError as error:
        raise source_error(error) from None
    if sizes is None:
        return None
    try:
        return copy_in_parts(source, store, task, sizes, window, log)
    except S3RequestError as error:
        if are_parts_refused(store, error):
            return None
        raise


def copy_in_parts(
    source: Connection,
    store: Connection,
    task: CopyTask,
    sizes: tuple[int, ...],
    window: Window | None,
    log: UploadLog | None,
    carried: ObjectProperties | None = None,
) -> CopyResult:
    """Copy an object in parts and wait for it.

    Args:
        source: the bucket that has the object.
        store: the bucket that gets it.
        task: the object.
        sizes: bytes of each part.
        window: the slots that parts share with other requests.
        log: records open multipart uploads.
        carried: the properties of the copy, tags included; None for those of the object.

    Raises:
        ObjectChangedError: the source object is no longer the planned one.
        ObjectUnreadableError: it is archived, or encrypted with its owner's key (SSE-C).
        S3RequestError: another failure.
    """
    try:
        properties = carried or read_all_properties(source, task)

        def judge(_: Sequence[Part]) -> Pairs:
            # Some servers ignore the condition of each part, and may have copied parts of two objects.
            if store.place.server != "aws":
                read_properties(source, task.source_key, task.source_etag).result()
            return ()

        algorithm = properties.checksums.algorithm
        kind = kind_of_parts(properties.checksums, algorithm, are_kept=True)
        planned = PartedObject(
            task=task,
            sizes=sizes,
            new=new_object(properties, task.rules),
            headers=(*upload_headers(algorithm, kind), *task.rules.headers),
            algorithm=algorithm,
            judge=judge,
            is_rewritten=carried is not None,
        )

        def send(part: PartRange, upload_id: str) -> "Future[Part]":
            return _copy_part(source, store, task, part, upload_id, algorithm)

        made = make_of_parts(store, planned, send, window or Window(PARTS_IN_FLIGHT), log)
    except S3RequestError as error:
        raise source_error(error) from None
    if made.size not in (None, task.size):
        raise _ignored_ranges(store, task, made)
    return CopyResult(made.etag, made.version_id, properties.version_id, task.size, lost=made.lost)


def _ignored_ranges(store: Connection, task: CopyTask, made: MadeObject) -> S3RequestError:
    """The error of a copy to which each part has added other bytes than its own; another attempt would not help."""
    reason = f"the copy has {made.size} bytes instead of {task.size}, as if the server ignored the range of each part"
    request = Request("UploadPartCopy", "PUT", task.store_key)
    error = S3RequestError(store.bucket, request, "NotImplemented", reason)
    error.written = made.etag
    return error


def _copy_part(
    source: Connection, store: Connection, task: CopyTask, part: PartRange, upload_id: str, algorithm: str | None
) -> "Future[Part]":
    request = Request(
        "UploadPartCopy",
        "PUT",
        task.store_key,
        query=(("partNumber", str(part.number)), ("uploadId", upload_id)),
        headers=(
            ("x-amz-copy-source", pinned_source(source.bucket, task.source_key, source.versions)),
            ("x-amz-copy-source-if-match", f'"{task.source_etag}"'),
            ("x-amz-copy-source-range", f"bytes={part.first}-{part.last}"),
            *source.payer_headers,
        ),
    )

    def read(ending: ResponseOrError) -> Part:
        etag, checksum = read_copied_part(store.bucket, request, source_answer(ending), algorithm)
        return Part(etag, part.size, checksum)

    return store.ask(request, read, is_slow=part.size > SLOW_COPY)
