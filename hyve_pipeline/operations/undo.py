"""Restores what a plan overwrote or deleted in the store, from the trash or from an earlier version.

An object is restored only if the store still has what the plan left there; later changes are kept. Objects that the
plan added stay. Nothing is removed from the trash or from the versions, so an undo can be repeated, and undone. Of a
plan of all versions, what it added is removed, as nothing else leaves the history of before; see `remove_versions`.

A restored object is newer than the source's, so its key is stored: the next plan copies it, whatever times and sizes
say.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

from hyve_pipeline.core.base.codes import in_words
from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.errors import RefusedError, StateError
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.journal import JournalRow, Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.undo_summary import NOT_KEPT, WAS_NEW, UndoPreview, UndoSummary
from hyve_pipeline.core.runtime.progress import end, expect, report
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import last_undo, undo_folder
from hyve_pipeline.operations.journal.undos import UNDO_SUMMARY, LeftByUndos, applied_since, is_undone_in_order
from hyve_pipeline.operations.put_back import Restorer, may_be_in_trash, may_have_versions
from hyve_pipeline.operations.remove_versions import VersionRemover
from hyve_pipeline.operations.requests.in_flight import run_in_flight
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.listing.probe import probe_bucket
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.journals import AttemptBegun, AttemptWriter, ShardJournal, shard_journals
from hyve_pipeline.state.undone import UndoneKeys

# How far the server's clock may be ahead of the clock in the journal.
_CLOCK_SLACK = timedelta(minutes=5)

# The activity, for progress reports.
_UNDO = "undo"


# How many objects ended with which outcome and code.
OutcomeCounts = Counter[tuple[Outcome, str | None]]


def undo_plan(
    context: SyncContext,
    plan: Plan,
    run_id: str,
    outcomes: OutcomeCounts | None = None,
    on_preview: Callable[[UndoPreview], None] | None = None,
) -> UndoSummary:
    """Restore what `plan` overwrote or deleted, deletes first, if that is safe.

    Before it begins it makes sure that something can be restored. An undo that is refused leaves no trace: the plan can
    still be applied.

    Args:
        context: the sync.
        plan: the plan, applied in whole or in part.
        run_id: the command or run that undoes it, for the journal of the undo.
        outcomes: an empty counter that counts each object as it ends, for a caller that prints them even if the undo
            is cut short.
        on_preview: is called before the first object is restored, unless a journal is damaged.

    Returns:
        The outcomes of the objects. Failed objects are counted and raise nothing.

    Raises:
        RefusedError: another process is applying the plan, or another plan of the sync; or nothing can be restored.
        BucketError: the store or the trash can't be reached.
        StateError: the plan's journal is damaged.
    """
    outcomes = Counter() if outcomes is None else outcomes
    with ExitStack() as stack:
        epoch = stack.enter_context(context.applying(plan.id, alone=True))
        try:
            preview = _preview(context, plan)
        except StateError:
            # The undo restores what the other journals have before it fails at the damaged one.
            preview = None
        later = applied_since(context, plan)[:-1]
        in_order = all(is_undone_in_order(context, other) for other in later)
        # Without that order, an object that an undo left says nothing of this plan.
        has_left = in_order and not plan.has_histories
        left_since = stack.enter_context(LeftByUndos(context, later if has_left else ()))
        restorer = stack.enter_context(_restoring(context, plan, epoch.check, left_since=left_since))
        if preview is not None:
            _raise_if_nothing_is_left(context, plan, restorer)
            if on_preview is not None:
                on_preview(preview)
        folder, begun = _next_undo(context, plan, run_id)
        writer = stack.enter_context(AttemptWriter(folder, begun))
        undone = UndoneKeys(context.state, plan.store)
        undo_id = undone.new_id(begun.started)
        put_back: set[str] = set()

        def settle(row: JournalRow) -> None:
            writer.append(row)
            if row.outcome is Outcome.DONE:
                put_back.add(row.key)
            outcomes[row.outcome, row.code] += 1
            if row.code != WAS_NEW:
                report(_UNDO, 1, row.bytes)

        expect(_UNDO, 0 if preview is None else preview.objects, 0)
        for shard, journal in reversed(list(shard_journals(context.state, plan))):
            with journal.claimed(context.actor, context.claim_times):
                rows = _rows_of(plan, journal)
                undone.keep(undo_id, shard.number, [row.key for row in rows if _is_to_restore(plan, row)])
                put_back.clear()
                restorer.begin(shard)
                run_in_flight((restorer.restore(row) for row in rows), restorer.window, settle)
                undone.keep(undo_id, shard.number, put_back)
    summary = UndoSummary.of(plan.id, outcomes, in_order=in_order)
    end(_UNDO, failed=summary.failed)
    folder.write_manifest(UNDO_SUMMARY, summary)
    context.note(EventKind.PLAN_UNDONE, plan=plan.id, undo=begun.attempt)
    return summary


def check_kept(context: SyncContext, plan: Plan, *, expects_changes: bool) -> None:
    """Make sure that something of `plan` was kept that an undo can put back. Writes nothing.

    Args:
        context: the sync.
        plan: the plan.
        expects_changes: whether later plans will be undone first, so that what they left in the store is no obstacle.

    Raises:
        RefusedError: nothing was kept, or what was kept is gone.
        BucketError: the store or the trash can't be reached.
        StateError: the plan's journal is damaged.
    """
    if _preview(context, plan).objects:
        with _restoring(context, plan, expects_changes=expects_changes) as restorer:
            _raise_if_nothing_is_left(context, plan, restorer)


@contextmanager
def _restoring(
    context: SyncContext,
    plan: Plan,
    guard: Callable[[], object] | None = None,
    *,
    expects_changes: bool = False,
    left_since: LeftByUndos | None = None,
) -> Iterator[Restorer | VersionRemover]:
    """What puts back the objects of a plan, or removes the versions that it added.

    Args:
        context: the sync.
        plan: the plan.
        guard: is called before each request that writes.
        expects_changes: whether later plans, not undone yet, may have changed what the plan left.
        left_since: what undos of later plans left in the store.
    """
    options = plan.options
    with ExitStack() as stack:
        store = stack.enter_context(context.connect(plan.store))
        # The trash of the plan; the configuration may have changed since.
        place = context.settings.model_copy(update={"options": options}).trash
        trash = None if place is None else stack.enter_context(context.connect(place))
        # What is read besides: the source, or the store's own versions.
        other = stack.enter_context(context.connect(plan.source if plan.has_histories else plan.store))
        connections = [connection for connection in (store, trash, other) if connection is not None]
        for connection in connections:
            probe_bucket(connection)
            connection.guard = guard
        window = Window(options.concurrency, lambda: sum(connection.throttled for connection in connections))
        if plan.has_histories:
            yield VersionRemover(other, store, window, expects_changes=expects_changes)
            return
        yield Restorer(options, store, other, trash, window, stack, left_since, expects_changes=expects_changes)


def _preview(context: SyncContext, plan: Plan) -> UndoPreview:
    """What the journals say.

    Raises:
        RefusedError: by them, nothing was kept.
        StateError: one of them is damaged.
    """
    objects = kept = 0
    for _, journal in shard_journals(context.state, plan):
        rows = _rows_to_restore(plan, journal)
        objects += len(rows)
        kept += sum(plan.has_histories or may_be_in_trash(row, plan.options) or may_have_versions(row) for row in rows)
    if objects and not kept:
        raise _nothing_kept(plan, objects, {NOT_KEPT: objects})
    return UndoPreview(objects, kept)


def _raise_if_nothing_is_left(context: SyncContext, plan: Plan, restorer: Restorer | VersionRemover) -> None:
    """Read what was kept until something is found that can be restored.

    Raises:
        RefusedError: nothing is found: what was kept is gone, or all objects have changed since the plan.
    """
    reasons: Counter[str] = Counter()
    for shard, journal in reversed(list(shard_journals(context.state, plan))):
        restorer.begin(shard)
        rows = _rows_to_restore(plan, journal)
        found: list[JournalRow | None] = []

        def left(rows: list[JournalRow] = rows, found: list[JournalRow | None] = found) -> Iterator[JournalRow]:
            for row in rows:
                if None in found:
                    return
                yield row

        run_in_flight((restorer.obstacle(row) for row in left()), restorer.window, found.append)
        if None in found:
            return
        reasons.update(row.code or "unknown" for row in found if row is not None)
    if reasons:
        raise _nothing_kept(plan, reasons.total(), reasons)


def _nothing_kept(plan: Plan, objects: int, reasons: Mapping[str, int]) -> RefusedError:
    what = "wrote to" if plan.has_histories else "overwrote or deleted"
    why = ", ".join(f"{count:,} {in_words(code)}" for code, count in sorted(reasons.items()))
    return RefusedError(
        "nothing_kept",
        f"of {counted(objects)} that plan {plan.id} {what} in "
        f"{plan.store.uri} none can be put back: {why}; nothing was changed",
    )


def _rows_of(plan: Plan, journal: ShardJournal) -> list[JournalRow]:
    """The rows of keys that the plan changed: of all versions also those of which it wrote only some."""
    rows = journal.last_rows().values()
    return [row for row in rows if (row.written if plan.has_histories else row.outcome is Outcome.DONE)]


def _is_to_restore(plan: Plan, row: JournalRow) -> bool:
    return plan.has_histories or row.etag_before is not None


def _rows_to_restore(plan: Plan, journal: ShardJournal) -> list[JournalRow]:
    """The rows of objects that the plan overwrote or deleted, or of keys that it added versions to."""
    return [row for row in _rows_of(plan, journal) if _is_to_restore(plan, row)]


def _next_undo(context: SyncContext, plan: Plan, run_id: str) -> tuple[Folder, AttemptBegun]:
    folder = undo_folder(context, plan)
    number = last_undo(context, plan) + 1
    begun = AttemptBegun(attempt=number, run_id=run_id, started=datetime.now(UTC))
    return folder.below(f"{number:04d}"), begun
