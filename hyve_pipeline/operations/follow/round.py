"""One round of following a sync: messages are received, the keys that they name are looked at, planned and applied.

A message is deleted only when nothing is left to do for its keys. Whatever happens before, it comes again.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.errors import RefusedError
from hyve_pipeline.core.model.diff import ChangeSet, Diff
from hyve_pipeline.core.model.event_message import EventMessage, Kind, read_event_message
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.journal import UNREADABLE, Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action, Refusal
from hyve_pipeline.operations.apply.loop import apply_plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.estimate.prices import read_prices
from hyve_pipeline.operations.follow.turns import turn_of_events
from hyve_pipeline.operations.inventory.named_keys import drop_named
from hyve_pipeline.operations.inventory.names_in_plans import names_in_plans
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.plan.dryrun import diff_keys
from hyve_pipeline.operations.plan.freeze import freeze_plan, planned_total
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline.s3.events.queue import Message, Queue
from hyve_pipeline.state.journals import shard_journals
from hyve_pipeline.state.parquet import ParquetReader

# The most messages of a round: those in hand are extended again and again, ten by a request.
MOST_MESSAGES = 2_000

# So long a round waits for more messages once it has some, and takes them in all: they may come without end.
SETTLE_SECONDS = 1
_GATHER_SECONDS = 3.0


@dataclass
class Round:
    """What a round did.

    Attributes:
        messages: how many were received.
        keys: how many keys of this sync they name.
        settled: how many messages were deleted.
        notes: what is said of messages that are left to the queue, one line for each kind.
        plan: the id of its plan; None where there was nothing to do.
        copied, deleted: objects that were.
        skipped, failed: objects that were not, as they changed or can't be read, and by failures.
        deletes_left: objects that only the store has, whose deletion the settings leave to another command.
        refused: what a safety rule refused.
        verified: whether the plan holds; None where nothing was done.
    """

    messages: int = 0
    keys: int = 0
    settled: int = 0
    notes: list[str] = field(default_factory=list)
    plan: str | None = None
    copied: int = 0
    deleted: int = 0
    skipped: int = 0
    failed: int = 0
    deletes_left: int = 0
    refused: tuple[Refusal, ...] = ()
    verified: bool | None = None

    @property
    def exit_code(self) -> int:
        """The exit code of a command that does this round alone."""
        if self.refused:
            return 3
        return 1 if self.failed or self.skipped or self.verified is False else 0

    @property
    def document(self) -> dict[str, Any]:
        """The round as a JSON line has it."""
        refused = [{"rule": one.rule, "detail": one.detail} for one in self.refused]
        names = ("plan", "messages", "settled", "keys", "copied", "deleted", "skipped", "failed", "deletes_left")
        found = {name: getattr(self, name) for name in (*names, "verified", "notes")}
        return {**found, "refused": refused[0] if refused else None}


def gather(queue: Queue, wait_seconds: int, settle_seconds: int = SETTLE_SECONDS) -> list[Message]:
    """Receive messages: wait for the first ones, then take what is there.

    Args:
        queue: the queue.
        wait_seconds: how long to wait for the first one.
        settle_seconds: how long to wait for more.

    Raises:
        BucketError: the queue can't be reached.
    """
    found = queue.receive(wait_seconds)
    until = time.monotonic() + _GATHER_SECONDS
    while found and len(found) < MOST_MESSAGES and time.monotonic() < until:
        more = queue.receive(settle_seconds)
        if not more:
            break
        found += more
    return found


def do_round(context: SyncContext, queue: Queue, messages: Sequence[Message]) -> Round:
    """Do what some messages hint at, and delete those of which nothing is left to do.

    The caller keeps the messages from others meanwhile.

    Args:
        context: the sync.
        queue: where they come from.
        messages: the messages.

    Raises:
        RefusedError: another process makes or applies a plan of the sync, or has a round of its own.
        HyveError: a bucket or the queue can't be reached, or the state can't be read or written.
    """
    with turn_of_events(context) as following:
        return _Work(following, queue, messages).do()


class _Work:
    """The work of a round."""

    def __init__(self, context: SyncContext, queue: Queue, messages: Sequence[Message]) -> None:
        self._context = context
        self._queue = queue
        self._round = Round(messages=len(messages))
        events = context.settings.events
        source = context.settings.source
        bucket = source.bucket if events is None or events.bucket is None else events.bucket
        self._read = [(message, read_event_message(message.body, bucket)) for message in messages]
        self._prefix = source.prefix
        self._filters = Filters.of(context.settings.options)
        self._names: dict[str, str | None] = {}

    def do(self) -> Round:
        found = self._round
        found.notes += _notes(event for _, event in self._read)
        named = {key for _, event in self._read for key in self._below(event)}
        try:
            self._names = names_in_plans(self._context, named)
        except RefusedError as error:
            found.refused = tuple(Refusal(rule=error.rule, action=action, detail=error.detail) for action in ACTIONS)
            return found  # nothing was done
        keys = {key for _, event in self._read for key in self._own(event)}
        found.keys = len(keys)
        plan, found.deletes_left = _plan(self._context, keys) if keys else (None, 0)
        unsettled: set[str] = set()
        if plan is not None:
            found.plan = plan.id
            unsettled = self._apply(plan)
        if any(refusal.action == "copy" for refusal in found.refused):
            return found  # nothing was done
        settled = [
            message
            for message, event in self._read
            if event.kind in ("keys", "test") and unsettled.isdisjoint(self._own(event))
        ]
        found.settled = len(settled) - self._queue.delete(settled)
        return found

    def _below(self, event: EventMessage) -> Iterator[str]:
        """The keys of an event below the source's prefix."""
        return (key[len(self._prefix) :] for key in event.keys if key.startswith(self._prefix))

    def _own(self, event: EventMessage) -> set[str]:
        """The keys of an event that the sync is about, as plans have them."""
        names = (self._names[key] for key in self._below(event))
        return {name for name in names if name is not None and self._filters.matches(name)}

    def _apply(self, plan: Plan) -> set[str]:
        """Apply a plan as far as rules and settings allow; return the keys of which something is left to do."""
        context, found = self._context, self._round
        allowed: tuple[Action, ...] = ACTIONS if _may_delete(context) else ("copy",)
        found.refused = tuple(refusal for refusal in plan.refusals if refusal.action in allowed)
        for action in allowed:
            if any(refusal.action == action for refusal in found.refused):
                break
            if action == "delete" and plan_status(context, plan).unfinished("copy"):
                break
            apply_plan(context, plan, action)
        status = plan_status(context, plan)
        copied, deleted = status.tally("copy"), status.tally("delete")
        found.copied, found.deleted = copied.done, deleted.done
        found.skipped, found.failed = copied.skipped + deleted.skipped, copied.failed + deleted.failed
        is_whole = not status.unfinished("delete")
        found.deletes_left += 0 if is_whole else plan.total("delete").objects - deleted.done - deleted.skipped
        if is_whole and (copied.done or deleted.done):
            found.verified = verify_plan(context, plan).verified
        return _unsettled(context, plan)


def _notes(events: Iterable[EventMessage]) -> Iterator[str]:
    """One line for each kind of message that is left to the queue."""
    left: dict[Kind, list[EventMessage]] = {"foreign": [], "garbage": []}
    for event in events:
        if event.kind in left:
            left[event.kind].append(event)
    for kind, some in left.items():
        if some:
            what = "of other buckets" if kind == "foreign" else "not understood"
            count = counted(len(some), "message is", "messages are")
            details = Counter(event.detail for event in some)
            yield f"{count} {what} and left to the queue's redrive policy: {details.most_common(1)[0][0]}"


def _may_delete(context: SyncContext) -> bool:
    return context.settings.apply == "all"


def _plan(context: SyncContext, keys: set[str]) -> tuple[Plan | None, int]:
    """The plan of some keys, and how many deletes are left to other commands, as the settings say.

    The plan is None, and leaves no trace, where there is nothing to do.
    """
    read_prices(context.settings.options.prices)
    diff = diff_keys(context, keys, "events")
    gone: set[str] = set()
    if not _may_delete(context) and diff.counts[ChangeSet.DUPLICATE].objects:
        gone = _keys_of(context, diff, ChangeSet.DUPLICATE)
        _drop(context, diff)
        if keys <= gone:
            return None, len(gone)
        diff = diff_keys(context, keys - gone, "events")
    if any(count.objects for count in planned_total(diff).values()):
        return freeze_plan(context, diff), len(gone)
    _drop(context, diff)
    return None, len(gone)


def _keys_of(context: SyncContext, diff: Diff, name: ChangeSet) -> set[str]:
    keys: set[str] = set()
    for file in diff.files[name]:
        with ParquetReader(context.state, file) as reader:
            for table in reader.tables():
                keys.update(table.column("key").to_pylist())
    return keys


def _drop(context: SyncContext, diff: Diff) -> None:
    context.state.remove(f"diffs/{diff.id}")
    drop_named(context, (diff.source, diff.store))


def _unsettled(context: SyncContext, plan: Plan) -> set[str]:
    """The keys of a plan that failed, or changed meanwhile, so that they are to be looked at again.

    What can't be read now is left to the plans of all keys.
    """
    return {
        key
        for _, journal in shard_journals(context.state, plan)
        for key, row in journal.last_rows().items()
        if row.outcome is Outcome.FAILED or (row.outcome is Outcome.SKIPPED and row.code not in UNREADABLE)
    }
