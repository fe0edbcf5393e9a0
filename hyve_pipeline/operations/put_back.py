"""Puts back what a plan overwrote or deleted in the store: one object, from the trash or from an earlier version."""

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple, TypeVar

from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.copy_task import NO_OBJECT, CopyTask
from hyve_pipeline.core.model.journal import ALREADY_DONE, ALREADY_GONE, CHANGED, JournalRow, Outcome
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.model.undo_summary import ALREADY_BACK, NOT_KEPT, WAS_NEW
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.journal.undos import LeftByUndos
from hyve_pipeline.operations.requests.copy_route import ServerCopier
from hyve_pipeline.operations.requests.copy_rules import restored_rules
from hyve_pipeline.operations.requests.in_flight import Work
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.connection.version_pins import VersionPins
from hyve_pipeline.s3.objects.head import ObjectHead, head_object
from hyve_pipeline.s3.objects.pinned_write import StoreChangedError
from hyve_pipeline.s3.objects.versions import list_versions
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, ObjectChangedError, S3RequestError

T = TypeVar("T")

# How far the server's clock may be ahead of the clock in the journal.
_CLOCK_SLACK = timedelta(minutes=5)


class Restorer:
    """Puts back objects, one by one.

    Args:
        options: those of the plan.
        store: the store.
        past: another connection to it, by which earlier versions are read.
        trash: the trash of the plan, or None.
        window: bounds how many requests are in flight.
        stack: ends the copies.
        left_since: what undos of later plans left in the store.
        expects_changes: whether later plans, not undone yet, may have changed what the plan left.

    Attributes:
        window: bounds how many requests are in flight.
    """

    def __init__(
        self,
        options: Options,
        store: Connection,
        past: Connection,
        trash: Connection | None,
        window: Window,
        stack: ExitStack,
        left_since: LeftByUndos | None,
        *,
        expects_changes: bool,
    ) -> None:
        self.window = window
        self._expects_changes = expects_changes
        self._left_since = left_since
        # Of the shard that was begun last.
        self._left: Mapping[str, Collection[str]] = {}
        self._options = options
        self._store = store
        self._trash = trash
        self._rules = restored_rules(options, store)
        if trash is not None:
            self._from_trash = stack.enter_context(ServerCopier(options, trash, store, window))
        # The versions that are put back now, by whole key.
        self._pins: dict[str, str] = {}
        past.versions = VersionPins(self._pins.get)
        self._from_versions = stack.enter_context(ServerCopier(options, past, store, window))

    def begin(self, shard: Shard) -> None:
        """Go on to the objects of another shard."""
        self._left = {} if self._left_since is None else self._left_since.of(shard)

    async def restore(self, row: JournalRow) -> JournalRow:
        """Restore one object; its failures are outcomes and raise nothing."""
        return await answered(row, self._restore)

    async def obstacle(self, row: JournalRow) -> JournalRow | None:
        """Why one object can't be restored, as its outcome; None if it can be, or is back. Writes nothing."""
        return await obstacle_of(row, self._find)

    async def _restore(self, row: JournalRow, tries: Tries) -> JournalRow:
        found = await self._find(row, tries)
        if isinstance(found, JournalRow):
            return found
        left, kept = found
        back = undo_row(row, Outcome.DONE)._replace(etag_before=None if left == NO_OBJECT else left)
        if kept.version_id is not None:
            back = back._replace(version_before=kept.version_id)
            self._pins[kept.task.source_key] = kept.version_id
        copier = self._from_trash if kept.version_id is None else self._from_versions
        try:
            result = await tries.call(partial(copier.copy, kept.task))
            return back._replace(etag_after=result.etag, version_after=result.version_id)
        except StoreChangedError as error:
            # A request whose answer was lost is refused when it is sent again: it has done its work.
            if error.found is None or not same_etag(error.found.etag, row.etag_before):
                raise
            after = error.found
            return back._replace(etag_after=after.etag, version_after=after.version_id)
        finally:
            self._pins.pop(kept.task.source_key, None)

    async def _find(self, row: JournalRow, tries: Tries) -> "JournalRow | tuple[str, _Kept]":
        """What restores an object, from the trash or from a version, with the ETag that the store has now.

        Or its outcome where nothing has to be restored or can be.
        """
        if row.etag_before is None:
            return undo_row(row, Outcome.SKIPPED, WAS_NEW, "the plan added this object")
        key = self._store.place.key_of(row.key)
        head = await tries.answer(lambda: head_object(self._store, key))
        etag = None if head is None else head.etag
        # The plan's own result first: it may have overwritten an object with the same content.
        if not same_etag(etag, row.etag_after):
            if same_etag(etag, row.etag_before):
                return undo_row(row, Outcome.DONE, ALREADY_BACK)
            if not self._expects_changes and not any(same_etag(etag, left) for left in self._left.get(row.key, ())):
                found = "is gone" if etag is None else f"has ETag {etag}"
                left = "none" if row.etag_after is None else row.etag_after
                detail = f"{self._store.bucket} key {key!r} {found}, the plan left {left}"
                return undo_row(row, Outcome.SKIPPED, CHANGED, detail)
        left = NO_OBJECT if etag is None else etag
        kept = await self._in_trash(row, key, left, tries) or await self._in_versions(row, key, left, tries)
        if kept is None and row.code == ALREADY_GONE:
            return undo_row(row, Outcome.SKIPPED, ALREADY_GONE, "it was already deleted before the plan deleted it")
        if kept is None:
            detail = f"neither the trash nor a version of {self._store.bucket} key {key!r} has ETag {row.etag_before}"
            return undo_row(row, Outcome.SKIPPED, NOT_KEPT, detail)
        return left, kept

    async def _in_trash(self, row: JournalRow, key: str, left: str, tries: Tries) -> "_Kept | None":
        trash = self._trash
        if trash is None or not may_be_in_trash(row, self._options):
            return None
        trash_key = trash.place.key_of(row.key)
        head = await tries.answer(lambda: head_object(trash, trash_key, needs_size=True))
        if head is None or head.size is None or not _is_kept(head, row):
            return None
        return _Kept(CopyTask(trash_key, key, head.size, head.etag, head.storage_class, self._rules, left))

    async def _in_versions(self, row: JournalRow, key: str, left: str, tries: Tries) -> "_Kept | None":
        if not may_have_versions(row):
            return None
        versions = await tries.answer(lambda: list_versions(self._store, key))
        # The plan's own version may have the same content as the version before it.
        earlier = [version for version in versions if version.version_id != row.version_after]
        version = next((version for version in earlier if same_etag(version.etag, row.etag_before)), None)
        if version is None:
            return None
        # Annotations that are excluded from copies are left to the server, which takes them over from a version.
        excluded = self._rules.annotations == "exclude"
        rules = replace(self._rules, annotations=None) if excluded else self._rules
        task = CopyTask(key, key, version.size, version.etag, version.storage_class, rules, left)
        return _Kept(task, version.version_id)


class _Kept(NamedTuple):
    """What puts an object back: the copy, and of the store's own versions the one that is copied."""

    task: CopyTask
    version_id: str | None = None


def _is_kept(head: ObjectHead, row: JournalRow) -> bool:
    """Whether the trash holds the store's object from before the plan, and not one that a later plan put there."""
    if same_etag(head.etag, row.etag_before):
        return True
    # ETags of a multipart object and its copy may differ. Then the copy must not be newer than the plan's action.
    are_comparable = "-" not in f"{head.etag}{row.etag_before}"
    kept_at = datetime.fromtimestamp(head.last_modified / 1_000_000, UTC)
    return not are_comparable and kept_at <= row.at + _CLOCK_SLACK


def undo_row(row: JournalRow, outcome: Outcome, code: str | None = None, detail: str | None = None) -> JournalRow:
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


def may_be_in_trash(row: JournalRow, options: Options) -> bool:
    """Whether the trash may have the object of before the plan."""
    # An interrupted attempt may have put an object into the trash without a journal row.
    return options.trash is not None and (row.trashed or row.code in (ALREADY_DONE, ALREADY_GONE))


def may_have_versions(row: JournalRow) -> bool:
    """Whether the store may keep the object of before the plan as a version."""
    return row.version_before is not None or row.version_after is not None


async def obstacle_of(row: JournalRow, find: Callable[[JournalRow, Tries], Work[JournalRow | T]]) -> JournalRow | None:
    """Why `find` gives nothing that an undo can do with one key, as its outcome; None if it does, or it was done."""

    async def look(row: JournalRow, tries: Tries) -> JournalRow:
        found = await find(row, tries)
        return found if isinstance(found, JournalRow) else undo_row(row, Outcome.DONE)

    ended = await answered(row, look)
    # What failed may succeed in the undo.
    return ended if ended.outcome is Outcome.SKIPPED else None


async def answered(row: JournalRow, work: Callable[[JournalRow, Tries], Work[JournalRow]]) -> JournalRow:
    """The outcome of an undo's work on one key; its failures are outcomes and raise nothing."""
    tries = Tries()
    try:
        return (await work(row, tries))._replace(attempts=tries.count)
    except ObjectChangedError as error:
        return undo_row(row, Outcome.SKIPPED, CHANGED, str(error))
    except IncompleteInventoryError as error:
        return undo_row(row, Outcome.FAILED, INVALID_RESPONSE, str(error))
    except S3RequestError as error:
        return undo_row(row, Outcome.FAILED, error.code, str(error))
