"""Copies one object as planned, and returns its outcome."""

import time
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.copy_task import NO_OBJECT, CopyTask
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.journal import (
    ALREADY_DONE,
    ARCHIVED,
    CHANGED,
    CUSTOMER_KEY,
    NOT_TRIED,
    JournalRow,
    Outcome,
)
from hyve_pipeline.core.model.planned_object import PlannedObject
from hyve_pipeline.operations.apply.completion import complete_copy
from hyve_pipeline.operations.apply.listing_doubts import ListingDoubts
from hyve_pipeline.operations.apply.move import Moves
from hyve_pipeline.operations.apply.repair import repair_object
from hyve_pipeline.operations.apply.trash import Trash
from hyve_pipeline.operations.journal.row import ended
from hyve_pipeline.operations.requests.copy_route import CopyRoute
from hyve_pipeline.operations.requests.in_flight import Call
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.objects.head import ObjectHead, head_object
from hyve_pipeline.s3.objects.pinned_write import StoreChangedError
from hyve_pipeline.s3.objects.source_responses import CopyResult
from hyve_pipeline.s3.wire.errors import CustomerKeyError, ObjectChangedError, ObjectUnreadableError, S3RequestError

NOTHING_LEFT: Mapping[str, str] = MappingProxyType({})

# How many seconds the store's clock may be behind this machine's.
_CLOCK_SLACK = 60.0


def _is_copy(head: ObjectHead, row: PlannedObject) -> bool:
    """Whether the store's object is the planned copy, made after the source was last written and the store last listed.

    Responses to HEAD have whole seconds; in doubt the object is copied again.
    """
    is_same = same_etag(head.etag, row.source_etag) and head.size in (None, row.size)
    if not is_same or row.source_last_modified is None:
        return False
    # An undo leaves an object that is newer than the source, perhaps of the same content with other headers.
    return head.last_modified > max(row.source_last_modified, row.store_last_modified or 0)


class ObjectCopier:
    """Copies objects of one shard.

    Args:
        source: where objects come from.
        store: where they go.
        trash: keeps what is overwritten.
        route: how they get there.
        keeps_versions: the store keeps what is overwritten as a version, whose id is journaled.
        check_store_first: check whether the store has the object already, as after an attempt that was interrupted
            between a copy and its journal row.
        left: what failed attempts have left in the store: the ETag of other bytes than the planned ones, by key.
        moves: the objects of the shard that have only moved, which are copied within the store.
    """

    def __init__(
        self,
        source: Connection,
        store: Connection,
        trash: Trash,
        route: CopyRoute,
        *,
        keeps_versions: bool,
        check_store_first: bool,
        left: Mapping[str, str] = NOTHING_LEFT,
        moves: Moves | None = None,
    ) -> None:
        self._source = source
        self._store = store
        self._trash = trash
        self._route = route
        self._keeps_versions = keeps_versions
        self._check_store_first = check_store_first
        self._left = left
        self._moves = moves
        self._listing = ListingDoubts(source)

    async def copy(self, row: PlannedObject) -> JournalRow:
        """Copy one object.

        Failures of this object are outcomes and raise nothing.
        """
        tries = Tries()
        try:
            return await self._copy(row, tries)
        except StoreChangedError as error:
            return self._row(row, tries, Outcome.SKIPPED, CHANGED, str(error))
        except ObjectChangedError as error:
            doubt = await self._listing.doubt(self._source.place.key_of(row.key), row.source_etag)
            return self._row(row, tries, Outcome.SKIPPED, CHANGED, f"{error}{doubt}")
        except CustomerKeyError as error:
            return self._row(row, tries, Outcome.SKIPPED, CUSTOMER_KEY, str(error))
        except ObjectUnreadableError as error:
            return self._row(row, tries, Outcome.SKIPPED, ARCHIVED, str(error))
        except S3RequestError as error:
            return self._row(row, tries, Outcome.FAILED, error.code, str(error), etag_after=error.written)

    async def leave(self, row: PlannedObject, reason: str) -> JournalRow:
        """Leave an object to a retry, as a bucket can't be reached."""
        return self._row(row, Tries(), Outcome.FAILED, NOT_TRIED, f"not tried: {reason}")

    async def _copy(self, row: PlannedObject, tries: Tries) -> JournalRow:
        if row.set == ChangeSet.DRIFTED:
            return await self._repair(row, tries)
        started = time.time()
        task = CopyTask(
            source_key=self._source.place.key_of(row.key),
            store_key=self._store.place.key_of(row.key),
            size=row.size,
            source_etag=row.source_etag or "",
            storage_class=row.storage_class or "STANDARD",
            rules=self._route.rules,
            # No plan overwrites an object without an ETag.
            store_etag=NO_OBJECT if row.set == ChangeSet.NEW else row.store_etag or NO_OBJECT,
        )
        if self._check_store_first:
            head = await tries.answer(lambda: head_object(self._store, task.store_key))
            if head is not None and _is_copy(head, row):
                return await self._recognise(row, task, head, tries)
            if head is not None and (
                same_etag(head.etag, self._left.get(row.key)) or await self._may_be_copy(head, row, task, tries)
            ):
                task = task._replace(store_etag=head.etag)
        trashed, version_before = False, None
        if row.set == ChangeSet.MODIFIED:
            if self._keeps_versions:
                before = await tries.answer(lambda: head_object(self._store, task.store_key))
                version_before = None if before is None else before.version_id
            trashed = await self._trash.keep(row, tries)
        try:
            result = await self._write(task, tries)
        except StoreChangedError as error:
            # A write whose answer was lost is refused when it is sent again, and so is one that another worker began.
            head = error.found
            if head is None or not await self._may_be_copy(head, row, task, tries, since=started):
                raise
            if _is_copy(head, row):
                after = {"version_before": version_before, "version_after": head.version_id, "trashed": trashed}
                return await self._recognise(row, task, head, tries, **after)
            task = task._replace(store_etag=head.etag)
            result = await self._write(task, tries)
        if result.condition_ignored:
            doubt = await self._listing.doubt(task.source_key, row.source_etag)
            detail = (
                f"{self._source.place.uri_of(row.key)} changed since the plan, and the server copied it all the same"
                f"{doubt}"
            )
            return self._row(row, tries, Outcome.SKIPPED, CHANGED, detail, etag_after=result.etag, trashed=trashed)
        return self._row(
            row,
            tries,
            Outcome.DONE,
            detail=self._explain(task),
            etag_after=result.etag,
            version_before=version_before,
            version_after=result.version_id,
            source_version=result.source_version_id,
            without=", ".join(result.lost) or None,
            trashed=trashed,
            **({} if result.shared is None else result.shared._asdict()),
        )

    def _explain(self, task: CopyTask) -> str | None:
        """For the journal: where an object was copied from, if neither its key nor its set says it."""
        moved = None if self._moves is None else self._moves.explain(task.source_key)
        if moved is None and self._source.place.mapping:
            return f"copied from {task.source_key}"
        return moved

    async def _write(self, task: CopyTask, tries: Tries) -> CopyResult:
        """Copy an object by its route, again if its bytes changed on the way."""
        if self._moves is not None:
            try:
                result = await self._moves.copy(task, tries)
            except S3RequestError as error:
                if error.written is None:
                    raise
                task = task._replace(store_etag=error.written)
            else:
                if result is not None:
                    return result
        moves = 1
        while True:
            try:
                return tries.counted(await Call(partial(self._route.copy, task)))
            except S3RequestError as error:
                await tries.pause_after(error, moves)
                moves += 1
                if error.written is not None:
                    # The other bytes are in the store, and are to be overwritten.
                    task = task._replace(store_etag=error.written)

    async def _recognise(
        self, row: PlannedObject, task: CopyTask, head: ObjectHead, tries: Tries, **after: Any
    ) -> JournalRow:
        """The outcome of an object that is in the store already, as planned."""
        has_moved = self._moves is not None and self._moves.has(task.source_key)
        lost = await complete_copy(
            self._source, self._store, self._route, task, head.etag, tries, may_have_moved=has_moved
        )
        without = ", ".join(lost) or None
        return self._row(row, tries, Outcome.DONE, ALREADY_DONE, etag_after=head.etag, without=without, **after)

    async def _may_be_copy(
        self, head: ObjectHead, row: PlannedObject, task: CopyTask, tries: Tries, *, since: float = 0.0
    ) -> bool:
        """Whether the store's object may be the planned copy, though in doubt it is copied again.

        Args:
            head: the store's object.
            row: the planned one.
            task: the copy.
            tries: counts repeated requests.
            since: when the copy was begun, in seconds since 1970 UTC; 0 if another attempt may have begun it before.
        """
        if head.size not in (None, row.size):
            return False
        if same_etag(head.etag, row.source_etag):
            return True
        if head.last_modified < (since - _CLOCK_SLACK) * 1e6:
            return False
        # The ETags of an object and its copy may differ if one of them is no MD5.
        if "-" in f"{head.etag}{row.source_etag}" or not head.is_etag_md5:
            return True
        source = await tries.answer(lambda: head_object(self._source, task.source_key))
        return source is not None and not source.is_etag_md5

    async def _repair(self, row: PlannedObject, tries: Tries) -> JournalRow:
        done = await repair_object(self._source, self._store, self._route, row, tries)
        if done.condition_ignored:
            detail = f"{self._store.place.uri_of(row.key)} changed since the plan, and was repaired all the same"
            return self._row(row, tries, Outcome.SKIPPED, CHANGED, detail, etag_after=done.etag)
        return self._row(
            row,
            tries,
            Outcome.DONE,
            None if done.had_drifted else ALREADY_DONE,
            etag_after=done.etag,
            version_after=done.version_id,
            source_version=done.source_version_id,
            without=", ".join(done.lost) or None,
            bytes=0,
        )

    def _row(
        self,
        row: PlannedObject,
        tries: Tries,
        outcome: Outcome,
        code: str | None = None,
        detail: str | None = None,
        **after: Any,
    ) -> JournalRow:
        return ended(row, "copy", outcome, code, detail, attempts=tries.count, **after)
