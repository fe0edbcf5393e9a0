"""Restores what a plan overwrote or deleted in the store, from the trash or from an earlier version.

An object is restored only if the store still has what the plan left there; later changes are kept. Objects that the
plan added stay. Nothing is removed from the trash or from the versions, so an undo can be repeated, and undone.

A restored object is newer than the source's, so its key is stored: the next plan copies it, whatever times and sizes
say.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from hyve_pipeline.core.base.codes import in_words
from hyve_pipeline.core.base.errors import RefusedError, StateError
from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.copy_task import NO_OBJECT, CopyTask
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.journal import ALREADY_DONE, ALREADY_GONE, CHANGED, JournalRow, Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.undo_summary import ALREADY_BACK, NOT_KEPT, WAS_NEW, UndoPreview, UndoSummary
from hyve_pipeline.core.runtime.progress import end, expect, report
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import last_undo, undo_folder
from hyve_pipeline.operations.journal.undos import UNDO_SUMMARY, applied_since, is_undone_in_order, left_by_undos
from hyve_pipeline.operations.requests.copy_route import ServerCopier
from hyve_pipeline.operations.requests.copy_rules import restored_rules
from hyve_pipeline.operations.requests.in_flight import Work, run_in_flight
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.listing.probe import probe_bucket
from hyve_pipeline.s3.objects.head import ObjectHead, head_object
from hyve_pipeline.s3.objects.pinned_write import StoreChangedError
from hyve_pipeline.s3.objects.versions import ObjectVersion, copy_version, list_versions
from hyve_pipeline.s3.wire.errors import ObjectChangedError, S3RequestError
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
        ConfigurationError: the plan is of all versions.
    """
    plan.require_objects("undo")
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
        left_since = left_by_undos(context, later) if in_order else {}
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
                rows = [row for row in journal.last_rows().values() if row.outcome is Outcome.DONE]
                undone.keep(undo_id, shard.number, [row.key for row in rows if row.etag_before is not None])
                put_back.clear()
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
        ConfigurationError: the plan is of all versions.
    """
    plan.require_objects("undo")
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
    left_since: Mapping[str, Collection[str]] | None = None,
) -> Iterator["_Restorer"]:
    """What puts back the objects of a plan.

    Args:
        context: the sync.
        plan: the plan.
        guard: is called before each request that writes.
        expects_changes: whether later plans, not undone yet, may have changed what the plan left.
        left_since: the ETags of objects that undos of later plans left in the store, by key.
    """
    options = plan.options
    with ExitStack() as stack:
        store = stack.enter_context(context.connect(plan.store))
        # The trash of the plan; the configuration may have changed since.
        place = context.settings.model_copy(update={"options": options}).trash
        trash = None if place is None else stack.enter_context(context.connect(place))
        connections = [connection for connection in (store, trash) if connection is not None]
        for connection in connections:
            probe_bucket(connection)
            connection.guard = guard
        window = Window(options.concurrency, lambda: sum(connection.throttled for connection in connections))
        yield _Restorer(options, store, trash, window, stack, left_since or {}, expects_changes=expects_changes)


def _preview(context: SyncContext, plan: Plan) -> UndoPreview:
    """What the journals say.

    Raises:
        RefusedError: by them, nothing was kept.
        StateError: one of them is damaged.
    """
    objects = kept = 0
    for _, journal in shard_journals(context.state, plan):
        rows = _rows_to_restore(journal)
        objects += len(rows)
        kept += sum(_may_be_in_trash(row, plan.options) or _may_have_versions(row) for row in rows)
    if objects and not kept:
        raise _nothing_kept(plan, objects, {NOT_KEPT: objects})
    return UndoPreview(objects, kept)


def _raise_if_nothing_is_left(context: SyncContext, plan: Plan, restorer: "_Restorer") -> None:
    """Read what was kept until something is found that can be restored.

    Raises:
        RefusedError: nothing is found: what was kept is gone, or all objects have changed since the plan.
    """
    reasons: Counter[str] = Counter()
    for _, journal in reversed(list(shard_journals(context.state, plan))):
        rows = _rows_to_restore(journal)
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
    why = ", ".join(f"{count:,} {in_words(code)}" for code, count in sorted(reasons.items()))
    return RefusedError(
        "nothing_kept",
        f"of {objects:,} {'object' if objects == 1 else 'objects'} that plan {plan.id} overwrote or deleted in "
        f"{plan.store.uri} none can be put back: {why}; nothing was changed",
    )


def _rows_to_restore(journal: ShardJournal) -> list[JournalRow]:
    """The rows of objects that the plan overwrote or deleted."""
    rows = journal.last_rows().values()
    return [row for row in rows if row.outcome is Outcome.DONE and row.etag_before is not None]


def _may_be_in_trash(row: JournalRow, options: Options) -> bool:
    # An interrupted attempt may have put an object into the trash without a journal row.
    return options.trash is not None and (row.trashed or row.code in (ALREADY_DONE, ALREADY_GONE))


def _may_have_versions(row: JournalRow) -> bool:
    return row.version_before is not None or row.version_after is not None


def _next_undo(context: SyncContext, plan: Plan, run_id: str) -> tuple[Folder, AttemptBegun]:
    folder = undo_folder(context, plan)
    number = last_undo(context, plan) + 1
    begun = AttemptBegun(attempt=number, run_id=run_id, started=datetime.now(UTC))
    return folder.below(f"{number:04d}"), begun


class _Restorer:
    """Puts back objects, one by one.

    Attributes:
        window: bounds how many requests are in flight.
    """

    def __init__(
        self,
        options: Options,
        store: Connection,
        trash: Connection | None,
        window: Window,
        stack: ExitStack,
        left_since: Mapping[str, Collection[str]],
        *,
        expects_changes: bool,
    ) -> None:
        self.window = window
        self._expects_changes = expects_changes
        self._left_since = left_since
        self._options = options
        self._store = store
        self._trash = trash
        if trash is not None:
            self._rules = restored_rules(options, store)
            self._copier = stack.enter_context(ServerCopier(options, trash, store, window))

    async def restore(self, row: JournalRow) -> JournalRow:
        """Restore one object; its failures are outcomes and raise nothing."""
        return await self._answered(row, self._restore)

    async def obstacle(self, row: JournalRow) -> JournalRow | None:
        """Why one object can't be restored, as its outcome; None if it can be, or is back. Writes nothing."""

        async def find(row: JournalRow, tries: Tries) -> JournalRow:
            found = await self._find(row, tries)
            return found if isinstance(found, JournalRow) else _undo_row(row, Outcome.DONE)

        ended = await self._answered(row, find)
        # What failed may succeed in the undo.
        return ended if ended.outcome is Outcome.SKIPPED else None

    async def _answered(self, row: JournalRow, work: "Callable[[JournalRow, Tries], Work[JournalRow]]") -> JournalRow:
        tries = Tries()
        try:
            return (await work(row, tries))._replace(attempts=tries.count)
        except ObjectChangedError as error:
            return _undo_row(row, Outcome.SKIPPED, CHANGED, str(error))
        except S3RequestError as error:
            return _undo_row(row, Outcome.FAILED, error.code or str(error.status), str(error))

    async def _restore(self, row: JournalRow, tries: Tries) -> JournalRow:
        found = await self._find(row, tries)
        if isinstance(found, JournalRow):
            return found
        key = self._store.place.key_of(row.key)
        left, kept = found
        back = _undo_row(row, Outcome.DONE)._replace(etag_before=None if left == NO_OBJECT else left)
        try:
            if isinstance(kept, CopyTask):
                result = await tries.call(partial(self._copier.copy, kept))
                return back._replace(etag_after=result.etag, version_after=result.version_id)
            etag = await tries.answer(lambda: copy_version(self._store, key, kept, left))
            return back._replace(etag_after=etag, version_before=kept.version_id)
        except StoreChangedError as error:
            # A request whose answer was lost is refused when it is sent again: it has done its work.
            if error.found is None or not same_etag(error.found.etag, row.etag_before):
                raise
            after = error.found
            return back._replace(etag_after=after.etag, version_after=after.version_id)

    async def _find(self, row: JournalRow, tries: Tries) -> JournalRow | tuple[str, CopyTask | ObjectVersion]:
        """What restores an object, from the trash or from a version, with the ETag that the store has now.

        Or its outcome where nothing has to be restored or can be.
        """
        if row.etag_before is None:
            return _undo_row(row, Outcome.SKIPPED, WAS_NEW, "the plan added this object")
        key = self._store.place.key_of(row.key)
        head = await tries.answer(lambda: head_object(self._store, key))
        etag = None if head is None else head.etag
        # The plan's own result first: it may have overwritten an object with the same content.
        if not same_etag(etag, row.etag_after):
            if same_etag(etag, row.etag_before):
                return _undo_row(row, Outcome.DONE, ALREADY_BACK)
            if not self._expects_changes and not any(
                same_etag(etag, left) for left in self._left_since.get(row.key, ())
            ):
                found = "is gone" if etag is None else f"has ETag {etag}"
                left = "none" if row.etag_after is None else row.etag_after
                detail = f"{self._store.bucket} key {key!r} {found}, the plan left {left}"
                return _undo_row(row, Outcome.SKIPPED, CHANGED, detail)
        left = NO_OBJECT if etag is None else etag
        kept = await self._in_trash(row, key, left, tries) or await self._in_versions(row, key, tries)
        if kept is None and row.code == ALREADY_GONE:
            return _undo_row(row, Outcome.SKIPPED, ALREADY_GONE, "it was already deleted before the plan deleted it")
        if kept is None:
            detail = f"neither the trash nor a version of {self._store.bucket} key {key!r} has ETag {row.etag_before}"
            return _undo_row(row, Outcome.SKIPPED, NOT_KEPT, detail)
        return left, kept

    async def _in_trash(self, row: JournalRow, key: str, left: str, tries: Tries) -> CopyTask | None:
        trash = self._trash
        if trash is None or not _may_be_in_trash(row, self._options):
            return None
        trash_key = trash.place.key_of(row.key)
        head = await tries.answer(lambda: head_object(trash, trash_key, needs_size=True))
        if head is None or head.size is None or not _is_kept(head, row):
            return None
        return CopyTask(trash_key, key, head.size, head.etag, rules=self._rules, store_etag=left)

    async def _in_versions(self, row: JournalRow, key: str, tries: Tries) -> ObjectVersion | None:
        if not _may_have_versions(row):
            return None
        versions = await tries.answer(lambda: list_versions(self._store, key))
        # The plan's own version may have the same content as the version before it.
        earlier = [version for version in versions if version.version_id != row.version_after]
        return next((version for version in earlier if same_etag(version.etag, row.etag_before)), None)


def _is_kept(head: ObjectHead, row: JournalRow) -> bool:
    """Whether the trash holds the store's object from before the plan, and not one that a later plan put there."""
    if same_etag(head.etag, row.etag_before):
        return True
    # ETags of a multipart object and its copy may differ. Then the copy must not be newer than the plan's action.
    are_comparable = "-" not in f"{head.etag}{row.etag_before}"
    kept_at = datetime.fromtimestamp(head.last_modified / 1_000_000, UTC)
    return not are_comparable and kept_at <= row.at + _CLOCK_SLACK


def _undo_row(row: JournalRow, outcome: Outcome, code: str | None = None, detail: str | None = None) -> JournalRow:
    """The undo's row for `row`: the object after the plan is the object before the undo."""
    return JournalRow(
        key=row.key,
        action=row.action,
        outcome=outcome,
        at=datetime.now(UTC),
        bytes=row.bytes,
        code=code,
        detail=detail,
        etag_before=row.etag_after,
        version_before=row.version_after,
    )
