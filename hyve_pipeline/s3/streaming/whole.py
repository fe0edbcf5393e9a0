"""Streams one object by one PutObject, and checks it against the source's ETag and checksum before."""

from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import Optional
from hyve_pipeline.s3.copying.multipart_upload import PartRange
from hyve_pipeline.s3.objects.acl import read_grants
from hyve_pipeline.s3.objects.get import read_object
from hyve_pipeline.s3.objects.head import version_of
from hyve_pipeline.s3.objects.new_object import new_object, settle
from hyve_pipeline.s3.objects.pinned_write import OnEnd, write_pinned
from hyve_pipeline.s3.objects.properties import ObjectProperties, properties_of, read_all_properties
from hyve_pipeline.s3.objects.put import Content, Put, put_content, written_algorithm
from hyve_pipeline.s3.objects.source_responses import CopyResult
from hyve_pipeline.s3.objects.tags import Tags, counted_tags, read_tags
from hyve_pipeline.s3.streaming.multipart import MOST_READ, other_content, read_range
from hyve_pipeline.s3.wire.checksums import PLAIN_MD5, checksum
from hyve_pipeline.s3.wire.futures import both, deliver, finish, follow, then
from hyve_pipeline.s3.wire.messages import Pairs, Request

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
    # Properties first: an unreadable object should not be requested in many pieces.
    return read_all_properties(source, task), read_range(source, task, PartRange(1, 0, task.size))


def read_by_one_request(source: Connection, task: CopyTask) -> "Future[WholeObject]":
    """Read an object of up to `MOST_READ` bytes.

    Returns:
        A future that gives it, or raises like `read_whole`.
    """
    key = task.source_key
    content = then(
        read_object(source, key, task.source_etag, task.size),
        lambda response: (properties_of(source, Request("GetObject", "GET", key), response), response.body),
    )
    if task.rules.tags != "skip":
        content = then(both(content, read_tags(source, key)), lambda read: _with_tags(source, key, read))
    if task.rules.copies_grants:
        content = then(both(content, read_grants(source, key)), _with_grants)
    return content


def _with_tags(source: Connection, key: str, read: tuple[WholeObject, Tags | None]) -> WholeObject:
    (properties, body), tags = read
    return replace(properties, tags=counted_tags(source.bucket, key, tags, properties.tag_count)), body


def _with_grants(read: tuple[WholeObject, Pairs]) -> WholeObject:
    (properties, body), grants = read
    return replace(properties, grants=grants), body


def put_whole(source: Connection, store: Connection, task: CopyTask, read: WholeObject) -> "Future[CopyResult]":
    """Write an object that was read.

    Returns:
        A future that gives the result, or raises `StoreChangedError` if the store's object is no longer the planned
        one, or another `S3RequestError` if the store refused it.

    Raises:
        S3RequestError: what was read is not the object.
    """
    properties, data = read
    content = Content.of(data, written_algorithm(store, properties.checksums), needs_md5=True)
    _check(source, task, properties, content)
    new = new_object(properties, task.rules)
    request = Request("PutObject", "PUT", task.store_key, headers=(*new.headers, *task.rules.headers))

    def go_on(put: Put) -> "Future[CopyResult]":
        version_id = version_of(put.response)
        result = CopyResult(put.part.etag, version_id, properties.version_id, task.size)
        return then(
            settle(store, task.store_key, version_id, new, put.without), lambda lost: result._replace(lost=lost)
        )

    def send(condition: Pairs, optional: tuple[Optional, ...], on_end: OnEnd[Put]) -> None:
        pinned = request._replace(headers=(*request.headers, *condition))
        deliver(put_content(store, pinned, content, (*optional, *new.optional)), on_end)

    outcome: Future[Put] = Future()
    write_pinned(
        store, "PutObject", task.store_key, task.store_etag, send, partial(finish, outcome), size=len(content.data)
    )
    return follow(outcome, go_on)


def _check(source: Connection, task: CopyTask, properties: ObjectProperties, content: Content) -> None:
    """Check what was read against the source's ETag and checksum.

    Raises:
        S3RequestError: they differ.
    """
    is_md5_known = PLAIN_MD5.fullmatch(task.source_etag) and properties.is_etag_md5
    if is_md5_known and not same_etag(content.md5, task.source_etag):
        raise other_content(source, task, f"its MD5 is {content.md5}, its ETag {task.source_etag}")
    known = properties.checksums
    # Even if the store has no checksums.
    algorithm = content.algorithm or known.algorithm
    expected = known.values.get(algorithm or "")
    if algorithm is None or expected is None or not known.is_of_whole:
        return
    found = content.checksum or checksum(algorithm, content.data)
    if found != expected:
        raise other_content(source, task, f"its {algorithm} is {found}, the source has {expected}")
