"""Copying objects through this process, where no server can copy from one bucket to the other.

Objects are read in ranges that are pinned to the planned ETag, and written with checksums that the store's server
holds against what arrived. What was read is held against what the source's server tells of the whole: its checksum
or, where the ETag is one, the MD5. How much is in memory at once is bounded.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from types import TracebackType
from typing import TypeVar

from hyve_pipeline.core.actions import CopyTask
from hyve_pipeline.core.settings import MIB
from hyve_pipeline.core.uploads import UploadLog
from hyve_pipeline.s3.budget import Budget, BudgetClosedError
from hyve_pipeline.s3.checksums import DEFAULT_ALGORITHM
from hyve_pipeline.s3.connection import Connection
from hyve_pipeline.s3.contents import read_object
from hyve_pipeline.s3.copy_answers import CopyResult, source_error
from hyve_pipeline.s3.errors import CONNECTION_ERROR, S3RequestError
from hyve_pipeline.s3.grants import read_grants
from hyve_pipeline.s3.heading import version_of
from hyve_pipeline.s3.message import Request
from hyve_pipeline.s3.parts import PartRange, make_of_parts, part_sizes
from hyve_pipeline.s3.properties import (
    ObjectProperties,
    properties_of,
    read_all_properties,
    read_part_sizes,
    read_tags,
    tagging,
)
from hyve_pipeline.s3.streamed_parts import MOST_READ, PartedStream, Ways, memory_of, other_content, read_range
from hyve_pipeline.s3.window import Window
from hyve_pipeline.s3.writing import PLAIN_MD5, Content, put_content, refuses_checksum

# Larger objects are written in parts; up to here an object that has the MD5 as its ETag keeps it.
_MOST_WHOLE = 64 * MIB

# Bytes of a part, where the source's are not known, or too large to be held in memory.
_PART = 16 * MIB

_MOST_THREADS = 64
_PART_THREADS = 32

# How long the threads get to end when the work is given up, before the connections are closed under them.
_CLOSE_SECONDS = 5.0

T = TypeVar("T")


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
        self._most_whole = min(_MOST_WHOLE, memory // 2)
        self._has_checksums = True
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
        for pool in (self._objects, self._parts):
            pool.shutdown(wait=False, cancel_futures=True)
        wait(list(self._running), _CLOSE_SECONDS)

    def copy(self, task: CopyTask) -> "Future[CopyResult]":
        """Copy an object.

        Returns:
            A future that gives the outcome or raises as that of `copying.copy_object` does.
        """
        future = self._objects.submit(self._copy, task)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    def _copy(self, task: CopyTask) -> CopyResult:
        try:
            sizes = read_part_sizes(self._source, task) if task.rules.keeps_parts else None
            if sizes is not None and max(sizes) <= self._most_whole:
                return self._copy_parts(task, sizes, are_kept=True)
            if task.size <= self._most_whole:
                return self._copy_whole(task)
            return self._copy_parts(task, part_sizes(task.size, _PART), are_kept=False)
        except BudgetClosedError:
            raise self._closing(task) from None
        except S3RequestError as error:
            raise source_error(error) from error

    def _copy_whole(self, task: CopyTask) -> CopyResult:
        with self._budget.holding(memory_of(task.size)):
            properties, data = self._read_whole(task)

            def put(algorithm: str | None) -> CopyResult:
                content = Content.of(data, algorithm, needs_md5=True)
                self._check_whole(task, properties, content)
                request = Request(
                    "PutObject", "PUT", task.store_key, headers=(*properties.headers, *task.rules.headers)
                )
                part, answer = put_content(self._store, request, content)
                return CopyResult(part.etag, version_of(answer), properties.version_id, task.size)

            return self._with_checksum(put, properties.checksums.algorithm)

    def _read_whole(self, task: CopyTask) -> tuple[ObjectProperties, bytes]:
        """An object's properties and content."""
        key, etag = task.source_key, task.source_etag
        if task.size > MOST_READ:
            # Properties first: what can't be read should not be read in many pieces.
            return read_all_properties(self._source, task), read_range(self._source, task, PartRange(1, 0, task.size))
        content = read_object(self._source, key, etag, task.size)
        tags = read_tags(self._source, key)
        grants = read_grants(self._source, key) if task.rules.copies_grants else None
        response = content.result()
        properties = properties_of(self._source, Request("GetObject", "GET", key), response)
        headers = (*properties.headers, *tagging(tags.result()), *(grants.result() if grants is not None else ()))
        return replace(properties, headers=headers), response.body

    def _check_whole(self, task: CopyTask, properties: ObjectProperties, content: Content) -> None:
        """Hold what was read against what the source tells of it.

        Raises:
            S3RequestError: it is something else.
        """
        if PLAIN_MD5.fullmatch(task.source_etag) and properties.is_etag_md5 and content.md5 != task.source_etag:
            raise other_content(self._source, task, f"its MD5 is {content.md5}, its ETag {task.source_etag}")
        known = properties.checksums
        told = known.values.get(content.algorithm or "")
        if known.is_of_whole and told is not None and told != content.checksum:
            raise other_content(
                self._source, task, f"its {content.algorithm} is {content.checksum}, the source says {told}"
            )

    def _copy_parts(self, task: CopyTask, sizes: tuple[int, ...], *, are_kept: bool) -> CopyResult:
        properties = read_all_properties(self._source, task)
        known = properties.checksums

        def make(algorithm: str | None) -> CopyResult:
            upload = PartedStream(self._ways, task, properties, sizes, algorithm, are_kept=are_kept)
            made = make_of_parts(self._store, upload.planned, upload.send, self._window, self._log)
            return CopyResult(made.etag, made.version_id, properties.version_id, task.size)

        return self._with_checksum(make, known.algorithm)

    def _with_checksum(self, write: Callable[[str | None], T], of_source: str | None) -> T:
        """Write with the source's kind of checksum, or the usual one, or none where the store knows none."""
        if self._has_checksums:
            try:
                return write(of_source or DEFAULT_ALGORITHM)
            except S3RequestError as error:
                if error.bucket != self._store.bucket or not refuses_checksum(error):
                    raise
            self._has_checksums = False
        return write(None)

    def _closing(self, task: CopyTask) -> S3RequestError:
        return S3RequestError(
            "GetObject",
            self._source.bucket,
            task.source_key,
            status=None,
            code=CONNECTION_ERROR,
            message="the work is being given up",
        )
