"""Undoes what a plan of all versions did to one key: removes the versions and delete markers that the plan has added.

A version that is removed is gone for good. So only those are removed whose ids the journal has from the answers to the
plan's own writes, only where nothing else was written after them, and versions only while the source has them still.
"""

from collections.abc import Sequence

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.model.history import history_digest, length_of, same_kind
from hyve_pipeline.core.model.journal import CHANGED, JournalRow, Outcome
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.model.undo_summary import ALREADY_BACK, ONLY_COPY
from hyve_pipeline.operations.put_back import answered, obstacle_of, undo_row
from hyve_pipeline.operations.requests.key_versions import list_key
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.listing.history_walk import text_of
from hyve_pipeline.s3.listing.version_pages import ListedVersion
from hyve_pipeline.s3.objects.delete import delete_version


class VersionRemover:
    """Removes what a plan added to keys, one by one.

    Args:
        source: where the versions are from.
        store: where they are removed.
        window: bounds how many requests are in flight.
        expects_changes: whether later plans, not undone yet, may have added more. It matters to `obstacle` alone.
    """

    def __init__(self, source: Connection, store: Connection, window: Window, *, expects_changes: bool) -> None:
        self.window = window
        self._source = source
        self._store = store
        self._expects_changes = expects_changes

    def begin(self, shard: Shard) -> None:
        """Go on to the keys of another shard: nothing is known of them together."""

    async def restore(self, row: JournalRow) -> JournalRow:
        """Remove what the plan added to one key; its failures are outcomes and raise nothing."""
        return await answered(row, self._remove)

    async def obstacle(self, row: JournalRow) -> JournalRow | None:
        """Why that is not possible, as its outcome; None if it is, or was done. Writes nothing."""

        async def find(row: JournalRow, tries: Tries) -> JournalRow | list[ListedVersion]:
            return await self._find(row, tries, expects_changes=self._expects_changes)

        return await obstacle_of(row, find)

    async def _remove(self, row: JournalRow, tries: Tries) -> JournalRow:
        found = await self._find(row, tries, expects_changes=False)
        if isinstance(found, JournalRow):
            return found
        key = self._store.place.key_of(row.key)
        # Newest first: cut short, it leaves what the plan had left earlier.
        for version in reversed(found):
            await tries.answer(lambda version=version: delete_version(self._store, key, version.version_id))
        left = await self._listed(self._store, row, tries)
        if left is None or history_digest(map(text_of, left)) != (row.etag_before or ""):
            return self._skipped(row, CHANGED, f"{self._named(self._store, row)} was written to during the undo")
        sources = _written(row)
        removed = [{"source": sources[one.version_id], "store": one.version_id} for one in found]
        size = sum(version.size for version in found)
        return undo_row(row, Outcome.DONE)._replace(etag_after=row.etag_before, versions=removed, bytes=size)

    async def _find(self, row: JournalRow, tries: Tries, *, expects_changes: bool) -> JournalRow | list[ListedVersion]:
        """What the plan added and the store still has, oldest first; or the outcome where nothing is to be removed."""
        there = await self._listed(self._store, row, tries)
        named = self._named(self._store, row)
        before = None if there is None else length_of(map(text_of, there), row.etag_before)
        if there is None or before is None:
            return self._skipped(row, CHANGED, f"{named} no longer has the versions of before the plan")
        added = there[before:]
        if not added:
            return undo_row(row, Outcome.DONE, ALREADY_BACK)
        written = _written(row)
        others = [version for version in added if version.version_id not in written]
        if others and not expects_changes:
            detail = f"{_what(others[0])} of {named} is not known to have been written by the plan"
            return self._skipped(row, CHANGED, detail)
        return await self._only_copy(row, [one for one in added if one.version_id in written], tries) or added

    async def _only_copy(self, row: JournalRow, added: Sequence[ListedVersion], tries: Tries) -> JournalRow | None:
        """The outcome where the source no longer has one of the versions, so that the store's is the only one."""
        if all(version.is_marker for version in added):
            return None
        there = {version.version_id: version for version in await self._listed(self._source, row, tries) or ()}
        written = _written(row)
        for version in added:
            twin = there.get(written[version.version_id])
            if not version.is_marker and (twin is None or not same_kind(text_of(twin), text_of(version))):
                detail = (
                    f"{_what(version)} of {self._named(self._store, row)} is the only copy: the source has it no more"
                )
                return self._skipped(row, ONLY_COPY, detail)
        return None

    async def _listed(self, connection: Connection, row: JournalRow, tries: Tries) -> list[ListedVersion] | None:
        return await list_key(connection, connection.place.key_of(row.key), (), tries)

    def _named(self, connection: Connection, row: JournalRow) -> str:
        return displayed(connection.place.uri_of(row.key))

    def _skipped(self, row: JournalRow, code: str, detail: str) -> JournalRow:
        return undo_row(row, Outcome.SKIPPED, code, detail)


def _written(row: JournalRow) -> dict[str, str]:
    """The source's ids of the versions that the plan has written, by those of the store."""
    return {pair["store"]: pair["source"] for pair in row.written or ()}


def _what(version: ListedVersion) -> str:
    return f"the {'delete marker' if version.is_marker else 'version'} {version.version_id}"
