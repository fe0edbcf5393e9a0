"""Follows a sync by its events, round after round, beside its plans of all keys and never during one."""

import time
from collections.abc import Iterator

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError, IncompleteInventoryError, RefusedError
from hyve_pipeline.core.runtime.interruption import pause
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.follow.round import MOST_MESSAGES, SETTLE_SECONDS, Round, do_round, gather
from hyve_pipeline.operations.plan.planning import is_planning
from hyve_pipeline.s3.events.queue import MOST_WAIT_SECONDS, Message, Queue

# The rule that refuses to apply two plans of a sync at the same time.
_ONE_AT_A_TIME = "one_at_a_time"

# The most rounds of a run of Dagster; the next run goes on.
_MOST_ROUNDS = 20

# How often it is looked whether another plan has ended, and seconds after a failure until the next try, at first and at
# most.
_LOOK_SECONDS = 2.0
_FIRST_RETRY_SECONDS = 5.0
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


def busy_with(context: SyncContext) -> str | None:
    """What another process does with the sync, so that events have to wait; None where nothing is in the way.

    A plan of all keys is not disturbed: neither its inventories and what is remembered while it is made, nor the store
    while it is applied.

    Raises:
        StateError: the state can't be read.
    """
    if is_planning(context):
        return "a plan of all keys is being made"
    applied = context.applied_beside()
    return None if applied is None else f"plan {applied} is being applied"


def follow_once(context: SyncContext, queue: Queue, *, settle_seconds: int = SETTLE_SECONDS) -> Round:
    """One round with the messages that are there now.

    Raises:
        RefusedError: another process is making or applying a plan of the sync.
        HyveError: see `do_round`.
    """
    busy = busy_with(context)
    if busy is not None:
        raise RefusedError(_ONE_AT_A_TIME, f"{busy}; no message was received, they are in the next round")
    messages = gather(queue, settle_seconds, settle_seconds)
    return do_round(context, queue, messages) if messages else Round()


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
        rounds.append(do_round(context, queue, messages))
        if rounds[-1].plan is not None and not rounds[-1].settled:
            break  # its messages come again
    return rounds


class Follower:
    """Rounds without end, each when there are messages and the time for the next plan has come.

    Iterating it gives each round that received messages, and each thing that is waited for in one line. A round that
    fails because a bucket or the queue can't be reached is tried again later; its messages come again.

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
        failures, said = 0, ""
        while True:
            busy = busy_with(self._context)
            if busy is not None:
                if busy != said:
                    yield f"waiting: {busy}"
                said = busy
                pause(_LOOK_SECONDS)
                continue
            said = ""
            try:
                self.is_at_work = False  # a round that failed is over
                messages = gather(self._queue, MOST_WAIT_SECONDS)
                begun = time.monotonic()
                done = self._round(messages) if messages else None
            except (BucketError, IncompleteInventoryError) as error:
                seconds = min(_FIRST_RETRY_SECONDS * 2**failures, _MOST_RETRY_SECONDS)
                failures += 1
                yield f"trying again in {seconds:.0f} seconds: {error}"
                pause(seconds)
                continue
            failures = 0
            if done is not None:
                yield done
                # A queue that is not empty yet is not left waiting.
                if done.plan is not None and done.messages < MOST_MESSAGES:
                    pause(max(0.0, begun + self._interval - time.monotonic()))

    def _round(self, messages: list[Message]) -> Round | None:
        """One round; None if another process has begun to apply a plan meanwhile, so that its messages come again."""
        self.is_at_work = True
        try:
            done = do_round(self._context, self._queue, messages)
        except RefusedError as error:
            if error.rule != _ONE_AT_A_TIME:
                raise
            done = None
        self.is_at_work = False
        return done
