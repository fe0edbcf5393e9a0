"""Streams one object as a whole, and holds it against what the source tells of it before it is in the store."""

from concurrent.futures import Future
from dataclasses import replace

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.copying.multipart_upload import PartRange
from hyve_pipeline.s3.objects.acl import read_grants
from hyve_pipeline.s3.objects.get import read_object
from hyve_pipeline.s3.objects.head import version_of
from hyve_pipeline.s3.objects.properties import ObjectProperties, properties_of, read_all_properties, read_tags, tagging
from hyve_pipeline.s3.objects.put import Content, put_content
from hyve_pipeline.s3.objects.source_responses import CopyResult
from hyve_pipeline.s3.streaming.multipart import MOST_READ, other_content, read_range
from hyve_pipeline.s3.wire.checksums import PLAIN_MD5, checksum
from hyve_pipeline.s3.wire.futures import both, then
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response

# An object's properties, and its content.
WholeObject = tuple[ObjectProperties, bytes]


def read_whole(source: Connection, task: CopyTask) -> WholeObject:
    """Read an object of any size, and wait for it.

    Raises:
        ObjectChangedError: it is no longer the planned one.
        S3RequestError: another failure.
    """
    if task.size <= MOST_READ:
        return read_by_one_request(source, task).result()
    # Properties first: what can't be read should not be read in many pieces.
    return read_all_properties(source, task), read_range(source, task, PartRange(1, 0, task.size))


def read_by_one_request(source: Connection, task: CopyTask) -> "Future[WholeObject]":
    """Read an object of up to `MOST_READ` bytes.

    Returns:
        A future that gives it, or raises like `read_whole`.
    """
    key = task.source_key
    content = read_object(source, key, task.source_etag, task.size)
    asked = then(read_tags(source, key), tagging)
    if task.rules.copies_grants:
        asked = then(both(asked, read_grants(source, key)), lambda pairs: (*pairs[0], *pairs[1]))

    def join(read: tuple[Response, Pairs]) -> WholeObject:
        response, headers = read
        properties = properties_of(source, Request("GetObject", "GET", key), response)
        return replace(properties, headers=(*properties.headers, *headers)), response.body

    return then(both(content, asked), join)


def put_whole(
    source: Connection, store: Connection, task: CopyTask, read: WholeObject, algorithm: str | None
) -> "Future[CopyResult]":
    """Write an object that was read, with a checksum of an algorithm, or without one.

    Returns:
        A future that gives the outcome, or raises `S3RequestError`: the store refused it.

    Raises:
        S3RequestError: what was read is not the object.
    """
    properties, data = read
    content = Content.of(data, algorithm, needs_md5=True)
    _check(source, task, properties, content)
    request = Request("PutObject", "PUT", task.store_key, headers=(*properties.headers, *task.rules.headers))
    return then(
        put_content(store, request, content),
        lambda put: CopyResult(put[0].etag, version_of(put[1]), properties.version_id, task.size),
    )


def _check(source: Connection, task: CopyTask, properties: ObjectProperties, content: Content) -> None:
    """Hold what was read against what the source tells of it.

    Raises:
        S3RequestError: it is something else.
    """
    is_md5_known = PLAIN_MD5.fullmatch(task.source_etag) and properties.is_etag_md5
    if is_md5_known and not same_etag(content.md5, task.source_etag):
        raise other_content(source, task, f"its MD5 is {content.md5}, its ETag {task.source_etag}")
    known = properties.checksums
    # Also where the store takes no checksums.
    algorithm = content.algorithm or known.algorithm
    told = known.values.get(algorithm or "")
    if algorithm is None or told is None or not known.is_of_whole:
        return
    found = content.checksum or checksum(algorithm, content.data)
    if found != told:
        raise other_content(source, task, f"its {algorithm} is {found}, the source says {told}")
