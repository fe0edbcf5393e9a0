"""Streams one object by one PutObject, and lets the store's server or this process check it against the source."""

from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import Optional
from hyve_pipeline.s3.connection.server_abilities import CHECKSUMS
from hyve_pipeline.s3.copying.multipart_upload import PartRange
from hyve_pipeline.s3.objects.acl import read_grants
from hyve_pipeline.s3.objects.annotations import AnnotationsOf, find_annotations
from hyve_pipeline.s3.objects.get import read_object
from hyve_pipeline.s3.objects.head import version_of
from hyve_pipeline.s3.objects.new_object import NewObject, new_object, settle
from hyve_pipeline.s3.objects.object_lock import prove_locks_readable
from hyve_pipeline.s3.objects.pinned_write import OnEnd, write_pinned
from hyve_pipeline.s3.objects.properties import ObjectProperties, properties_of, read_all_properties
from hyve_pipeline.s3.objects.put import Content, Put, checks_md5, put_object, written_algorithm
from hyve_pipeline.s3.objects.source_responses import CopyResult
from hyve_pipeline.s3.objects.tags import Tags, counted_tags, learn_tag_counts, read_tags, tells_tag_counts
from hyve_pipeline.s3.streaming.multipart import LARGE, MOST_READ, other_content, read_range
from hyve_pipeline.s3.wire.checksums import PLAIN_MD5, checksum, md5_of, shared_checksum
from hyve_pipeline.s3.wire.futures import LightFuture, both, deliver, finish, follow, then
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
    # Properties first: an unreadable object should not be requested in many pieces.
    return read_all_properties(source, task), read_range(source, task, PartRange(1, 0, task.size))


def read_by_one_request(source: Connection, task: CopyTask) -> "Future[WholeObject]":
    """Read an object of up to `MOST_READ` bytes.

    Returns:
        A future that gives it, or raises like `read_whole`.
    """
    key = task.source_key
    answered = read_object(source, key, task.source_etag, task.size)
    if task.rules.tags == "skip":
        content = then(answered, lambda response: _whole_of(source, key, response))
    elif task.rules.tags == "copy" and tells_tag_counts(source):
        content = follow(answered, partial(_ask_counted_tags, source, key))
    else:
        content = then(both(answered, read_tags(source, key)), lambda read: _with_tags(source, key, *read))
    if task.rules.annotations == "copy":
        content = then(both(content, find_annotations(source, key, is_large=task.size > LARGE)), _with_annotations)
    if task.rules.keeps_locks:
        content = then(both(content, prove_locks_readable(source, key)), lambda read: read[0])
    if task.rules.copies_grants:
        content = then(both(content, read_grants(source, key)), _with_grants)
    return content


def _whole_of(source: Connection, key: str, response: Response) -> WholeObject:
    return properties_of(source, Request("GetObject", "GET", key), response), response.body


def _ask_counted_tags(source: Connection, key: str, response: Response) -> "Future[WholeObject] | WholeObject":
    """Request the tags of an object if its headers say that it has some."""
    properties, body = _whole_of(source, key, response)
    if not properties.tag_count:
        return properties, body
    return then(read_tags(source, key), lambda tags: _with_tags(source, key, response, tags))


def _with_tags(source: Connection, key: str, response: Response, tags: Tags | None) -> WholeObject:
    properties, body = _whole_of(source, key, response)
    learn_tag_counts(source, response, tags, properties.tag_count)
    return replace(properties, tags=counted_tags(source.bucket, key, tags, properties.tag_count)), body


def _with_annotations(read: tuple[WholeObject, AnnotationsOf | None]) -> WholeObject:
    (properties, body), annotations = read
    return replace(properties, annotations=annotations), body


def _with_grants(read: tuple[WholeObject, Pairs]) -> WholeObject:
    (properties, body), grants = read
    return replace(properties, grants=grants), body


def put_whole(source: Connection, store: Connection, task: CopyTask, read: WholeObject) -> "Future[CopyResult]":
    """Write an object that was read.

    Returns:
        A future that gives the result, or raises `StoreChangedError` if the store's object is no longer the planned
        one, or another `S3RequestError` if the store refused it.

    Raises:
        S3RequestError: what was read is not the object, and the store's server would not notice.
    """
    properties, data = read
    content = _content(source, store, task, properties, data)
    new = new_object(properties, task.rules)
    request = Request("PutObject", "PUT", task.store_key, headers=(*new.headers, *task.rules.headers))

    outcome: Future[Put] = LightFuture()
    write_pinned(
        store,
        "PutObject",
        task.store_key,
        task.store_etag,
        partial(_send, store, request, content, new),
        partial(finish, outcome),
        size=len(content.data),
    )
    return follow(outcome, partial(_settle, store, task, properties, new))


def _send(
    store: Connection,
    request: Request,
    content: Content,
    new: NewObject,
    condition: Pairs,
    optional: tuple[Optional, ...],
    on_end: OnEnd[Put],
) -> None:
    """Send the write with a condition, see `pinned_write.Send`."""
    pinned = request._replace(headers=(*request.headers, *condition))
    is_large = len(content.data) > LARGE
    deliver(put_object(store, pinned, content, (*optional, *new.optional), is_slow=is_large), on_end)


def _settle(
    store: Connection, task: CopyTask, properties: ObjectProperties, new: NewObject, put: Put
) -> "Future[CopyResult]":
    """Send what was not in the write."""
    version_id = version_of(put.response)
    known = properties.checksums
    is_shared = known.is_of_whole and put.part.checksum is not None
    shared = shared_checksum(known, known.algorithm if is_shared else None)
    if shared is not None and known.values.get(known.algorithm or "") != put.part.checksum:
        shared = None
    result = CopyResult(put.part.etag, version_id, properties.version_id, task.size, shared=shared)
    settled = settle(store, task.store_key, result.etag, version_id, new, put.without)
    return then(settled, lambda lost: result._replace(lost=lost))


def _content(
    source: Connection, store: Connection, task: CopyTask, properties: ObjectProperties, data: bytes
) -> Content:
    """What was read, with the checksums to send: those that the source promises, where the store's server checks them.

    Otherwise it is checked here before it is sent, by the MD5 if that is known, as the store's ETag shows it too.

    Raises:
        S3RequestError: it is not the object.
    """
    known = properties.checksums
    is_md5_known = properties.is_etag_md5 and PLAIN_MD5.fullmatch(task.source_etag) is not None
    whole = known.values.get(known.algorithm or "") if known.is_of_whole else None
    is_sent = whole is not None and not store.abilities.lacks(CHECKSUMS)
    is_aws = store.place.server == AWS
    if is_md5_known or (is_aws and is_sent):
        content = Content(
            data,
            md5=task.source_etag.lower() if is_md5_known else None,
            algorithm=known.algorithm if is_sent else None,
            checksum=whole if is_sent else None,
            other=partial(other_content, source, task),
            is_checked=False,
        )
        if not is_md5_known or checks_md5(store):
            return content
        if (md5 := md5_of(data)) != content.md5:
            raise other_content(source, task, f"its MD5 is {md5}, its ETag {content.md5}")
        return replace(content, is_checked=True)
    # Amazon S3 stores a checksum with every object, and checks it.
    algorithm = written_algorithm(store, known) if is_aws or known.algorithm else None
    content = Content.of(data, algorithm, needs_md5=not is_aws)
    if known.algorithm is not None and whole is not None:
        # Even if the store has no checksums.
        found = content.checksum or checksum(known.algorithm, data)
        if found != whole:
            raise other_content(source, task, f"its {known.algorithm} is {found}, the source has {whole}")
    return content
