"""Multipart uploads: created or resumed, filled with several parts at once, and completed.

An upload that failed is aborted, because its parts would otherwise stay in the bucket, invisible and charged. After an
interrupt or a transient failure it is left open if a log records it, and the next attempt resumes it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import SimpleQueue

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.open_upload import OpenUpload, UploadLog
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import OPTIONAL_CHECKSUMS, Optional
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.connection.server_abilities import Ability
from hyve_pipeline.s3.objects.head import head_object, version_of
from hyve_pipeline.s3.objects.multipart_api import (
    MAX_OBJECT_SIZE,
    MAX_PARTS,
    NO_SUCH_UPLOAD,
    Part,
    abort_upload,
    complete_upload,
    create_upload,
    is_gone,
    list_parts,
)
from hyve_pipeline.s3.objects.new_object import NewObject, settle
from hyve_pipeline.s3.objects.pinned_write import OnEnd, StoreChangedError, wait_for_pinned
from hyve_pipeline.s3.objects.source_responses import read_copied_etag
from hyve_pipeline.s3.wire.checksums import PLAIN_MD5, composite_etag
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import deliver, wait_for_ends
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response

# S3's code for an object that is larger than it stores.
TOO_LARGE = "EntityTooLarge"

# Parts of one object that are in flight at once.
PARTS_IN_FLIGHT = 16


@dataclass(frozen=True, slots=True)
class PartRange:
    """A part: its number, from 1, its offset in bytes, and its size in bytes."""

    number: int
    first: int
    size: int

    @property
    def last(self) -> int:
        """The position of its last byte."""
        return self.first + self.size - 1


# Sends one part of an upload; the second argument is the upload's id.
SendPart = Callable[[PartRange, str], "Future[Part]"]

# Checks all parts, and returns headers for the completion; if it raises, the upload is not completed.
Judge = Callable[[Sequence[Part]], Pairs]


def _no_headers(_: Sequence[Part]) -> Pairs:
    return ()


@dataclass(frozen=True)
class PartedObject:
    """An object to upload in parts.

    Attributes:
        task: the object.
        sizes: bytes of each part, in order.
        new: its properties.
        headers: further headers: the checksum algorithm, and those of the options.
        algorithm: of the checksums of its parts, or None.
        judge: checks all parts before the completion. If it raises, the upload is aborted.
        is_resumable: whether parts of an earlier attempt can be used.
        is_rewritten: the object is copied onto itself, so its ETag is that of the object before.
    """

    task: CopyTask
    sizes: tuple[int, ...]
    new: NewObject
    headers: Pairs
    algorithm: str | None = None
    judge: Judge = field(default=_no_headers)
    is_resumable: bool = True
    is_rewritten: bool = False


@dataclass(frozen=True, slots=True)
class MadeObject:
    """A completed object.

    Attributes:
        etag: without quotes.
        version_id: its version, or None without versioning.
        lost: what it lacks, because the server refuses it.
        size: its bytes; None where the server was not asked.
    """

    etag: str
    version_id: str | None
    lost: tuple[str, ...] = ()
    size: int | None = None


def part_sizes(store: Connection, task: CopyTask, part_size: int) -> tuple[int, ...]:
    """Divide an object into parts of one size, larger if there would be over 10,000; the last may be smaller.

    Raises:
        S3RequestError: no store can have the object, as it is too large for 10,000 parts of 5 GiB.
    """
    size = task.size
    if size > MAX_OBJECT_SIZE:
        reason = (
            f"it has {size:,} bytes, and S3 stores at most {MAX_OBJECT_SIZE:,} (48.8 TiB), in 10,000 parts of 5 GiB: "
            "exclude it"
        )
        raise S3RequestError(store.bucket, Request("CreateMultipartUpload", "POST", task.store_key), TOO_LARGE, reason)
    return equal_sizes(size, part_size)


def equal_sizes(size: int, part_size: int) -> tuple[int, ...]:
    """As many parts of `part_size` bytes as `size` needs, or 10,000 larger ones; the last may be smaller."""
    part_size = max(part_size, -(-size // MAX_PARTS))
    return tuple(min(part_size, size - first) for first in range(0, size, part_size))


def part_ranges(sizes: Sequence[int]) -> Iterator[PartRange]:
    """The offset and size of each part."""
    first = 0
    for number, size in enumerate(sizes, start=1):
        yield PartRange(number, first, size)
        first += size


def make_of_parts(
    store: Connection, planned: PartedObject, send: SendPart, window: Window, log: UploadLog | None
) -> MadeObject:
    """Upload all parts, and complete the object.

    Args:
        store: the bucket.
        planned: the object.
        send: uploads or copies one part.
        window: the slots that parts share with other requests; the object itself has one already.
        log: records open uploads; without one, any failed upload is aborted.

    Raises:
        S3RequestError: the object was not created.
    """
    try:
        return _make(store, planned, send, window, log)
    except S3RequestError as error:
        # After a conflict, S3 forgets the upload, and wants another one. What an object is checked by may count each
        # part once.
        if error.operation != "CompleteMultipartUpload" or error.code != NO_SUCH_UPLOAD or not planned.is_resumable:
            raise
        if log is not None and (upload := log.find(planned.task.store_key)) is not None:
            log.ended(upload)
        return _make(store, planned, send, window, log)


def _make(
    store: Connection, planned: PartedObject, send: SendPart, window: Window, log: UploadLog | None
) -> MadeObject:
    begun: tuple[Ability, ...] | None = None
    resumed = _resume(store, planned, log)
    if resumed is None:
        upload, begun = _begin(store, planned, log)
        resumed = upload, {}
    upload, parts = resumed
    is_rejected = False
    try:
        missing = [part for part in part_ranges(upload.sizes) if part.number not in parts]
        parts |= _send_all(store, upload, missing, send, window)
        ordered = [parts[number] for number in sorted(parts)]
        is_rejected = True  # unless the judge accepts them: it would reject the same parts again
        headers = planned.judge(ordered)
        is_rejected = False
        made = _complete(store, upload, ordered, planned, headers)
    except BaseException as error:
        # Only with a log the next attempt can resume an open upload.
        is_transient = not isinstance(error, S3RequestError) or error.is_transient
        if log is None or not is_transient or is_rejected:
            # Another failure here must not hide the first. The upload stays in the log; without one, a lifecycle rule
            # can remove it.
            with suppress(S3RequestError):
                abandon(store, upload, log)
        raise
    if log is not None:
        log.ended(upload)
    version_id, is_new = made.version_id, begun is not None
    lost = settle(
        store,
        upload.key,
        made.etag,
        version_id,
        planned.new,
        begun or (),
        anew=is_new,
        operation="CreateMultipartUpload",
    ).result()
    return replace(made, lost=lost)


def _complete(
    store: Connection, upload: OpenUpload, parts: Sequence[Part], planned: PartedObject, headers: Pairs
) -> MadeObject:
    def send(condition: Pairs, optional: tuple[Optional, ...], on_end: OnEnd[Response]) -> None:
        more = (*headers, *condition)
        completed = complete_upload(store, upload.key, upload.upload_id, parts, planned.algorithm, more, optional)
        deliver(completed, on_end)

    try:
        answer = wait_for_pinned(store, "CompleteMultipartUpload", upload.key, planned.task.store_etag, send).result()
    except StoreChangedError as error:
        # A completion whose answer was lost is refused when it is sent again: it has done its work.
        found, expected = error.found, _etag_of(parts)
        if found is None or expected is None or not same_etag(found.etag, expected):
            raise
        with suppress(S3RequestError):
            abort_upload(store, upload.key, upload.upload_id)
        return MadeObject(found.etag, found.version_id)
    except S3RequestError as error:
        if not is_gone(error) or planned.is_rewritten:
            raise
        # If an answer was lost and the request sent again, some servers have already forgotten the upload.
        head = head_object(store, upload.key).result()
        if head is None or not same_etag(head.etag, _etag_of(parts)):
            raise
        return MadeObject(head.etag, head.version_id)
    request = Request("CompleteMultipartUpload", "POST", upload.key)
    etag = read_copied_etag(store.bucket, request, answer)
    # Some servers answer with another ETag than that of the object.
    head = None if etag and store.place.server == "aws" else head_object(store, upload.key).result()
    if not etag and (head is None or head.size not in (None, sum(upload.sizes)) or _is_other(head.etag, parts)):
        raise invalid_response(store.bucket, request, answer, "the answer has no ETag, and the object is not there")
    if head is None:
        return MadeObject(etag, version_of(answer))
    return MadeObject(head.etag, version_of(answer), size=head.size)


def _is_other(etag: str, parts: Sequence[Part]) -> bool:
    """Whether an ETag is that of a multipart upload of other parts."""
    expected = _etag_of(parts)
    return expected is not None and "-" in etag and not same_etag(etag, expected)


def _etag_of(parts: Sequence[Part]) -> str | None:
    """The ETag of the object with these parts; None if their ETags are no MD5s."""
    etags = [part.etag for part in parts]
    return composite_etag(etags) if all(map(PLAIN_MD5.fullmatch, etags)) else None


def abandon(store: Connection, upload: OpenUpload, log: UploadLog | None) -> None:
    """Abort an upload that will not be resumed.

    Raises:
        S3RequestError: it could not be aborted; it stays in the log.
    """
    abort_upload(store, upload.key, upload.upload_id)
    if log is not None:
        log.ended(upload)


def _begin(store: Connection, planned: PartedObject, log: UploadLog | None) -> tuple[OpenUpload, tuple[Ability, ...]]:
    task, new = planned.task, planned.new
    optional = (*new.optional, OPTIONAL_CHECKSUMS)
    upload_id, without = create_upload(store, task.store_key, (*new.headers, *planned.headers), optional)
    upload = OpenUpload(store.bucket, task.store_key, upload_id, task.source_etag, planned.sizes)
    if log is not None:
        log.begun(upload)
    return upload, without


def _resume(
    store: Connection, planned: PartedObject, log: UploadLog | None
) -> tuple[OpenUpload, dict[int, Part]] | None:
    """The upload that an earlier attempt left open, and its parts; None if a new one is needed."""
    upload = None if log is None else log.find(planned.task.store_key)
    if log is None or upload is None:
        return None
    is_same = same_etag(upload.source_etag, planned.task.source_etag) and upload.sizes == planned.sizes
    if not planned.is_resumable or not is_same:
        _try_to_abandon(store, upload, log)
        return None
    try:
        found = list_parts(store, upload.key, upload.upload_id, planned.algorithm)
    except S3RequestError as error:
        if error.is_transient:
            raise
        if is_gone(error):
            log.ended(upload)  # completed, or aborted by another process
        else:
            # A failure with the earlier attempt must not fail this one.
            _try_to_abandon(store, upload, log)
        return None
    ranges = {part.number: part for part in part_ranges(upload.sizes)}
    return upload, {
        number: part for number, part in found.items() if number in ranges and part.size == ranges[number].size
    }


def _try_to_abandon(store: Connection, upload: OpenUpload, log: UploadLog) -> None:
    """Abort an upload; if the server refuses that, it stays in the log."""
    try:
        abandon(store, upload, log)
    except S3RequestError as error:
        if error.is_transient:
            raise


def _send_all(
    store: Connection, upload: OpenUpload, ranges: Sequence[PartRange], send: SendPart, window: Window
) -> dict[int, Part]:
    """Send parts, several at once."""
    done: dict[int, Part] = {}
    waiting = deque(ranges)
    in_flight: dict[int, Future[Part]] = {}
    ended: SimpleQueue[int] = SimpleQueue()
    borrowed = 0

    def begin(part: PartRange) -> None:
        def on_end(_: "Future[Part]") -> None:
            ended.put(part.number)
            window.wake()

        in_flight[part.number] = send(part, upload.upload_id)
        in_flight[part.number].add_done_callback(on_end)

    try:
        while len(done) < len(ranges):
            # One part uses the object's own slot, so it continues even if all other slots are in use.
            if waiting and len(in_flight) < PARTS_IN_FLIGHT:
                has_slot = len(in_flight) <= borrowed
                if not has_slot and window.borrow(until=lambda: not ended.empty()):
                    borrowed, has_slot = borrowed + 1, True
                if has_slot:
                    begin(waiting.popleft())
                    continue
            number = ended.get()
            part = in_flight.pop(number)
            if borrowed:
                window.give_back()
                borrowed -= 1
            done[number] = part.result()
            store.raise_if_closing(Request("UploadPart", "PUT", upload.key))
    finally:
        # A part that arrives after the upload was aborted would stay in the bucket.
        wait_for_ends(in_flight.values())
        for _ in range(borrowed):
            window.give_back()
    return done
