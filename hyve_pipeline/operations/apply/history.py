"""Copies the versions and delete markers of one key in their order, and returns its outcome.

A version that was written can't be taken back, so nothing is written before the store's versions were listed, and
nothing is sent again whose answer was lost: the store is listed again then, and shows what became of it.
"""

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.model.copy_task import NO_OBJECT, CopyTask
from hyve_pipeline.core.model.history import history_digest, length_of, same_kind
from hyve_pipeline.core.model.history_diff import UNPROVED_REASONS
from hyve_pipeline.core.model.journal import (
    ALREADY_DONE,
    ARCHIVED,
    CHANGED,
    CUSTOMER_KEY,
    NOT_TRIED,
    OTHER_VERSIONS,
    JournalRow,
    Outcome,
)
from hyve_pipeline.core.model.planned_object import PlannedObject
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.operations.apply.completion import complete_copy
from hyve_pipeline.operations.journal.row import ended
from hyve_pipeline.operations.requests.contents import ContentPair, Contents
from hyve_pipeline.operations.requests.copy_route import CopyRoute
from hyve_pipeline.operations.requests.in_flight import Call, Pause
from hyve_pipeline.operations.requests.key_versions import list_key
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.version_pins import VersionPins
from hyve_pipeline.s3.listing.history_walk import is_archived, text_of
from hyve_pipeline.s3.listing.version_pages import NULL_VERSION, ListedVersion
from hyve_pipeline.s3.objects.pinned_write import StoreChangedError
from hyve_pipeline.s3.objects.versions import put_delete_marker
from hyve_pipeline.s3.wire.errors import (
    INVALID_RESPONSE,
    RESPONSE_TIMEOUT,
    TIMEOUT,
    CustomerKeyError,
    ObjectChangedError,
    ObjectUnreadableError,
    S3RequestError,
)
from hyve_pipeline.s3.wire.messages import Pairs

# The operations that make a version each time that they are sent. A multipart upload is completed only once.
WRITES = frozenset({"CopyObject", "PutObject", "DeleteObject"})

# After these the server may still be at work, so the next look at the store is left to a retry.
_STILL_AT_WORK = {TIMEOUT, RESPONSE_TIMEOUT}

# Before the store is listed again after a write that failed, without progress; seconds, with jitter.
_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class _LeftError(Exception):
    """A key is left as it is."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class _Progress:
    """What is known of a key while its versions are copied.

    Attributes:
        written: the source's version ids by those of the store, of what this attempt has written.
        read: which pairs of ids have the same content, as far as that was read.
        pairs: source's and store's id of each version that is in the store.
        digest: that of the store's history; None until it was listed.
        bytes: what was copied.
        lost: what copies lack.
    """

    def __init__(self) -> None:
        self.tries = Tries()
        self.written: dict[str, str] = {}
        self.read: dict[tuple[str, str], bool] = {}
        self.pairs: list[dict[str, str]] = []
        self.digest: str | None = None
        self.bytes = 0
        self.lost: dict[str, None] = {}


class HistoryCopier:
    """Copies the keys of one shard of a plan of all versions.

    Args:
        source: where versions come from.
        store: where they go; a connection that sends none of `WRITES` again.
        route: how they get there.
        headers: headers of listings of the source.
        patience: for so many seconds a key is tried again without progress.
    """

    def __init__(
        self, source: Connection, store: Connection, route: CopyRoute, *, headers: Pairs, patience: float
    ) -> None:
        self._source = source
        self._store = store
        self._route = route
        self._headers = headers
        self._patience = patience
        # The versions that are read now, by whole key: of a key, one at a time.
        self._source_pins: dict[str, str] = {}
        self._store_pins: dict[str, str] = {}
        source.versions = VersionPins(self._source_pins.get)
        store.versions = VersionPins(self._store_pins.get)
        self._contents = Contents(source, store)

    async def copy(self, row: PlannedObject) -> JournalRow:
        """Copy what the store lacks of one key.

        Failures of this key are outcomes and raise nothing.
        """
        progress = _Progress()
        try:
            return await self._copy(row, progress)
        except _LeftError as left:
            return self._row(row, progress, Outcome.SKIPPED, left.code, left.detail)
        except ObjectChangedError as error:
            return self._row(row, progress, Outcome.SKIPPED, CHANGED, str(error))
        except CustomerKeyError as error:
            return self._row(row, progress, Outcome.SKIPPED, CUSTOMER_KEY, str(error))
        except ObjectUnreadableError as error:
            return self._row(row, progress, Outcome.SKIPPED, ARCHIVED, str(error))
        except IncompleteInventoryError as error:
            return self._row(row, progress, Outcome.FAILED, INVALID_RESPONSE, str(error))
        except S3RequestError as error:
            return self._row(row, progress, Outcome.FAILED, error.code, str(error))
        finally:
            self._source_pins.pop(self._source.place.key_of(row.key), None)
            self._store_pins.pop(self._store.place.key_of(row.key), None)

    async def leave(self, row: PlannedObject, reason: str) -> JournalRow:
        """Leave a key to a retry, as a bucket can't be reached."""
        return self._row(row, _Progress(), Outcome.FAILED, NOT_TRIED, f"not tried: {reason}")

    async def _copy(self, row: PlannedObject, progress: _Progress) -> JournalRow:
        wanted = await self._planned(row, progress)
        pauses = [pause for pause in _PAUSES if pause <= self._patience]
        left = list(pauses)
        longest = -1
        is_completed = False
        failure: S3RequestError | None = None
        while True:
            there = await self._listed(self._store, row.key, progress)
            await self._compare(row, wanted, there, progress)
            if len(there) > longest:
                longest, left = len(there), list(pauses)
            elif failure is None:
                named = self._named(row, self._store)
                raise _LeftError(OTHER_VERSIONS, f"{named} does not have the versions that were written, or lost one")
            elif not left:
                raise failure
            missing = wanted[len(there) :]
            if any(is_archived(version) for version in missing):
                raise _LeftError(ARCHIVED, f"{self._named(row, self._source)} has versions that must be restored first")
            try:
                if not is_completed:
                    await self._complete(row, wanted, there, progress)
                    is_completed = True
                if not missing:
                    return self._row(row, progress, Outcome.DONE, None if progress.written else ALREADY_DONE)
                newest = there[-1] if there else None
                for version in missing:
                    newest = await self._write(row, version, newest, progress)
                failure = None
            except S3RequestError as error:
                if not _may_pass(error):
                    raise
                failure = error
                # Perhaps the version was written, and what is put after it was not.
                is_completed = False
                if left:
                    await Pause(left.pop(0) * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing
                progress.tries.count += 1

    async def _planned(self, row: PlannedObject, progress: _Progress) -> list[ListedVersion]:
        """The source's versions up to the newest planned one: what is newer is left to the next plan."""
        versions = await self._listed(self._source, row.key, progress)
        length = length_of(map(text_of, versions), row.source_etag)
        if not length:
            named = self._named(row, self._source)
            raise _LeftError(CHANGED, f"the versions of {named} are no longer those of the plan: one was removed")
        return versions[:length]

    async def _listed(self, connection: Connection, key: str, progress: _Progress) -> list[ListedVersion]:
        place = connection.place
        headers = self._headers if connection is self._source else ()
        versions = await list_key(connection, place.key_of(key), headers, progress.tries)
        if versions is None:
            raise _LeftError(
                CHANGED,
                f"{displayed(place.uri_of(key))}: the server does not show the order of a version and a delete marker "
                "of one time, so what comes next is not known",
            )
        return versions

    async def _compare(
        self, row: PlannedObject, wanted: Sequence[ListedVersion], there: Sequence[ListedVersion], progress: _Progress
    ) -> None:
        """Check that the store's versions are the first ones of the source; anything else is left as it is."""
        named = self._named(row, self._store)
        planned = length_of(map(text_of, there), row.store_etag)
        if planned is None:
            raise _LeftError(CHANGED, f"the versions of {named} are no longer those of the plan")
        progress.digest = history_digest(map(text_of, there))
        progress.pairs = []
        for place, (one, other) in enumerate(zip(wanted, there, strict=False)):
            is_known = place < planned and row.reason not in UNPROVED_REASONS
            if not is_known and not await self._is_same(row, one, other, progress):
                what = "delete marker" if other.is_marker else "version"
                raise _LeftError(
                    OTHER_VERSIONS,
                    f"the {what} {other.version_id} of {named} is not the one that the source has in its place",
                )
            progress.pairs.append({"source": one.version_id, "store": other.version_id})
        if len(there) > len(wanted):
            more = counted(len(there) - len(wanted), "version")
            raise _LeftError(OTHER_VERSIONS, f"{named} has {more} more than the source")

    async def _is_same(self, row: PlannedObject, one: ListedVersion, other: ListedVersion, progress: _Progress) -> bool:
        """Whether a version of the store is a copy of one of the source, by ETag and size, else by its content."""
        if not same_kind(text_of(one), text_of(other)):
            return False
        is_written = progress.written.get(other.version_id) == one.version_id
        if one.is_marker or is_written or (one.etag and text_of(one) == text_of(other)):
            return True
        ids = one.version_id, other.version_id
        if ids not in progress.read:
            self._pin(row, one)
            store_key = self._store.place.key_of(row.key)
            self._store_pins[store_key] = other.version_id
            try:
                found = await self._contents.compare(ContentPair(row.key, one.size, one.etag, other.etag))
            finally:
                del self._store_pins[store_key]
            progress.read[ids] = found is not None and found.is_equal
        return progress.read[ids]

    async def _complete(
        self, row: PlannedObject, wanted: Sequence[ListedVersion], there: Sequence[ListedVersion], progress: _Progress
    ) -> None:
        """Give the newest version tags and annotations that an interrupted attempt may have left out."""
        if not there or there[-1].is_marker:
            return
        version = wanted[len(there) - 1]
        self._pin(row, version)
        task = self._task(row, version, None)
        lost = await complete_copy(self._source, self._store, self._route, task, there[-1].etag, progress.tries)
        progress.lost.update(dict.fromkeys(lost))

    async def _write(
        self, row: PlannedObject, version: ListedVersion, newest: ListedVersion | None, progress: _Progress
    ) -> ListedVersion:
        """Write one version or delete marker, and return it as it is in the store."""
        if version.is_marker:
            key = self._store.place.key_of(row.key)
            # Not by `tries`, which may send it again.
            made = await progress.tries.answer_once(lambda: put_delete_marker(self._store, key))
            progress.written[made] = version.version_id
            return version._replace(version_id=made)
        self._pin(row, version)
        result = progress.tries.counted(await Call(partial(self._route.copy, self._task(row, version, newest))))
        if result.version_id is not None:
            progress.written[result.version_id] = version.version_id
        if result.condition_ignored:
            named = self._named(row, self._source)
            raise _LeftError(CHANGED, f"{named} changed since the plan, and the server copied it all the same")
        progress.bytes += version.size
        progress.lost.update(dict.fromkeys(result.lost))
        return version._replace(version_id=result.version_id or "", etag=result.etag)

    def _task(self, row: PlannedObject, version: ListedVersion, newest: ListedVersion | None) -> CopyTask:
        # Only where the condition is known to be kept: to find that out, a write may be sent twice.
        expected = NO_OBJECT if newest is None or newest.is_marker else newest.etag
        return CopyTask(
            source_key=self._source.place.key_of(row.key),
            store_key=self._store.place.key_of(row.key),
            size=version.size,
            source_etag=version.etag,
            storage_class=version.storage_class,
            rules=self._route.rules,
            store_etag=expected if self._store.place.server == AWS else None,
        )

    def _pin(self, row: PlannedObject, version: ListedVersion) -> None:
        self._source_pins[self._source.place.key_of(row.key)] = version.version_id

    def _named(self, row: PlannedObject, connection: Connection) -> str:
        return displayed(connection.place.uri_of(row.key))

    def _row(
        self,
        row: PlannedObject,
        progress: _Progress,
        outcome: Outcome,
        code: str | None = None,
        detail: str | None = None,
    ) -> JournalRow:
        more: dict[str, Any] = {}
        if progress.pairs:
            more = {"version_after": progress.pairs[-1]["store"], "source_version": progress.pairs[-1]["source"]}
        is_left = outcome is Outcome.SKIPPED and not progress.written
        return ended(
            row,
            "copy",
            outcome,
            code,
            detail,
            bytes=progress.bytes,
            attempts=progress.tries.count,
            # Of a key that was skipped, its ETag says that something was written all the same.
            etag_after=None if is_left else progress.digest,
            without=", ".join(progress.lost) or None,
            versions=progress.pairs or None,
            written=_written(progress) or None,
            **more,
        )


def _written(progress: _Progress) -> list[dict[str, str]]:
    """What this attempt is known to have written, by ids that nothing else can ever get."""
    return [{"source": one, "store": made} for made, one in progress.written.items() if made != NULL_VERSION]


def _may_pass(error: S3RequestError) -> bool:
    """Whether the store is listed again after a write that failed, to go on from there."""
    if isinstance(error, ObjectChangedError):
        # Also where a write whose answer was lost is refused when it comes again.
        return isinstance(error, StoreChangedError)
    return error.is_transient and error.code not in _STILL_AT_WORK
