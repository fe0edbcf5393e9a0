"""Applies one shard of a plan, object by object, and journals every outcome.

An attempt goes on where earlier ones ended: objects that the journal calls done or skipped are left alone.
An object that was done but not journaled, because the process died in between, is recognised by comparing
with the store.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice

from hyve_pipeline.core.base.errors import HyveError, RefusedError
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.journal import AttemptSummary, JournalRow, Outcome, OutcomeCounter, ShardState
from hyve_pipeline.core.model.plan import Plan, Shard
from hyve_pipeline.core.model.planned_object import PlannedObject, planned_objects
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.core.runtime.progress import report
from hyve_pipeline.operations.apply.copy import ObjectCopier
from hyve_pipeline.operations.apply.delete import ObjectDeleter
from hyve_pipeline.operations.apply.open_uploads import abandon_uploads, abandon_uploads_of_others
from hyve_pipeline.operations.apply.trash import Trash
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import plan_status, raise_if_undone, raise_refusal
from hyve_pipeline.operations.plan.freeze import read_shard
from hyve_pipeline.operations.requests.copy_route import open_way
from hyve_pipeline.operations.requests.in_flight import run_in_flight
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.listing.probe import probe_bucket
from hyve_pipeline.s3.objects.versions import versioning_state
from hyve_pipeline.s3.wire.errors import S3RequestError, is_transient_code
from hyve_pipeline.state.journals import AttemptWriter, ShardJournal
from hyve_pipeline.state.uploads import ShardUploads


def check_allowed(context: SyncContext, plan: Plan, action: Action) -> None:
    """Hold the safety rules that concern the whole plan against what is about to be done.

    Deletes are allowed only when every copy shard is finished, none of its objects failed, and no limit
    refuses them; copies only when no limit refuses them. A person's approval of the plan counts. Of a plan that was
    undone, nothing is allowed.

    Raises:
        RefusedError: naming the rule, the figures and the way on.
    """
    raise_if_undone(context, plan)
    status = plan_status(context, plan)
    raise_refusal(status, action)
    if action == "copy":
        return
    states = Counter(status.state for status in status.shards if status.shard.action == "copy")
    if states.total() != states[ShardState.FINISHED]:
        figures = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        raise RefusedError(
            "copies_first",
            f"not all copies of plan {plan.id} have succeeded (shards: {figures}); "
            "nothing is deleted before: run 'hyve copy' or 'hyve retry'",
        )


def apply_shard(context: SyncContext, plan: Plan, shard: Shard, run_id: str) -> AttemptSummary:
    """Do one shard, or what is left of it.

    Args:
        context: the sync.
        plan: the plan.
        shard: one of its shards.
        run_id: the Dagster run that does it, for the journal.

    Returns:
        The summary of the whole shard, earlier attempts included. Objects that failed are counted there;
        they raise nothing.

    Raises:
        RefusedError: a safety rule forbids it, or another process is working on the shard or on another plan.
        BucketError: a bucket can't be reached.
        StateError: the plan or the journal is damaged, or can't be written.
    """
    check_allowed(context, plan, shard.action)
    journal = ShardJournal(context.state, plan.id, shard)
    with context.applying(plan.id), journal.locked():
        state, summary = journal.latest()
        if state is ShardState.FINISHED and summary is not None:
            return summary
        settled = {key: row for key, row in journal.last_rows().items() if row.outcome is not Outcome.FAILED}
        is_first = state is ShardState.PENDING
        with journal.begin(run_id, datetime.now(UTC)) as writer:
            return _attempt(context, plan, shard, writer, settled, is_first=is_first)


def is_worth_retrying(summary: AttemptSummary) -> bool:
    """Whether some of a shard's failures are likely to pass."""
    return any(is_transient_code(code) for code in summary.failures)


def _attempt(
    context: SyncContext,
    plan: Plan,
    shard: Shard,
    writer: AttemptWriter,
    settled: dict[str, JournalRow],
    *,
    is_first: bool,
) -> AttemptSummary:
    recorder = _Recorder(shard.action, writer, settled.values())
    rows = (row for row in planned_objects(read_shard(plan, shard)) if row.key not in settled)
    with ExitStack() as stack:
        source = stack.enter_context(context.connect(plan.source))
        store = stack.enter_context(context.connect(plan.store))
        # What a shard needs comes from its plan: the options may have changed since.
        options = plan.options
        place = context.settings.model_copy(update={"options": options}).trash
        kept = stack.enter_context(context.connect(place)) if place is not None else None
        connections = [connection for connection in (source, store, kept) if connection is not None]
        window = Window(options.concurrency, lambda: sum(connection.refusals for connection in connections))
        # A bucket that can't be reached is one message here, not one for each of ten thousand objects.
        for connection in connections:
            probe_bucket(connection)
        trash = Trash(options, store, kept, window)
        if shard.action == "copy":
            abandon_uploads_of_others(context, plan, store)
            uploads = stack.enter_context(ShardUploads(context.state, plan.partition_key(shard)))
            way = stack.enter_context(open_way(plan, source, store, window, uploads))
            keeps_versions = plan.count(ChangeSet.MODIFIED).objects > 0 and _keeps_versions(store)
            copier = ObjectCopier(
                source, store, trash, way, keeps_versions=keeps_versions, check_store_first=not is_first
            )
            run_in_flight(map(copier.copy, rows), window, recorder.add)
            if not recorder.has_failures:
                abandon_uploads(store, uploads)  # of objects that changed since; with those that failed a retry goes on
        else:
            deleter = ObjectDeleter(source, store, trash)
            batches = map(deleter.delete, _batches(rows))
            run_in_flight(batches, window, recorder.add_all, at_once=_BATCHES_IN_FLIGHT)
    if recorder.total != shard.objects:
        raise HyveError(
            f"shard {plan.partition_key(shard)} has {shard.objects} objects but {recorder.total} outcomes; "
            "its journal is not complete, run 'hyve retry'"
        )
    summary = recorder.summary()
    writer.finish(summary)
    return summary


def _keeps_versions(store: Connection) -> bool:
    """Whether the store keeps versions, as far as that is known."""
    try:
        return versioning_state(store) is not None
    except S3RequestError:
        return False


_BATCH_KEYS = 1_000  # the most that one DeleteObjects takes

# Some batches are looked at while others are deleted. More would only be held up by S3's limits on deletes.
_BATCHES_IN_FLIGHT = 4


def _batches(rows: Iterator[PlannedObject]) -> Iterator[list[PlannedObject]]:
    while batch := list(islice(rows, _BATCH_KEYS)):
        yield batch


class _Recorder:
    """Journals outcomes as they come and counts them, together with those of earlier attempts."""

    def __init__(self, action: Action, writer: AttemptWriter, settled: Collection[JournalRow]) -> None:
        self.total = len(settled)
        self._activity = action
        self._writer = writer
        self._counter = OutcomeCounter()
        for row in settled:
            self._counter.add(row)
        report(action, self.total, sum(row.bytes for row in settled))

    def add(self, row: JournalRow) -> None:
        self._writer.append(row)
        self._counter.add(row)
        self.total += 1
        report(self._activity, 1, row.bytes)

    def add_all(self, rows: list[JournalRow]) -> None:
        for row in rows:
            self._writer.append(row)
            self._counter.add(row)
        self.total += len(rows)
        report(self._activity, len(rows), sum(row.bytes for row in rows))

    @property
    def has_failures(self) -> bool:
        """Whether any object failed so far."""
        return self._counter.outcomes().tally.failed > 0

    def summary(self) -> AttemptSummary:
        begun = self._writer.begun
        return AttemptSummary(
            attempt=begun.attempt,
            run_id=begun.run_id,
            started=begun.started,
            ended=datetime.now(UTC),
            **dict(self._counter.outcomes()),
        )
