"""Copying one object within the server, pinned to the ETag that was planned."""

from concurrent.futures import Future
from dataclasses import replace

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.open_upload import UploadLog
from hyve_pipeline.core.settings.model import GIB, MIB
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import exchange_with
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.connection.server_abilities import Ability
from hyve_pipeline.s3.connection.transport import Ending
from hyve_pipeline.s3.copying.multipart_copy import copy_in_parts, submit_copy_in_parts
from hyve_pipeline.s3.objects.acl import read_grants
from hyve_pipeline.s3.objects.head import ObjectHead, head_object, version_of
from hyve_pipeline.s3.objects.new_object import copied_object
from hyve_pipeline.s3.objects.properties import parts_of_etag, read_part_sizes, read_properties
from hyve_pipeline.s3.objects.source_responses import (
    SLOW_COPY,
    CopyResult,
    read_copied_etag,
    source_answer,
    source_error,
    source_version_of,
)
from hyve_pipeline.s3.wire.checksums import has_other_content
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import both, complete, then
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response, copy_source

# Over this size S3 refuses CopyObject. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
MAX_SINGLE_COPY = 5 * GIB

_ENCRYPTION = "x-amz-server-side-encryption"
_CUSTOMER_KEY = "x-amz-server-side-encryption-customer-algorithm"


def copy_object(
    source: Connection,
    store: Connection,
    task: CopyTask,
    *,
    multipart_threshold: int = MAX_SINGLE_COPY,
    part_size: int = 256 * MIB,
    window: Window | None = None,
    log: UploadLog | None = None,
) -> "Future[CopyResult]":
    """Copy an object from source to store by the server, with the store's credentials.

    Headers, user metadata, tags and storage class are kept.

    Args:
        source: the bucket that has the object.
        store: the bucket that gets it; its credentials must be allowed to read the source.
        task: the object, with the ETag that it must still have.
        multipart_threshold: objects over this many bytes are copied in parts.
        part_size: bytes of a part; raised where there would be over 10,000.
        window: the slots that parts share with other requests; the object itself has one already.
        log: records open multipart uploads, so that a later attempt can resume them.

    Returns:
        A future that gives the result or raises `ObjectChangedError` (overwritten or gone since the plan),
        `ObjectUnreadableError` (archived), or another `S3RequestError`.
    """
    if task.size > multipart_threshold:
        return submit_copy_in_parts(source, store, task, part_size, window, log)
    if task.rules.keeps_parts and parts_of_etag(task.source_etag) is not None:
        return store.workers.submit(_copy_keeping_parts, source, store, task, window, log)
    outcome: Future[CopyResult] = Future()
    asked = _read_first(source, task)
    if asked is None:
        _copy_whole(source, store, task, (), outcome)
    else:
        asked.add_done_callback(lambda done: _copy_after(done, source, store, task, outcome))
    return outcome


def _copy_keeping_parts(
    source: Connection, store: Connection, task: CopyTask, window: Window | None, log: UploadLog | None
) -> CopyResult:
    """Copy an object in the parts of the source, or, if they are unknown, by one CopyObject."""
    try:
        sizes = read_part_sizes(source, task)
    except S3RequestError as error:
        raise source_error(error) from None
    if sizes is not None:
        return copy_in_parts(source, store, task, sizes, window, log)
    plain = replace(task, rules=replace(task.rules, keeps_parts=False))
    return copy_object(source, store, plain, multipart_threshold=MAX_SINGLE_COPY).result()


def _read_first(source: Connection, task: CopyTask) -> "Future[Pairs] | None":
    """The headers for what CopyObject does not copy by itself; None if none are needed."""
    redirect = read_properties(source, task.source_key, task.source_etag) if task.rules.keeps_redirect else None
    grants = read_grants(source, task.source_key) if task.rules.copies_grants else None
    if redirect is None:
        return grants
    if grants is None:
        return then(redirect, lambda properties: properties.redirect)
    return then(both(redirect, grants), lambda read: (*read[0].redirect, *read[1]))


def _copy_after(
    read: "Future[Pairs]", source: Connection, store: Connection, task: CopyTask, outcome: "Future[CopyResult]"
) -> None:
    try:
        _copy_whole(source, store, task, read.result(), outcome)
    except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
        outcome.set_exception(error)


def _copy_whole(
    source: Connection, store: Connection, task: CopyTask, headers: Pairs, outcome: "Future[CopyResult]"
) -> None:
    new = copied_object(task.storage_class, task.rules, headers)
    request = Request(
        "CopyObject",
        "PUT",
        task.store_key,
        headers=(
            ("x-amz-copy-source", copy_source(source.bucket, task.source_key)),
            ("x-amz-copy-source-if-match", f'"{task.source_etag}"'),
            *new.headers,
            *task.rules.headers,
            *source.payer_headers,
        ),
    )

    def settle(result: CopyResult, head: ObjectHead | None) -> CopyResult:
        return replace(result, condition_ignored=head is None or not same_etag(head.etag, task.source_etag))

    judged: list[tuple[CopyResult, bool]] = []

    def check(response: Response) -> None:
        # The request is sent again if the answer does not prove the copy.
        judged.append(_judge(store.bucket, request, response, task))

    def on_end(ending: Ending, without: tuple[Ability, ...]) -> None:
        try:
            is_judged = judged and isinstance(ending, Response)
            result, is_doubtful = judged[-1] if is_judged else _judge(store.bucket, request, ending, task)
            if without:
                lost = tuple(ability.loses for ability in without if ability.loses is not None)
                result = replace(result, lost=lost)
            if not result.etag:
                found = head_object(store, task.store_key)
                found.add_done_callback(lambda done: complete(outcome, lambda _: _named(result, done.result()), None))
                return
            if is_doubtful:
                # The ETag of an object that the source encrypts with a KMS key looks like an MD5 and is none:
                # only the source can tell whether the condition was ignored.
                asked = head_object(source, task.source_key)
                asked.add_done_callback(lambda done: complete(outcome, lambda _: settle(result, done.result()), done))
                return
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    def _named(result: CopyResult, head: ObjectHead | None) -> CopyResult:
        """The result with the ETag that is missing in the answer."""
        if head is None or not head.etag or head.size not in (None, task.size):
            reason = "the answer has no ETag, and the object is not there"
            raise invalid_response(store.bucket, request, Response(200, ()), reason)
        ignored = has_other_content(task.source_etag, head.etag, Response(200, ()))
        return replace(result, etag=head.etag, condition_ignored=ignored)

    is_slow = task.size > SLOW_COPY
    if new.optional:
        exchange_with(store, request, new.optional, on_end, is_slow=is_slow, check=check)
    else:
        # Nearly all: it costs less.
        store.exchange(request, lambda ending: on_end(ending, ()), is_slow=is_slow, check=check)


def _judge(bucket: str, request: Request, ending: Ending, task: CopyTask) -> tuple[CopyResult, bool]:
    """The result, and whether it may be of another object than the planned one.

    Raises:
        S3RequestError: the copy was not made.
    """
    answer = source_answer(ending)
    result = _read_result(bucket, request, answer, task)
    return result, bool(result.etag) and has_other_content(task.source_etag, result.etag, answer)


def _read_result(bucket: str, request: Request, response: Response, task: CopyTask) -> CopyResult:
    return CopyResult(
        etag=read_copied_etag(bucket, request, response),
        version_id=version_of(response),
        source_version_id=source_version_of(response),
        bytes=task.size,
        sends=response.sends,
    )
