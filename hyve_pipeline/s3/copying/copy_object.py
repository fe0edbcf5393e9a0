"""Copying one object within the server, pinned to the ETag that was planned."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.base.sizes import GIB, MIB
from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.object_lock import NO_LOCK, ObjectLock
from hyve_pipeline.core.model.open_upload import UploadLog
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import Optional, exchange_with
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.connection.server_abilities import Ability
from hyve_pipeline.s3.connection.version_pins import pinned_source
from hyve_pipeline.s3.copying.multipart_copy import copy_in_source_parts, submit_copy_in_parts
from hyve_pipeline.s3.objects.acl import read_grants
from hyve_pipeline.s3.objects.head import ObjectHead, head_object, version_of
from hyve_pipeline.s3.objects.new_object import confirm_lock, copied_object
from hyve_pipeline.s3.objects.object_lock import lock_headers, prove_locks_readable
from hyve_pipeline.s3.objects.pinned_write import OnEnd, write_pinned
from hyve_pipeline.s3.objects.properties import ObjectProperties, kept_parts, read_properties
from hyve_pipeline.s3.objects.source_responses import (
    SLOW_COPY,
    CopyResult,
    read_copied_etag,
    source_error,
    source_version_of,
)
from hyve_pipeline.s3.wire.checksums import has_other_content
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import LightFuture, both, completed, deliver, finish, then
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response

# Over this size S3 refuses CopyObject. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
MAX_SINGLE_COPY = 5 * GIB


_NO_HEADERS: Pairs = ()

# Gets what became of a copy. It runs on a thread of the transport, see `Connection.exchange`.
OnCopied = Callable[[CopyResult | BaseException], object]


def copy_object(
    source: Connection,
    store: Connection,
    task: CopyTask,
    *,
    multipart_threshold: int = MAX_SINGLE_COPY,
    part_size: int = 256 * MIB,
    window: Window | None = None,
) -> "Future[CopyResult]":
    """Like `begin_copy`, with a future that gives the result or raises the error."""
    outcome: Future[CopyResult] = LightFuture()
    begin_copy(
        source,
        store,
        task,
        partial(finish, outcome),
        multipart_threshold=multipart_threshold,
        part_size=part_size,
        window=window,
    )
    return outcome


def begin_copy(
    source: Connection,
    store: Connection,
    task: CopyTask,
    on_end: OnCopied,
    *,
    multipart_threshold: int = MAX_SINGLE_COPY,
    part_size: int = 256 * MIB,
    window: Window | None = None,
    log: UploadLog | None = None,
) -> None:
    """Begin to copy an object from source to store by the server, with the store's credentials.

    Headers, user metadata, tags and storage class are kept.

    Args:
        source: the bucket that has the object.
        store: the bucket that gets it; its credentials must be allowed to read the source.
        task: the object, with the ETag that it must still have, and that of the store's object.
        on_end: gets the result, or `ObjectChangedError` (overwritten or gone since the plan; `StoreChangedError` where
            that is the store's object), `ObjectUnreadableError`
            (archived), or another `S3RequestError`.
        multipart_threshold: objects over this many bytes are copied in parts.
        part_size: bytes of a part; raised where there would be over 10,000.
        window: the slots that parts share with other requests; the object itself has one already.
        log: records open multipart uploads, so that a later attempt can resume them.
    """
    if task.size > multipart_threshold:
        deliver(submit_copy_in_parts(source, store, task, part_size, window, log), on_end)
        return
    if kept_parts(task.rules, task.source_etag) is not None:
        deliver(store.workers.submit(_copy_keeping_parts, source, store, task, window, log), on_end)
        return
    copy = _WholeCopy(source, store, task, on_end)
    asked = _read_first(source, task)
    if asked is None:
        copy.begin(_NO_HEADERS, NO_LOCK)
    else:
        deliver(asked, copy.begin_after)


def _copy_keeping_parts(
    source: Connection, store: Connection, task: CopyTask, window: Window | None, log: UploadLog | None
) -> CopyResult:
    """Copy an object in the parts of the source, or, if they are unknown or refused, by one CopyObject."""
    copied = copy_in_source_parts(source, store, task, window, log)
    if copied is not None:
        return copied
    plain = task._replace(rules=replace(task.rules, keeps_parts=False))
    return copy_object(source, store, plain, multipart_threshold=MAX_SINGLE_COPY).result()


# What CopyObject does not copy by itself: redirect and grants as headers, and the lock.
_First = tuple[Pairs, ObjectLock]


def _read_first(source: Connection, task: CopyTask) -> "Future[_First] | None":
    """What CopyObject does not copy by itself; None if nothing needs to be read."""
    rules, key = task.rules, task.source_key
    if not rules.keeps_redirect and not rules.copies_grants and not rules.keeps_locks:
        return None
    grants = read_grants(source, key) if rules.copies_grants else completed(_NO_HEADERS)
    if not rules.keeps_redirect and not rules.keeps_locks:
        return then(grants, lambda headers: (headers, NO_LOCK))

    def choose(read: tuple[ObjectProperties, Pairs]) -> _First:
        redirect = read[0].redirect if rules.keeps_redirect else ()
        return (*redirect, *read[1]), read[0].lock if rules.keeps_locks else NO_LOCK

    first = then(both(read_properties(source, key, task.source_etag), grants), choose)
    if not rules.keeps_locks:
        return first
    return then(both(first, prove_locks_readable(source, key)), lambda read: read[0])


# A result, whether it may be of another object than the planned one, and what the server lacks.
_Copied = tuple[CopyResult, bool, tuple[Ability, ...]]


class _WholeCopy:
    """One CopyObject, from its request to its result."""

    __slots__ = ("_headers", "_new", "_on_end", "_request", "_source", "_store", "_task")

    def __init__(self, source: Connection, store: Connection, task: CopyTask, on_end: OnCopied) -> None:
        self._source = source
        self._store = store
        self._task = task
        self._on_end = on_end

    def begin(self, headers: Pairs, lock: ObjectLock) -> None:
        """Send the request, with headers and a lock for what it does not take over by itself."""
        task = self._task
        if lock:
            headers = (*headers, *lock_headers(lock))
            self._on_end = partial(self._confirm_lock, lock, self._on_end)
        self._new = new = copied_object(task.storage_class, task.rules, headers)
        self._headers = (
            ("x-amz-copy-source", pinned_source(self._source.bucket, task.source_key, self._source.versions)),
            ("x-amz-copy-source-if-match", f'"{task.source_etag}"'),
            *new.headers,
            *task.rules.headers,
            *self._source.payer_headers,
        )
        write_pinned(
            self._store,
            "CopyObject",
            task.store_key,
            task.store_etag,
            self._send,
            self._judge,
            size=task.size,
            is_source_same=self._is_source_same,
        )

    def _send(self, condition: Pairs, optional: tuple[Optional, ...], on_end: OnEnd[_Copied]) -> None:
        """Send the request with a condition on the store's object, see `pinned_write.Send`."""
        self._request = request = Request(
            "CopyObject", "PUT", self._task.store_key, headers=(*self._headers, *condition)
        )
        is_slow = self._task.size > SLOW_COPY
        optional = (*optional, *self._new.optional)
        if optional:

            def on_sent(ended: _Copied | BaseException, without: tuple[Ability, ...]) -> None:
                on_end(ended if isinstance(ended, BaseException) else (ended[0], ended[1], without))

            exchange_with(self._store, request, optional, on_sent, read=self._read, is_slow=is_slow)
        else:
            # Nearly all: it costs less.
            self._store.exchange(request, on_end, read=self._read, is_slow=is_slow)

    def _confirm_lock(self, lock: ObjectLock, on_end: OnCopied, ended: CopyResult | BaseException) -> None:
        """Hand over a result when the copy is known to be protected."""
        if isinstance(ended, BaseException) or ended.condition_ignored:
            on_end(ended)
            return
        try:
            confirmed = confirm_lock(self._store, self._task.store_key, ended.etag, ended.version_id, lock)
            deliver(then(confirmed, lambda _: ended), on_end)
        except Exception as error:  # noqa: BLE001 - see `begin_after`
            on_end(error)

    def _is_source_same(self) -> "Future[bool]":
        found = head_object(self._source, self._task.source_key)
        return then(found, lambda head: head is not None and same_etag(head.etag, self._task.source_etag))

    def begin_after(self, first: _First | BaseException) -> None:
        """Send the request when what comes first is known, or end where it could not be read."""
        if isinstance(first, BaseException):
            self._on_end(first)
            return
        try:
            self.begin(*first)
        except Exception as error:  # noqa: BLE001 - closed just now, say; the copy must come to an end
            self._on_end(error)

    def _read(self, response: Response) -> _Copied:
        """The result, see `_Copied`.

        Raises:
            S3RequestError: nothing shows that the copy was made.
        """
        result = CopyResult(
            etag=read_copied_etag(self._store.bucket, self._request, response),
            version_id=version_of(response),
            source_version_id=source_version_of(response),
            bytes=self._task.size,
            sends=response.sends,
        )
        return result, bool(result.etag) and has_other_content(self._task.source_etag, result.etag, response), ()

    def _judge(self, ended: _Copied | BaseException) -> None:
        if isinstance(ended, BaseException):
            self._on_end(source_error(ended) if isinstance(ended, S3RequestError) else ended)
            return
        result, is_doubtful, without = ended
        if without:
            lost = tuple(ability.loses for ability in without if ability.loses is not None)
            result = result._replace(lost=lost)
        if result.etag and not is_doubtful:
            self._on_end(result)
            return
        try:
            if is_doubtful:
                # The ETag of an object that the source encrypts with a KMS key looks like an MD5 and is none:
                # only the source can tell whether the condition was ignored.
                found = head_object(self._source, self._task.source_key)
                deliver(then(found, lambda head: self._compared(result, head)), self._on_end)
            else:
                found = head_object(self._store, self._task.store_key)
                deliver(then(found, lambda head: self._named(result, head)), self._on_end)
        except Exception as error:  # noqa: BLE001 - see `begin_after`
            self._on_end(error)

    def _compared(self, result: CopyResult, head: ObjectHead | None) -> CopyResult:
        """The result, where the source's object shows whether it was the planned one."""
        return result._replace(condition_ignored=head is None or not same_etag(head.etag, self._task.source_etag))

    def _named(self, result: CopyResult, head: ObjectHead | None) -> CopyResult:
        """The result with the ETag that is missing in the answer."""
        if head is None or not head.etag or head.size not in (None, self._task.size):
            reason = "the answer has no ETag, and the object is not there"
            raise invalid_response(self._store.bucket, self._request, Response(200, ()), reason)
        ignored = has_other_content(self._task.source_etag, head.etag, Response(200, ()))
        return result._replace(etag=head.etag, condition_ignored=ignored)
