"""The way that objects take from the source to the store: within the server, or through this process."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from hyve_pipeline.core.model.copy_task import CopyRules, CopyTask
from hyve_pipeline.core.model.open_upload import UploadLog
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.settings.model import Options
from hyve_pipeline.operations.requests.copy_rules import copy_rules
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.copying.copy_object import copy_object
from hyve_pipeline.s3.copying.rewrite import rewrite_object
from hyve_pipeline.s3.objects.properties import ObjectProperties, parts_of_etag
from hyve_pipeline.s3.objects.source_responses import CopyResult
from hyve_pipeline.s3.streaming.streamer import Streamer

# Writes an object of the store onto itself, with what it is to carry from now on, see `s3.repairing.rewrite_object`.
Rewrite = Callable[[CopyTask, ObjectProperties], "Future[CopyResult]"]

# Copies one object; the future gives the outcome or raises, see `s3.copying.copy_object`.
Copy = Callable[[CopyTask], "Future[CopyResult]"]


class Way:
    """How the objects of a shard get into the store.

    Attributes:
        rules: how each is copied.
        copy: copies one.
        rewrite: gives one that is there already other properties, always within the store.
    """

    def __init__(self, rules: CopyRules, copy: Copy, rewrite: Rewrite, *, most_by_server: int = -1) -> None:
        """Take what a plan says.

        Args:
            rules: how each is copied.
            copy: copies one.
            rewrite: rewrites one.
            most_by_server: objects up to this many bytes are copied by the server as a whole, with all that they carry.
        """
        self.rules = rules
        self._most_by_server = most_by_server
        self.copy = copy
        self.rewrite = rewrite

    def sends_tags(self, task: CopyTask) -> bool:
        """Whether an object's tags are read and sent, in a request of their own where they are long."""
        has_parts = self.rules.keeps_parts and parts_of_etag(task.source_etag) is not None
        return self.rules.tags != "skip" and (task.size > self._most_by_server or has_parts)


@contextmanager
def open_way(plan: Plan, source: Connection, store: Connection, window: Window, log: UploadLog | None) -> Iterator[Way]:
    """The way that a plan says.

    Args:
        plan: the plan.
        source: where objects come from.
        store: where they go.
        window: the slots that parts of large objects share with all objects.
        log: knows uploads in parts that are open.
    """
    options = plan.options
    rules = copy_rules(options, source)

    def rewrite(task: CopyTask, carried: ObjectProperties) -> "Future[CopyResult]":
        return rewrite_object(store, task, carried, part_size=options.multipart_part_size, window=window, log=log)

    if plan.transfer.by == "server":
        copy = within_server(options, source, store, window, log)
        yield Way(rules, copy, rewrite, most_by_server=options.multipart_threshold)
        return
    with Streamer(
        source, store, memory=options.stream_memory, threads=options.concurrency, window=window, log=log
    ) as streamer:
        yield Way(rules, streamer.copy, rewrite)


def within_server(
    options: Options, source: Connection, store: Connection, window: Window, log: UploadLog | None = None
) -> Copy:
    """Lets the server copy from one of its buckets to another."""

    def copy(task: CopyTask) -> "Future[CopyResult]":
        return copy_object(
            source,
            store,
            task,
            multipart_threshold=options.multipart_threshold,
            part_size=options.multipart_part_size,
            window=window,
            log=log,
        )

    return copy
