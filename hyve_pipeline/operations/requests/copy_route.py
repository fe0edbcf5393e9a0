"""The route of copies from the source to the store: server-side, or through this process."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from http import HTTPStatus
from threading import Lock

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.copy_task import CopyRules, CopyTask
from hyve_pipeline.core.model.open_upload import UploadLog
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.requests.copy_rules import copy_rules
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.connection.server_abilities import COPIES, PART_COPIES, SOME_COPIES, Ability
from hyve_pipeline.s3.copying.copy_object import OnCopied, begin_copy
from hyve_pipeline.s3.copying.rewrite import rewrite_object
from hyve_pipeline.s3.objects.head import ObjectHead, head_object
from hyve_pipeline.s3.objects.pinned_write import StoreChangedError
from hyve_pipeline.s3.objects.properties import ObjectProperties, kept_parts
from hyve_pipeline.s3.objects.source_responses import CopyResult
from hyve_pipeline.s3.streaming.streamer import Streamer
from hyve_pipeline.s3.wire.errors import ObjectChangedError, S3RequestError
from hyve_pipeline.s3.wire.futures import deliver

# Rewrites an object of the store in place with new properties, see `s3.copying.rewrite.rewrite_object`.
Rewrite = Callable[[CopyTask, ObjectProperties], "Future[CopyResult]"]

# Copies one object, and hands the result or the error to a callback, see `s3.copying.copy_object.begin_copy`.
Copy = Callable[[CopyTask, OnCopied], None]


class CopyRoute:
    """How the objects of a shard are written to the store.

    Attributes:
        rules: how each object is copied.
        copy: copies one object.
        rewrite: gives an existing object of the store new properties, server-side.
    """

    def __init__(self, rules: CopyRules, copy: Copy, rewrite: Rewrite, *, most_by_server: int = -1) -> None:
        """Set up the route.

        Args:
            rules: how each object is copied.
            copy: copies one object.
            rewrite: rewrites one object.
            most_by_server: up to this many bytes, the server copies an object as a whole, with its properties.
        """
        self.rules = rules
        self._most_by_server = most_by_server
        self.copy = copy
        self.rewrite = rewrite

    def copies_at_once(self, task: CopyTask) -> bool:
        """Whether the server copies an object by one request, with its tags and annotations: none are put later."""
        return task.size <= self._most_by_server and kept_parts(self.rules, task.source_etag) is None


@contextmanager
def open_copy_route(
    plan: Plan, source: Connection, store: Connection, window: Window, log: UploadLog | None
) -> Iterator[CopyRoute]:
    """Open the route that a plan requires.

    Args:
        plan: the plan.
        source: the source.
        store: the store.
        window: the slots that parts of large objects share with all requests.
        log: records open multipart uploads.
    """
    options = plan.options
    rules = copy_rules(options, source, store)

    def rewrite(task: CopyTask, carried: ObjectProperties) -> "Future[CopyResult]":
        return rewrite_object(store, task, carried, part_size=options.multipart_part_size, window=window, log=log)

    if plan.transfer.by == "server":
        with ServerCopier(options, source, store, window, log) as copier:
            yield CopyRoute(rules, copier.copy, rewrite, most_by_server=options.multipart_threshold)
        return
    with Streamer(
        source, store, memory=options.stream_memory, threads=options.concurrency, window=window, log=log
    ) as streamer:
        yield CopyRoute(rules, lambda task, on_end: deliver(streamer.copy(task), on_end), rewrite)


class ServerCopier(Closing):
    """Lets the server copy from one of its buckets to another. Use it as a context manager.

    If the server does not implement CopyObject or UploadPartCopy, objects go through this process, unless the options
    require server-side copies.

    Args:
        options: the sync's options.
        source: the bucket to copy from.
        store: the bucket to copy to.
        window: the slots that parts share with other requests.
        log: records open multipart uploads.
    """

    def __init__(
        self, options: Options, source: Connection, store: Connection, window: Window, log: UploadLog | None = None
    ) -> None:
        self._options = options
        self._source = source
        self._store = store
        self._window = window
        self._log = log
        self._lock = Lock()
        self._stack = ExitStack()
        self._streamer: Streamer | None = None

    def close(self) -> None:
        """Close the other way, if it was opened."""
        self._stack.close()

    def copy(self, task: CopyTask, on_end: OnCopied) -> None:
        """Copy an object, see `begin_copy`."""
        options = self._options
        abilities = self._store.abilities
        has_parts = kept_parts(task.rules, task.source_etag) is not None
        is_parted = task.size > options.multipart_threshold or has_parts
        if abilities.lacks(COPIES) or (is_parted and abilities.lacks(PART_COPIES)):
            self._stream(task, on_end)
            return
        begin_copy(
            self._source,
            self._store,
            task,
            on_end if options.transfer == "server" else partial(self._end, task, on_end),
            multipart_threshold=options.multipart_threshold,
            part_size=options.multipart_part_size,
            window=self._window,
            log=self._log,
        )

    def _end(self, task: CopyTask, on_end: OnCopied, ended: CopyResult | BaseException) -> None:
        """Hand over the result of a copy, or stream the object if the server can't copy it."""
        if not isinstance(ended, S3RequestError) or ended.operation not in _UNKNOWN:
            on_end(ended)
        elif is_unknown_operation(ended):
            if ended.written is not None:
                # It took the request for the upload of nothing.
                task = task._replace(store_etag=ended.written)
            self._stream_instead(task, _UNKNOWN[ended.operation], on_end)
        elif _may_be_wrong(ended):
            self._stream_what_is_there(task, ended, on_end)
        else:
            on_end(ended)

    def _stream_what_is_there(self, task: CopyTask, error: S3RequestError, on_end: OnCopied) -> None:
        """Stream the object if the source still has it as planned, so that an error which says otherwise is wrong.

        Some servers decode the key of the source in another way, or compare its ETag by other rules.
        """

        def judge(head: ObjectHead | BaseException | None) -> None:
            if isinstance(head, ObjectHead) and same_etag(head.etag, task.source_etag):
                self._stream_instead(task, SOME_COPIES, on_end)
            else:
                on_end(error)

        try:
            deliver(head_object(self._source, task.source_key), judge)
        except Exception:  # noqa: BLE001 - closed just now, say; the copy must come to an end
            on_end(error)

    def _stream_instead(self, task: CopyTask, lacking: Ability, on_end: OnCopied) -> None:
        def learn(streamed: CopyResult | BaseException) -> None:
            if not isinstance(streamed, BaseException):
                self._store.abilities.note(lacking)
            on_end(streamed)

        try:
            self._stream(task, learn)
        except Exception as error:  # noqa: BLE001 - as above
            on_end(error)

    def _stream(self, task: CopyTask, on_end: OnCopied) -> None:
        with self._lock:
            if self._streamer is None:
                options = self._options
                streamer = Streamer(
                    self._source,
                    self._store,
                    memory=options.stream_memory,
                    threads=options.concurrency,
                    window=self._window,
                    log=self._log,
                )
                self._streamer = self._stack.enter_context(streamer)
        deliver(self._streamer.copy(task), on_end)


# So servers answer that do not understand how a request names its source.
_MISREAD = {"InvalidArgument", "InvalidRequest"}

# The ability that a server lacks if it does not implement an operation.
_UNKNOWN = {"CopyObject": COPIES, "UploadPartCopy": PART_COPIES}


def _may_be_wrong(error: S3RequestError) -> bool:
    """Whether a copy failed by an error that says that the source's object is not there, not the planned one, or so."""
    is_source_lacking = isinstance(error, ObjectChangedError) and not isinstance(error, StoreChangedError)
    return is_source_lacking or (error.status == HTTPStatus.BAD_REQUEST and error.code in _MISREAD)


def is_unknown_operation(error: S3RequestError) -> bool:
    """Whether an error says that the server does not implement the operation."""
    is_sure = error.status in (HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.METHOD_NOT_ALLOWED)
    return is_sure or error.code in ("NotImplemented", "MethodNotAllowed")
