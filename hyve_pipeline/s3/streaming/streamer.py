"""Copies objects through this process, if no server can copy from one bucket to the other.

Objects are read in ranges that are pinned to the planned ETag, and written with checksums that the store's server
checks. What was read is checked against the source's checksum, or its MD5 if the ETag is one. The memory is limited.
"""

from concurrent.futures import Future, ThreadPoolExecutor

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.open_upload import UploadLog
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.copying.multipart_upload import make_of_parts, part_sizes
from hyve_pipeline.s3.objects.multipart_api import are_parts_refused
from hyve_pipeline.s3.objects.part_checksums import SourceParts, read_source_parts
from hyve_pipeline.s3.objects.properties import (
    kept_parts,
    read_all_properties,
    read_part_sizes,
)
from hyve_pipeline.s3.objects.put import written_algorithm
from hyve_pipeline.s3.objects.source_responses import CopyResult, raise_source_error, source_error
from hyve_pipeline.s3.streaming.memory_budget import Budget, BudgetClosedError
from hyve_pipeline.s3.streaming.multipart import LARGE, PartedStream, Ways, memory_of
from hyve_pipeline.s3.streaming.whole import put_whole, read_by_one_request, read_whole
from hyve_pipeline.s3.wire.errors import CONNECTION_ERROR, S3RequestError
from hyve_pipeline.s3.wire.futures import follow, recover, wait_for_ends
from hyve_pipeline.s3.wire.messages import Request

# Larger objects are written in parts; up to this size an ETag that is the MD5 stays the same.
_MAX_WHOLE = 64 * MIB

# Bytes of a part, if the source's are unknown, or too large for the memory.
STREAMED_PART = 16 * MIB

_MAX_THREADS = 64
_PART_THREADS = 32

# After an interrupt, the threads may take so long to end before the connections are closed.
_CLOSE_SECONDS = 5.0


def most_in_one(memory: int) -> int:
    """The most bytes of an object, or of a part, that is written by one request, where so much memory may be used."""
    return min(_MAX_WHOLE, memory // 4)


class Streamer(Closing):
    """Copies objects from one bucket to another through this process. Use it as a context manager.

    Args:
        source: the bucket that objects are read from.
        store: the bucket that they are written to.
        memory: the most bytes in memory at once; a larger part is streamed alone.
        threads: the most objects at once.
        window: the slots that parts share with other requests.
        log: records open multipart uploads.
    """

    def __init__(
        self,
        source: Connection,
        store: Connection,
        *,
        memory: int,
        threads: int,
        window: Window,
        log: UploadLog | None = None,
        part_threads: int = _PART_THREADS,
    ) -> None:
        self._source = source
        self._store = store
        self._window = window
        self._log = log
        self._budget = Budget(memory)
        self._max_whole = most_in_one(memory)
        self._running: set[Future[CopyResult]] = set()
        self._objects = ThreadPoolExecutor(min(threads, _MAX_THREADS), thread_name_prefix="stream")
        # Not those of the objects, which wait for the parts.
        self._parts = ThreadPoolExecutor(part_threads, thread_name_prefix="stream-part")
        self._ways = Ways(source, store, self._budget, self._parts)

    def close(self) -> None:
        """Give up what has not begun, and wait a while for the rest."""
        self._budget.close()
        self._objects.shutdown(wait=False, cancel_futures=True)
        # Parts that were not started notice that the budget is closed. Cancelled ones would leave their object waiting.
        self._parts.shutdown(wait=False)
        wait_for_ends(self._running, _CLOSE_SECONDS)

    def copy(self, task: CopyTask) -> "Future[CopyResult]":
        """Copy an object.

        Returns:
            A future that gives the result or raises like that of `copy_object.copy_object`.
        """
        future = self._begin_small(task)
        if future is None:
            future = self._objects.submit(self._copy, task)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    def _begin_small(self, task: CopyTask) -> "Future[CopyResult] | None":
        """Begin to copy an object without a thread of its own; None if it needs one.

        For small objects, switching between threads that wait takes longer than everything else, and their checksums
        take so little time that other requests can wait for them.
        """
        has_parts = kept_parts(task.rules, task.source_etag) is not None
        if task.size > LARGE or has_parts:
            return None
        taken = self._budget.try_take(memory_of(task.size))
        if taken is None:
            return None
        try:
            read = read_by_one_request(self._source, task)
            future = recover(
                follow(read, lambda whole: put_whole(self._source, self._store, task, whole)), raise_source_error
            )
        except BaseException:
            self._budget.give_back(taken)
            raise
        future.add_done_callback(lambda _: self._budget.give_back(taken))
        return future

    def _copy(self, task: CopyTask) -> CopyResult:
        try:
            kept = self._parts_to_keep(task) if task.rules.keeps_parts else None
            if kept is not None and max(kept.sizes) <= self._max_whole:
                try:
                    return self._copy_parts(task, kept, are_kept=True)
                except S3RequestError as error:
                    if not are_parts_refused(self._store, error):
                        raise
            if task.size <= self._max_whole:
                with self._budget.holding(memory_of(task.size)):
                    return put_whole(self._source, self._store, task, read_whole(self._source, task)).result()
            return self._copy_parts(task, SourceParts(part_sizes(self._store, task, STREAMED_PART)), are_kept=False)
        except BudgetClosedError:
            request = Request("GetObject", "GET", task.source_key)
            raise S3RequestError(self._source.bucket, request, CONNECTION_ERROR, "the copy was interrupted") from None
        except S3RequestError as error:
            raise source_error(error) from None

    def _parts_to_keep(self, task: CopyTask) -> SourceParts | None:
        """The parts of the source's object; with their checksums, if a server that checks them is to get these."""
        told = read_source_parts(self._source, task) if self._store.place.server == AWS else None
        if told is not None:
            return told
        sizes = read_part_sizes(self._source, task)
        return None if sizes is None else SourceParts(sizes)

    def _copy_parts(self, task: CopyTask, parts: SourceParts, *, are_kept: bool) -> CopyResult:
        properties = read_all_properties(self._source, task)
        algorithm = written_algorithm(self._store, properties.checksums)
        upload = PartedStream(self._ways, task, properties, parts, algorithm, are_kept=are_kept)
        made = make_of_parts(self._store, upload.planned, upload.send, self._window, self._log)
        version_id = properties.version_id
        return CopyResult(made.etag, made.version_id, version_id, task.size, lost=made.lost, shared=upload.shared)
