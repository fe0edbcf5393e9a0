"""Follows a sync by its events, round after round, beside its plans of all keys and never during one."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from typing import TypeVar

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError, IncompleteInventoryError, RefusedError
from hyve_pipeline.core.runtime.interruption import pause
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.follow.round import MOST_MESSAGES, SETTLE_SECONDS, Round, do_round, gather
from hyve_pipeline.operations.follow.turns import ONE_AT_A_TIME, busy_with
from hyve_pipeline.s3.events.queue import MOST_WAIT_SECONDS, Message, Queue

T = TypeVar("T")

# The most rounds of a run of Dagster; the next run goes on.
_MOST_ROUNDS = 20

# How often it is looked whether another plan has ended, and seconds after a failure until the next try, at first and at
# most.
_LOOK_SECONDS = 2.0
_MOST_RETRY_SECONDS = 300.0


def open_queue(context: SyncContext) -> Queue:
    """The queue of a sync's events.

    Raises:
        ConfigurationError: none is set, or its credentials can't be used.
    """
    events = context.settings.events
    if events is None:
        raise ConfigurationError(f"sync {context.name} has no queue: set queue_url in [sync.{context.name}.events]")
    source, keys = context.settings.source, None
    if source.resource is not None and events.profile is None:
        if source.resource not in context.keys:
            raise ConfigurationError(
                f"{events.queue_url}: its credentials are in the resource {source.resource!r} of a Dagster project, "
                "which only its runs can use: set profile for the queue"
            )
        keys = context.keys[source.resource]
    return Queue(events, source, keys)


def follow_once(context: SyncContext, queue: Queue, *, settle_seconds: int = SETTLE_SECONDS) -> Round:
    """One round with the messages that are there now.

    Raises:
        RefusedError: another process is making or applying a plan of the sync, or follows it.
        HyveError: see `do_round`.
    """
    busy = busy_with(context)
    if busy is not None:
        raise RefusedError(ONE_AT_A_TIME, f"{busy}; no message was received, they are in the next round")
    messages = gather(queue, settle_seconds, settle_seconds)
    return _kept_round(context, queue, messages) if messages else Round()


def drain(context: SyncContext, queue: Queue, most_rounds: int = _MOST_ROUNDS) -> list[Round]:
    """Round after round, until no message is there, a plan of all keys is in the way, or a rule refuses copies.

    Raises:
        HyveError: see `do_round`.
    """
    rounds: list[Round] = []
    while len(rounds) < most_rounds and busy_with(context) is None:
        messages = gather(queue, SETTLE_SECONDS)
        if not messages:
            break
        try:
            rounds.append(_kept_round(context, queue, messages))
        except RefusedError as error:
            if error.rule != ONE_AT_A_TIME:
                raise
            break
        if (rounds[-1].plan is not None or rounds[-1].refused) and not rounds[-1].settled:
            break  # its messages come again
    return rounds


def _kept_round(context: SyncContext, queue: Queue, messages: Sequence[Message]) -> Round:
    """A round whose messages are kept from others, and given back where it gives way."""
    try:
        with queue.keeping(messages):
            return do_round(context, queue, messages)
    except RefusedError:
        queue.give_back(messages)
        raise


class Follower:
    """Rounds without end, each when there are messages and the time for the next plan has come.

    Iterating it gives each round that received messages, and each thing that is waited for in one line. A round that
    fails because a bucket or the queue can't be reached is tried again later with the same messages: who receives one
    again and again lets the queue's redrive policy take it away.

    Args:
        context: the sync.
        queue: its queue.

    Attributes:
        is_at_work: whether a round is in progress or was interrupted, which leaves something undone.

    Raises:
        HyveError: the configuration is wrong, or the state can't be read or written.
        KeyboardInterrupt: the user ended it.
    """

    def __init__(self, context: SyncContext, queue: Queue) -> None:
        self.is_at_work = False
        self._context = context
        self._queue = queue
        events = context.settings.events
        self._interval = 0 if events is None else events.interval_seconds

    def __iter__(self) -> Iterator[Round | str]:
        said = ""
        while True:
            busy = busy_with(self._context)
            if busy is not None:
                if busy != said:
                    yield f"waiting: {busy}"
                said = busy
                pause(_LOOK_SECONDS)
                continue
            said = ""
            messages = yield from self._patiently(lambda: gather(self._queue, MOST_WAIT_SECONDS))
            if not messages:
                continue
            begun = time.monotonic()
            with self._queue.keeping(messages):
                done = yield from self._patiently(partial(self._round, messages))
            if done is None:
                self._queue.give_back(messages)
                continue
            yield done
            # A queue that is not empty yet is not left waiting.
            if done.plan is not None and done.messages < MOST_MESSAGES:
                pause(max(0.0, begun + self._interval - time.monotonic()))

    def _round(self, messages: list[Message]) -> Round | None:
        """One round; None if another process has begun to make or to apply a plan meanwhile."""
        self.is_at_work = True
        try:
            done = do_round(self._context, self._queue, messages)
        except (BucketError, IncompleteInventoryError):
            self.is_at_work = False
            raise
        except RefusedError as error:
            if error.rule != ONE_AT_A_TIME:
                raise
            done = None
        self.is_at_work = False
        return done

    def _patiently(self, work: Callable[[], T]) -> Generator[str, None, T]:
        """Do it until a bucket or the queue can be reached; give one line for each time that it can't be."""
        seconds = self._context.bounds.retry_seconds
        while True:
            try:
                return work()
            except (BucketError, IncompleteInventoryError) as error:
                yield f"trying again in {seconds:.0f} seconds: {error}"
                pause(seconds)
                seconds = min(seconds * 2, _MOST_RETRY_SECONDS)
