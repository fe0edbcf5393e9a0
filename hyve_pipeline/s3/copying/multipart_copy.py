"""Copying objects in parts within the server: those too large for one CopyObject, and those to keep their parts.

Unlike CopyObject, an upload in parts takes over nothing from the source: headers, metadata, tags, storage class and
the checksum's algorithm are read first and given to the new object.
"""

from collections.abc import Sequence
from concurrent.futures import Future

from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.open_upload import UploadLog
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.connection.transport import Ending
from hyve_pipeline.s3.copying.multipart_upload import (
    PARTS_IN_FLIGHT,
    PartedObject,
    PartRange,
    make_of_parts,
    part_sizes,
)
from hyve_pipeline.s3.objects.multipart_api import Part
from hyve_pipeline.s3.objects.new_object import new_object
from hyve_pipeline.s3.objects.properties import ObjectProperties, read_all_properties, read_part_sizes, read_properties
from hyve_pipeline.s3.objects.source_responses import (
    SLOW_COPY,
    CopyResult,
    read_copied_part,
    source_answer,
    source_error,
)
from hyve_pipeline.s3.wire.checksums import Checksums
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Pairs, Request, copy_source


def submit_copy_in_parts(
    source: Connection,
    store: Connection,
    task: CopyTask,
    part_size: int,
    window: Window | None,
    log: UploadLog | None = None,
) -> "Future[CopyResult]":
    """Copy an object in parts on one of the store connection's worker threads, see `copying.copy_object`."""

    def copy() -> CopyResult:
        try:
            sizes = read_part_sizes(source, task) if task.rules.keeps_parts else None
        except S3RequestError as error:
            raise source_error(error) from None
        return copy_in_parts(source, store, task, sizes or part_sizes(task.size, part_size), window, log)

    return store.workers.submit(copy)


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
        log: knows uploads in parts that are open.
        carried: what the copy is to carry, tags included; None for what the object carries itself.

    Raises:
        ObjectChangedError: the source object is no longer the planned one.
        ObjectUnreadableError: it is archived, or encrypted by a key that only its owner has.
        S3RequestError: another failure.
    """
    try:
        properties = carried or read_all_properties(source, task)

        def judge(_: Sequence[Part]) -> Pairs:
            # Some servers do not know the condition that each part is pinned by, and may have copied parts of two
            # objects.
            if store.place.server != "aws":
                read_properties(source, task.source_key, task.source_etag).result()
            return ()

        planned = PartedObject(
            task=task,
            sizes=sizes,
            new=new_object(properties, task.rules),
            headers=(*_checksum_headers(properties.checksums), *task.rules.headers),
            algorithm=properties.checksums.algorithm,
            judge=judge,
            is_rewritten=carried is not None,
        )

        def send(part: PartRange, upload_id: str) -> "Future[Part]":
            return _copy_part(source, store, task, part, upload_id, planned.algorithm)

        made = make_of_parts(store, planned, send, window or Window(PARTS_IN_FLIGHT), log)
    except S3RequestError as error:
        raise source_error(error) from None
    return CopyResult(
        etag=made.etag,
        version_id=made.version_id,
        source_version_id=properties.version_id,
        bytes=task.size,
        lost=made.lost,
    )


def _checksum_headers(checksums: Checksums) -> Pairs:
    """The headers that make the server keep the same checksum of the copy; it computes that itself."""
    if checksums.algorithm is None:
        return ()
    return (("x-amz-checksum-algorithm", checksums.algorithm), ("x-amz-checksum-type", checksums.kind))


def _copy_part(
    source: Connection, store: Connection, task: CopyTask, part: PartRange, upload_id: str, algorithm: str | None
) -> "Future[Part]":
    request = Request(
        "UploadPartCopy",
        "PUT",
        task.store_key,
        query=(("partNumber", str(part.number)), ("uploadId", upload_id)),
        headers=(
            ("x-amz-copy-source", copy_source(source.bucket, task.source_key)),
            ("x-amz-copy-source-if-match", f'"{task.source_etag}"'),
            ("x-amz-copy-source-range", f"bytes={part.first}-{part.last}"),
            *source.payer_headers,
        ),
    )

    def read(ending: Ending) -> Part:
        etag, checksum = read_copied_part(store.bucket, request, source_answer(ending), algorithm)
        return Part(etag, part.size, checksum)

    return store.ask(request, read, is_slow=part.size > SLOW_COPY)
