"""Gives an object the annotations of another, after it was written by other means than CopyObject."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from threading import Lock

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.server_abilities import ANNOTATIONS
from hyve_pipeline.s3.objects.annotations import (
    Annotation,
    AnnotationsOf,
    list_annotations,
    put_annotation,
    read_annotation,
)
from hyve_pipeline.s3.objects.put import Put
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, S3RequestError
from hyve_pipeline.s3.wire.futures import completed, deliver, finish, follow, then
from hyve_pipeline.s3.wire.messages import Request

# Annotations of one object that are read and put at once: each may have 1 MiB.
_AT_ONCE = 4

_NONE: tuple[Annotation, ...] | None = ()


def carry_annotations(store: Connection, key: str, etag: str, of: AnnotationsOf, *, are_new: bool) -> "Future[bool]":
    """Give an object of the store the annotations of another object.

    Args:
        store: the bucket.
        key: the whole key.
        etag: the ETag that the store's object must still have.
        of: the annotations.
        are_new: the object was just written, and has none yet.

    Returns:
        A future that gives False if the store's server has no annotations, so that none was put. It raises
        `S3RequestError` if one could not be read or put, or the object has others in the end.
    """
    # Each process asks the server once at least, before the first write.
    is_known = are_new and store.abilities.has_proved(ANNOTATIONS)
    found = completed(_NONE) if is_known else list_annotations(store, key)

    def put(present: Sequence[Annotation] | None) -> "Future[bool]":
        if present is None:
            return completed(False)
        missing = of.entries if are_new else differing(of.entries, present)
        return follow(_put_all(store, key, etag, of, missing), check)

    def check(_: None) -> "Future[bool]":
        return then(list_annotations(store, key), judge)

    def judge(present: Sequence[Annotation] | None) -> bool:
        if present is None or _named(present) != _named(of.entries):
            request = Request("ListObjectAnnotations", "GET", key)
            reason = f"the object has {len(present or ())} annotations, and {len(of.entries)} were put"
            raise S3RequestError(store.bucket, request, INVALID_RESPONSE, reason)
        return True

    return follow(found, put)


def differing(wanted: Iterable[Annotation], present: Iterable[Annotation]) -> tuple[Annotation, ...]:
    """The annotations of one object that another lacks, or has with another text as far as sizes and ETags show it."""
    known = {entry.name: entry for entry in present}
    return tuple(
        entry
        for entry in wanted
        if (other := known.get(entry.name)) is None or other.size != entry.size or not same_etag(other.etag, entry.etag)
    )


def _named(entries: Iterable[Annotation]) -> dict[str, int]:
    return {entry.name: entry.size for entry in entries}


def _put_all(
    store: Connection, key: str, etag: str, of: AnnotationsOf, entries: Iterable[Annotation]
) -> "Future[None]":
    def put(entry: Annotation) -> "Future[Put]":
        return follow(read_annotation(of, entry), lambda text: put_annotation(store, key, etag, entry.name, text))

    return _all_of(entries, put)


def _all_of(things: Iterable[Annotation], begin: "Callable[[Annotation], Future[Put]]") -> "Future[None]":
    """Do something with each of many things, some at once, and stop after the first failure."""
    outcome: Future[None] = Future()
    waiting = deque(things)
    lock = Lock()
    running = 0
    failure: BaseException | None = None
    has_ended = False

    def go_on(ended: Put | BaseException | None) -> None:
        nonlocal running, failure, has_ended
        while True:
            with lock:
                running -= ended is not None
                if isinstance(ended, BaseException):
                    failure = failure or ended
                    waiting.clear()
                if not waiting or running == _AT_ONCE:
                    is_last = not waiting and not running and not has_ended
                    has_ended |= is_last
                    break
                thing = waiting.popleft()
                running += 1
            ended = None
            try:
                deliver(begin(thing), go_on)
            except Exception as error:  # noqa: BLE001 - closed just now, say; the future must end
                ended = error
        if is_last:
            finish(outcome, failure)

    go_on(None)
    return outcome
