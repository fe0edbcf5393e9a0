"""Copying objects through this process, where no server can copy from one bucket to the other.

Objects are read in ranges that are pinned to the planned ETag, and written with checksums that the store's server
holds against what arrived. What was read is held against what the source's server tells of the whole: its checksum
or, where the ETag is one, the MD5. How much is in memory at once is bounded.
"""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType

from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.open_upload import UploadLog
from hyve_pipeline.core.settings.model import MIB
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.copying.multipart_upload import make_of_parts, part_sizes
from hyve_pipeline.s3.objects.properties import (
    parts_of_etag,
    read_all_properties,
    read_part_sizes,
)
from hyve_pipeline.s3.objects.put import written_algorithm
from hyve_pipeline.s3.objects.source_responses import CopyResult, raise_source_error, source_error
from hyve_pipeline.s3.streaming.memory_budget import Budget, BudgetClosedError
from hyve_pipeline.s3.streaming.multipart import PartedStream, Ways, memory_of
from hyve_pipeline.s3.streaming.whole import put_whole, read_by_one_request, read_whole
from hyve_pipeline.s3.wire.errors import CONNECTION_ERROR, S3RequestError
from hyve_pipeline.s3.wire.futures import follow, recover

# Larger objects are written in parts; up to here an object that has the MD5 as its ETag keeps it.
_MOST_WHOLE = 64 * MIB

# Bytes of a part, where the source's are not known, or too large to be held in memory.
_PART = 16 * MIB

# Smaller objects take no thread: their checksums take so little time that other requests can wait for them.
_MOST_UNTHREADED = MIB

_MOST_THREADS = 64
_PART_THREADS = 32

# How long the threads get to end when the work is given up, before the connections are closed under them.
_CLOSE_SECONDS = 5.0


class Streamer:
    """Copies objects from one bucket to another through this process. Use it as a context manager.

    Args:
        source: where objects are read.
        store: where they are written.
        memory: bytes of objects that may be held at once, or one part.
        threads: objects at once.
        window: the slots that parts share with other requests.
        log: knows uploads in parts that are open.
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
    ) -> None:
        self._source = source
        self._store = store
        self._window = window
        self._log = log
        self._budget = Budget(memory)
        self._most_whole = min(_MOST_WHOLE, memory // 4)
        self._running: set[Future[CopyResult]] = set()
        self._objects = ThreadPoolExecutor(min(threads, _MOST_THREADS), thread_name_prefix="stream")
        # Apart from the objects' threads, which wait for them.
        self._parts = ThreadPoolExecutor(_PART_THREADS, thread_name_prefix="stream-part")
        self._ways = Ways(source, store, self._budget, self._parts)

    def __enter__(self) -> "Streamer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.close()
        self._objects.shutdown(wait=False, cancel_futures=True)
        # Parts that are not begun notice that the budget is closed. To cancel them would leave their object waiting:
        # `concurrent.futures.wait` does not count what a pool cancels as ended.
        self._parts.shutdown(wait=False)
        wait(list(self._running), _CLOSE_SECONDS)

    def copy(self, task: CopyTask) -> "Future[CopyResult]":
        """Copy an object.

        Returns:
            A future that gives the outcome or raises as that of `copying.copy_object` does.
        """
        future = self._begin_small(task)
        if future is None:
            future = self._objects.submit(self._copy, task)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    def _begin_small(self, task: CopyTask) -> "Future[CopyResult] | None":
        """Begin to copy an object without a thread of its own; None where one is needed.

        Threads that wait for answers, and then for Python's lock, take longer than all else for a small object.
        """
        has_parts = task.rules.keeps_parts and parts_of_etag(task.source_etag) is not None
        if task.size > _MOST_UNTHREADED or has_parts:
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
            sizes = read_part_sizes(self._source, task) if task.rules.keeps_parts else None
            if sizes is not None and max(sizes) <= self._most_whole:
                return self._copy_parts(task, sizes, are_kept=True)
            if task.size <= self._most_whole:
                with self._budget.holding(memory_of(task.size)):
                    return put_whole(self._source, self._store, task, read_whole(self._source, task)).result()
            return self._copy_parts(task, part_sizes(task.size, _PART), are_kept=False)
        except BudgetClosedError:
            raise self._closing(task) from None
        except S3RequestError as error:
            raise source_error(error) from None

    def _copy_parts(self, task: CopyTask, sizes: tuple[int, ...], *, are_kept: bool) -> CopyResult:
        properties = read_all_properties(self._source, task)
        algorithm = written_algorithm(self._store, properties.checksums)
        upload = PartedStream(self._ways, task, properties, sizes, algorithm, are_kept=are_kept)
        made = make_of_parts(self._store, upload.planned, upload.send, self._window, self._log)
        return CopyResult(made.etag, made.version_id, properties.version_id, task.size, lost=made.lost)

    def _closing(self, task: CopyTask) -> S3RequestError:
        return S3RequestError(
            "GetObject",
            self._source.bucket,
            task.source_key,
            status=None,
            code=CONNECTION_ERROR,
            message="the work is being given up",
        )
