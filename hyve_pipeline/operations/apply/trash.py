"""Copies what is about to be overwritten or deleted to the trash, if the sync has one."""

from functools import partial
from http import HTTPStatus

from hyve_pipeline.core.model.copy_task import NO_OBJECT, CopyTask
from hyve_pipeline.core.model.diff import ARCHIVED_CLASSES
from hyve_pipeline.core.model.planned_object import PlannedObject
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.requests.copy_route import ServerCopier
from hyve_pipeline.operations.requests.copy_rules import trash_rules
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.wire.errors import S3RequestError


class Trash(Closing):
    """The trash of one sync: copies of the store's objects under the same keys, below the trash's prefix.

    Use it as a context manager.

    Args:
        options: the sync's options.
        store: the store.
        trash: the trash; None if there is none.
        window: the slots that parts of large objects share with all objects.
    """

    def __init__(self, options: Options, store: Connection, trash: Connection | None, window: Window) -> None:
        self._store = store
        self._trash = trash
        # Whether writes without a condition are refused; None while nothing was refused.
        self._is_policy_strict: bool | None = None
        if trash is not None:
            self._rules = trash_rules(options, store)
            self._copier = ServerCopier(options, store, trash, window)

    def close(self) -> None:
        """Close the connections."""
        if self._trash is not None:
            self._copier.close()

    @property
    def keeps(self) -> bool:
        """Whether there is a trash."""
        return self._trash is not None

    async def keep(self, row: PlannedObject, tries: Tries) -> bool:
        """Copy the store's object to the trash, if there is one.

        Args:
            row: the object, as the plan has it; the copy is pinned to its ETag.
            tries: counts repeated requests.

        Returns:
            Whether the object is in the trash now.

        Raises:
            ObjectChangedError: the store's object is no longer the planned one.
            S3RequestError: the copy failed; the object must not be overwritten or deleted then.
        """
        if self._trash is None:
            return False
        trash = self._trash
        is_archived = row.store_storage_class in ARCHIVED_CLASSES
        task = CopyTask(
            source_key=self._store.place.key_of(row.key),
            store_key=trash.place.key_of(row.key),
            size=row.store_size or 0,
            source_etag=row.store_etag or "",
            # Of an archived object that was restored, the copy must be readable, too.
            storage_class="STANDARD" if is_archived else row.store_storage_class or "STANDARD",
            rules=self._rules,
        )
        if self._is_policy_strict:
            task = await self._as_found(trash, task, tries)
        try:
            await tries.call(partial(self._copier.copy, task))
        except S3RequestError as error:
            if error.status != HTTPStatus.FORBIDDEN or self._is_policy_strict is not None:
                raise
            # The policy of the bucket may demand that each write says what it expects there.
            task = await self._as_found(trash, task, tries)
            try:
                await tries.call(partial(self._copier.copy, task))
            except S3RequestError:
                self._is_policy_strict = False
                raise error from None
            self._is_policy_strict = True
        return True

    async def _as_found(self, trash: Connection, task: CopyTask, tries: Tries) -> CopyTask:
        """The task, pinned to what the trash has of that key now."""
        head = await tries.answer(lambda: head_object(trash, task.store_key))
        return task._replace(store_etag=NO_OBJECT if head is None else head.etag)
