"""Writes that say what they expect in the store: no object of their key, or the one that was planned.

S3 refuses such a write with 412 if the expectation does not hold. Other servers ignore the condition of some
operations, and nothing in an answer shows that. So before a server has proved that it keeps a condition, the store's
object is looked at by a HEAD right before each write, and the first small write of each kind is sent with a condition
that can't hold: a server that keeps it refuses the write, and one that ignores it writes what was to be written anyway.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from typing import Generic, Protocol, TypeVar

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.copy_task import NO_OBJECT
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import Optional, may_be_unsupported
from hyve_pipeline.s3.connection.server_abilities import (
    Ability,
    accepted_conditions,
    kept_conditions,
    match_of_writes,
    relied_on,
)
from hyve_pipeline.s3.objects.exact_key import is_other_key
from hyve_pipeline.s3.objects.head import ObjectHead, head_object
from hyve_pipeline.s3.objects.read_headers import condition_headers
from hyve_pipeline.s3.wire.errors import ObjectChangedError, S3RequestError
from hyve_pipeline.s3.wire.futures import LightFuture, completed, deliver, finish, follow, then
from hyve_pipeline.s3.wire.messages import Pairs, Request

T = TypeVar("T")

OnEnd = Callable[[T | BaseException], object]

# Sends a write with the headers of a condition, and hands over its result or its error. The second argument has the
# condition if the write may be sent without it to a server that refuses it.
Send = Callable[[Pairs, tuple[Optional, ...], OnEnd[T]], object]

_MATCH, _NONE_MATCH = "if-match", "if-none-match"

# An ETag that no object has, for a condition that can't hold.
NO_ETAG = "0" * 32

# Larger objects are not sent once more to find out something about the server.
_MOST_TRIAL_BYTES = 1024**2


def expectation(store_etag: str) -> Pairs:
    """The header that says what a write expects in the store, see `CopyTask.store_etag`."""
    return ((_NONE_MATCH, "*"),) if store_etag == NO_OBJECT else condition_headers(store_etag)


class KnownAbilities(Protocol):
    """What is known of a server, see `ServerAbilities`."""

    def lacks(self, ability: Ability) -> bool:
        """Whether it is known to lack something."""
        ...

    def has_proved(self, ability: Ability) -> bool:
        """Whether it has shown that it has something."""
        ...


def is_relied_on(server: str, abilities: KnownAbilities, operation: str, header: str) -> bool:
    """Whether a server is known to keep a condition, so that nothing is looked at before a write.

    Args:
        server: the server, see `Place.server`.
        abilities: what is known of it.
        operation: the operation that writes.
        header: the condition, as `expectation` names it.
    """
    if abilities.lacks(kept_conditions(operation)) or abilities.lacks(accepted_conditions(operation)):
        return False
    if header == _MATCH and abilities.lacks(match_of_writes(operation)):
        return False
    return server == AWS or abilities.has_proved(relied_on(operation, header))


def write_pinned(
    store: Connection,
    operation: str,
    key: str,
    store_etag: str | None,
    send: Send[T],
    on_end: OnEnd[T],
    *,
    size: int | None = None,
    is_source_same: "Callable[[], Future[bool]] | None" = None,
    was_seen: bool = False,
) -> None:
    """Write an object if the store still has what is expected there.

    Args:
        store: the bucket.
        operation: the operation that writes: CopyObject, PutObject or CompleteMultipartUpload.
        key: the whole key.
        store_etag: what is expected, see `CopyTask.store_etag`.
        send: sends the write.
        on_end: gets its result, or `StoreChangedError`, or the error of the write. It runs on a thread of the
            transport, see `Connection.exchange`.
        size: bytes, if the write may be sent twice to find out whether the server keeps the condition.
        is_source_same: asks whether the source's object is still the planned one, if the write has a condition on it
            too.
        was_seen: the store's object was looked at just before.
    """
    if store_etag is None:
        send((), (), on_end)
    else:
        _PinnedWrite(store, operation, key, store_etag, send, on_end, size, is_source_same).begin(was_seen=was_seen)


def wait_for_pinned(
    store: Connection, operation: str, key: str, store_etag: str | None, send: Send[T], *, was_seen: bool = False
) -> "Future[T]":
    """Like `write_pinned`, with a future."""
    outcome: Future[T] = LightFuture()
    write_pinned(store, operation, key, store_etag, send, partial(finish, outcome), was_seen=was_seen)
    return outcome


class StoreChangedError(ObjectChangedError):
    """The store's object is no longer the planned one, so it was not overwritten.

    Attributes:
        found: what the store has; None if it has no such object.
    """

    found: ObjectHead | None = None


class _PinnedWrite(Generic[T]):
    def __init__(
        self,
        store: Connection,
        operation: str,
        key: str,
        store_etag: str,
        send: Send[T],
        on_end: OnEnd[T],
        size: int | None,
        is_source_same: "Callable[[], Future[bool]] | None",
    ) -> None:
        self._store = store
        self._operation = operation
        self._key = key
        self._store_etag = store_etag
        self._send = send
        self._on_end = on_end
        self._size = size
        self._is_source_same = is_source_same
        self._condition = expectation(store_etag)
        self._header = self._condition[0][0]
        self._optional: tuple[Optional, ...] = ()
        self._has_repeated = False

    def begin(self, *, was_seen: bool) -> None:
        if self._is_kept():
            self._send(self._condition, (), self._judge)
        elif was_seen:
            self._send_seen()
        else:
            self._look()

    def _is_kept(self) -> bool:
        """Whether the server keeps the condition, so that nothing needs to be looked at before."""
        return is_relied_on(self._store.place.server, self._store.abilities, self._operation, self._header)

    def _guarded(self, step: Callable[[], object]) -> None:
        """Take a step on a thread of the transport, where nothing may raise."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - closed just now, say; the write must come to an end
            self._on_end(error)

    def _look(self) -> None:
        def judge(found: ObjectHead | BaseException | None) -> None:
            if isinstance(found, BaseException):
                self._on_end(found)
            elif not self._is_expected(found):
                self._on_end(self._changed(found))
            else:
                self._guarded(self._send_seen)

        deliver(self._find(), judge)

    def _find(self) -> "Future[ObjectHead | None]":
        """What the store has of the key."""
        store, key = self._store, self._key

        def confirm(found: ObjectHead | None) -> "Future[ObjectHead | None]":
            if found is None or self._store_etag != NO_OBJECT:
                return completed(found)
            return then(is_other_key(store, key), lambda is_other: None if is_other else found)

        return follow(head_object(store, key), confirm)

    def _send_seen(self) -> None:
        """Send the write, right after the store's object was looked at."""
        abilities, operation = self._store.abilities, self._operation
        is_known = abilities.lacks(kept_conditions(operation)) or abilities.lacks(accepted_conditions(operation))
        if not is_known and self._size is not None and self._size <= _MOST_TRIAL_BYTES and self._begin_trial():
            self._send(condition_headers(NO_ETAG), (), self._judge_trial)
            return
        if self._header == _MATCH and abilities.lacks(match_of_writes(operation)):
            self._send((), (), self._on_end)
            return
        self._optional = (
            Optional(accepted_conditions(operation), (_MATCH, _NONE_MATCH), (_MATCH, _NONE_MATCH, "condition")),
        )
        self._send(self._condition, self._optional, self._judge)

    def _begin_trial(self) -> bool:
        return self._store.abilities.begin_trial(relied_on(self._operation, self._header))

    def _end_trial(self) -> None:
        self._store.abilities.end_trial(relied_on(self._operation, self._header))

    def _judge_trial(self, ended: T | BaseException) -> None:
        """Judge the write with the condition that can't hold."""
        if not isinstance(ended, BaseException):
            self._store.abilities.note(kept_conditions(self._operation))
            self._on_end(ended)
            return
        if isinstance(ended, S3RequestError) and (ended.written is not None or ended.is_transient):
            # Of a transient failure all retries are spent: the write itself would spend as many again.
            self._end_trial()
            self._on_end(ended)
            return
        was_refused = isinstance(ended, S3RequestError) and _says_changed(ended, _MATCH)
        if not was_refused:
            self._end_trial()
        # Whatever it was: the write itself shows it again.
        judge = self._judge_second if was_refused else self._judge
        self._guarded(partial(self._send, self._condition, (), judge))

    def _judge_second(self, ended: T | BaseException) -> None:
        """Judge the write itself, after the one with the other condition was refused."""
        if isinstance(ended, BaseException):
            self._end_trial()
            self._judge(ended)
            return
        self._prove(_MATCH)
        if self._header == _MATCH:
            self._on_end(ended)
            return

        def judge_third(again: T | BaseException) -> None:
            if not isinstance(again, BaseException):
                # It keeps If-Match alone. What was written twice is the same.
                self._store.abilities.note(kept_conditions(self._operation))
                self._on_end(again)
                return
            if isinstance(again, S3RequestError) and again.status == HTTPStatus.PRECONDITION_FAILED:
                self._prove(_NONE_MATCH)
            else:
                self._end_trial()
            self._on_end(ended)

        # Now there is an object, and the same condition does not hold any more.
        try:
            self._send(self._condition, (), judge_third)
        except Exception:  # noqa: BLE001 - closed just now, say; the object is written
            self._on_end(ended)

    def _prove(self, header: str) -> None:
        self._store.abilities.prove(relied_on(self._operation, header))

    def _judge(self, ended: T | BaseException) -> None:
        if not isinstance(ended, S3RequestError):
            self._on_end(ended)
        elif _says_changed(ended, self._header):
            self._guarded(partial(self._explain, ended))
        elif may_be_unsupported(ended) and not self._optional and ended.written is None:
            # Without the condition it may be sent only after a look.
            self._guarded(self._look_before_leaving_out)
        else:
            self._on_end(ended)

    def _look_before_leaving_out(self) -> None:
        self._size = None
        self._look()

    def _explain(self, error: S3RequestError) -> None:
        """Find out what a refusal is about: the store's object, the source's, or neither."""
        if error.condition is not None and error.condition.startswith("x-amz-copy-source"):
            self._on_end(error)
            return

        is_source_same = self._is_source_same

        def judge(found: ObjectHead | BaseException | None) -> None:
            if isinstance(found, BaseException):
                self._on_end(found)
            elif not self._is_expected(found):
                self._on_end(self._changed(found, error))
            elif error.condition is None and is_source_same is not None:
                self._guarded(partial(ask_source, is_source_same))
            else:
                self._guarded(partial(self._repeat, error))

        def ask_source(ask: "Callable[[], Future[bool]]") -> None:
            deliver(ask(), judge_source)

        def judge_source(is_same: bool | BaseException) -> None:
            if isinstance(is_same, BaseException):
                self._on_end(is_same)
            elif is_same:
                self._guarded(partial(self._repeat, error))
            else:
                self._on_end(error)

        deliver(self._find(), judge)

    def _repeat(self, error: S3RequestError) -> None:
        """Send a write again whose condition holds, although the server says that it does not."""
        if not self._has_repeated:
            self._has_repeated = True
            self._send(self._condition, self._optional, self._judge)
        elif self._header == _MATCH and error.status == HTTPStatus.PRECONDITION_FAILED:
            # Some servers compare ETags with the quotes. What the store has was looked at just now.
            self._store.abilities.note(match_of_writes(self._operation))
            self._send((), (), self._on_end)
        else:
            self._on_end(error)

    def _is_expected(self, found: ObjectHead | None) -> bool:
        if found is None or self._store_etag == NO_OBJECT:
            return found is None and self._store_etag == NO_OBJECT
        return same_etag(found.etag, self._store_etag)

    def _changed(self, found: ObjectHead | None, refused: S3RequestError | None = None) -> StoreChangedError:
        planned = "had none" if self._store_etag == NO_OBJECT else f"had the ETag {self._store_etag}"
        now = "has no such object" if found is None else f"has an object with the ETag {found.etag}"
        reason = f"the store {now} now, and {planned} when it was planned"
        request = Request(self._operation, "PUT", self._key)
        error = StoreChangedError(self._store.bucket, request, "PreconditionFailed", reason, status=412)
        error.found = found
        error.sends = 1 if refused is None else refused.sends
        return error


def _says_changed(error: S3RequestError, header: str) -> bool:
    """Whether a refusal says that a condition does not hold; where there is no object to match, S3 says so instead."""
    is_missing = error.status == HTTPStatus.NOT_FOUND and error.code in ("NoSuchKey", "NotFound")
    return error.status == HTTPStatus.PRECONDITION_FAILED or (is_missing and header == _MATCH)
