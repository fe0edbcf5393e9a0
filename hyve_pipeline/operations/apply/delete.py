"""Deletes objects of the store that the source no longer has, a batch at a time.

Right before a batch is deleted both sides are checked again: the source must still lack each key, by its listing and,
for a sample, by HEAD requests, and the store's object must still be the planned one.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.journal import ALREADY_GONE, BACK_IN_SOURCE, CHANGED, CONTRADICTED, JournalRow, Outcome
from hyve_pipeline.core.model.planned_object import PlannedObject
from hyve_pipeline.operations.apply.listing_check import ListedKeys, list_batch
from hyve_pipeline.operations.apply.source_sample import is_listed, is_there, sample_of
from hyve_pipeline.operations.apply.trash import Trash
from hyve_pipeline.operations.journal.row import ended
from hyve_pipeline.operations.requests.in_flight import Pause, Reply, Together, Work
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.probe import send_probe
from hyve_pipeline.s3.objects.delete import UNMENTIONED, DeleteFailure, delete_objects
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, ObjectChangedError, S3RequestError, is_transient_code

# With these codes nothing says that a key is there still: some servers answer so where there is none to delete.
_MAY_BE_GONE = {UNMENTIONED, "NoSuchKey", "NotFound"}

# The error codes for a key whose condition fails, or for a condition that the server does not support.
_CONDITION_FAILED = {
    "PreconditionFailed",
    "ConditionalRequestConflict",
    "NoSuchKey",
    "MalformedXML",
    "NotImplemented",
    "InvalidRequest",
    "InvalidArgument",
}


# How often a key is sent whose failure may pass: an answer of status 200 may have SlowDown for single keys.
_MOST_SENDS = 4
_FIRST_PAUSE_SECONDS = 0.25


@dataclass(slots=True)
class _Allowed:
    """An object that may be deleted now."""

    planned: PlannedObject
    version: str | None
    trashed: bool = False

    def row(
        self, outcome: Outcome, code: str | None, detail: str | None, tries: Tries, version_after: str | None = None
    ) -> JournalRow:
        return _row(
            self.planned,
            tries,
            outcome,
            code,
            detail,
            version_before=self.version,
            version_after=version_after,
            trashed=self.trashed,
        )


_Verdict = JournalRow | _Allowed


def _row(
    planned: PlannedObject,
    tries: Tries,
    outcome: Outcome,
    code: str | None = None,
    detail: str | None = None,
    **more: Any,
) -> JournalRow:
    return ended(planned, "delete", outcome, code, detail, attempts=tries.count, **more)


class ObjectDeleter:
    """Deletes objects of one shard.

    Args:
        source: checked to still lack each key.
        store: where the objects are deleted.
        trash: keeps what is deleted.
    """

    def __init__(self, source: Connection, store: Connection, trash: Trash) -> None:
        self._source = source
        self._store = store
        self._trash = trash
        # Until the server turns out to compare ETags by other rules.
        self._conditional = True

    async def delete(self, batch: Sequence[PlannedObject]) -> list[JournalRow]:
        """Delete up to 1,000 objects, in the order of the plan.

        Never raises for what concerns these objects alone: that is an outcome of each.
        """
        verdicts = await self._judge(batch)
        if self._trash.keeps:
            verdicts = await Together([self._keep(verdict) for verdict in verdicts])
        settled = [verdict for verdict in verdicts if isinstance(verdict, JournalRow)]
        allowed = [verdict for verdict in verdicts if isinstance(verdict, _Allowed)]
        return settled + await self._delete(allowed) if allowed else settled

    async def _judge(self, batch: Sequence[PlannedObject]) -> "Sequence[_Verdict]":
        """Which objects may be deleted, and why the others may not."""
        in_source, in_store = await self._list(batch)
        tries = Tries()
        verdicts: list[_Verdict] = []
        unknown: list[PlannedObject] = []
        for planned in batch:
            source_key, store_key = self._source.place.key_of(planned.key), self._store.place.key_of(planned.key)
            if in_source.knows(source_key) and in_store.knows_etag(store_key):
                is_back = source_key in in_source.etags
                verdicts.append(self._verdict(planned, is_back, in_store.etags.get(store_key), None, tries))
            else:
                unknown.append(planned)
        verdicts += await Together([self._head(planned, in_source, in_store) for planned in unknown])
        return await self._confirm(verdicts, in_source)

    async def _confirm(self, verdicts: "Sequence[_Verdict]", in_source: ListedKeys) -> "Sequence[_Verdict]":
        """Let nothing be deleted by a listing of the source that HEAD requests contradict."""
        key_of = self._source.place.key_of
        by_listing = {
            verdict.planned.key: verdict
            for verdict in verdicts
            if isinstance(verdict, _Allowed) and in_source.knows(key_of(verdict.planned.key))
        }
        sample = sample_of(list(by_listing))
        answers = dict(
            zip(sample, await Together([is_there(self._source, key_of(key)) for key in sample]), strict=True)
        )
        there = [key for key, answer in answers.items() if answer is True]
        listed = await Together([is_listed(self._source, key_of(key)) for key in there])
        settled: dict[str, JournalRow] = {}
        hidden = next((key for key, is_in in zip(there, listed, strict=True) if not is_in), None)
        errors = {key: answer for key, answer in answers.items() if isinstance(answer, S3RequestError)}
        if hidden is not None:
            detail = (
                f"the source has {self._source.place.uri_of(hidden)}, and its listing does not: nothing is deleted by "
                "such a listing; make sure that the server lists all its objects, then run 'hyve retry'"
            )
            failed = dict.fromkeys(by_listing, (CONTRADICTED, detail))
        elif errors and len(errors) == len(sample):
            error = errors[sample[0]]
            detail = f"only its listing says that the source lacks it: {error}"
            failed = dict.fromkeys(by_listing, (error.code, detail))
        else:
            failed = {key: (error.code, str(error)) for key, error in errors.items()}
            settled = {key: self._back(by_listing[key].planned, Tries()) for key in there}
        for key, (code, detail) in failed.items():
            settled[key] = _row(by_listing[key].planned, Tries(), Outcome.FAILED, code, detail)
        if not settled:
            return verdicts
        return [
            settled.get(verdict.planned.key, verdict) if isinstance(verdict, _Allowed) else verdict
            for verdict in verdicts
        ]

    def _back(self, planned: PlannedObject, tries: Tries) -> JournalRow:
        detail = f"the source has {self._source.place.uri_of(planned.key)} again"
        return _row(planned, tries, Outcome.SKIPPED, BACK_IN_SOURCE, detail)

    async def _list(self, batch: Sequence[PlannedObject]) -> tuple[ListedKeys, ListedKeys]:
        """What listings of both sides find of a batch."""
        source, store = (
            Reply(list_batch(side, sorted(side.place.key_of(planned.key) for planned in batch)))
            for side in (self._source, self._store)
        )
        in_source, in_store = await source, await store
        # A listing does not show versions, and an undo of the delete needs their ids.
        return in_source, ListedKeys() if await self._keeps_versions(in_store) else in_store

    async def _keeps_versions(self, in_store: ListedKeys) -> bool:
        """Whether the store keeps versions, or may do; one object shows it for all."""
        key = next(iter(in_store.etags), None)
        if key is None:
            return False
        try:
            head = await Tries().answer(lambda: head_object(self._store, key))
        except S3RequestError:
            return True
        return head is None or head.keeps_versions

    def _verdict(
        self, planned: PlannedObject, is_back: bool, etag: str | None, version: str | None, tries: Tries
    ) -> "_Verdict":
        """Whether an object may be deleted.

        Args:
            planned: the object.
            is_back: whether the source has the key.
            etag: the ETag of the store's object, or None where there is none.
            version: its version, or None likewise, or in a bucket without versions.
            tries: counts repeated requests.
        """
        if is_back:
            return self._back(planned, tries)
        if etag is None:
            return _row(planned, tries, Outcome.DONE, ALREADY_GONE)
        if not same_etag(etag, planned.store_etag):
            detail = f"{self._store.place.uri_of(planned.key)} has ETag {etag}, planned was {planned.store_etag}"
            return _row(planned, tries, Outcome.SKIPPED, CHANGED, detail)
        return _Allowed(planned, version)

    async def _head(self, planned: PlannedObject, in_source: ListedKeys, in_store: ListedKeys) -> "_Verdict":
        """The verdict on an object for which the listings do not suffice, by HEAD."""
        source_key = self._source.place.key_of(planned.key)
        store_key = self._store.place.key_of(planned.key)
        tries = Tries()
        try:
            if in_source.knows(source_key):
                is_back = source_key in in_source.etags
            else:
                is_back = await tries.answer(lambda: head_object(self._source, source_key)) is not None
            if is_back or in_store.knows_etag(store_key):
                return self._verdict(planned, is_back, in_store.etags.get(store_key), None, tries)
            head = await tries.answer(lambda: head_object(self._store, store_key))
        except S3RequestError as error:
            return _row(planned, tries, Outcome.FAILED, error.code, str(error))
        return self._verdict(planned, False, head and head.etag, head and head.version_id, tries)

    async def _keep(self, verdict: "_Verdict") -> "_Verdict":
        """Put an object that may be deleted into the trash; where that fails, it may not be deleted."""
        if isinstance(verdict, JournalRow):
            return verdict
        planned, tries = verdict.planned, Tries()
        try:
            trashed = await self._trash.keep(planned, tries)
        except ObjectChangedError as error:
            return _row(planned, tries, Outcome.SKIPPED, CHANGED, str(error))
        except S3RequestError as error:
            return _row(planned, tries, Outcome.FAILED, error.code, str(error))
        return replace(verdict, trashed=trashed)

    async def _delete(self, allowed: Sequence["_Allowed"], sends: int = 1) -> list[JournalRow]:
        """Delete what may be deleted; `sends` counts how often its keys were sent with this time."""
        tries = Tries()
        tries.count = sends
        by_key = {self._store.place.key_of(one.planned.key): one for one in allowed}
        etags = {key: one.planned.store_etag for key, one in by_key.items() if one.planned.store_etag}
        conditions = etags if self._conditional else {}
        try:
            # HEAD answers alike for a missing object and a missing bucket: check that the source bucket still exists.
            await tries.answer(lambda: send_probe(self._source))
            result = await tries.answer(lambda: delete_objects(self._store, list(by_key), conditions))
        except S3RequestError as error:
            failure = DeleteFailure(error.code, str(error))
            if failure.code == INVALID_RESPONSE:
                return await Together([self._look(one, failure) for one in allowed])
            return [one.row(Outcome.FAILED, failure.code, failure.message, tries) for one in allowed]
        rows: list[JournalRow] = []
        doubtful: list[_Allowed] = []
        unproved: list[Work[JournalRow]] = []
        passing: list[_Allowed] = []
        for store_key, one in by_key.items():
            failure = result.errors.get(store_key)
            if failure is None:
                marker = result.deleted[store_key].delete_marker_version_id
                rows.append(one.row(Outcome.DONE, None, None, tries, marker))
            elif result.is_conditional and failure.code in _CONDITION_FAILED:
                doubtful.append(one)
            elif failure.code in _MAY_BE_GONE:
                unproved.append(self._look(one, failure))
            elif is_transient_code(failure.code) and sends < _MOST_SENDS:
                passing.append(one)
            else:
                rows.append(one.row(Outcome.FAILED, failure.code, failure.message, tries))
        if doubtful:
            rows += await self._recheck(doubtful)
        rows += await Together(unproved)
        if passing:
            await Pause(_FIRST_PAUSE_SECONDS * 2**sends * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load only
            rows += await self._delete(passing, sends + 1)
        return rows

    async def _look(self, one: "_Allowed", failure: DeleteFailure) -> JournalRow:
        """The outcome for an object of which no answer says whether it was deleted.

        Some servers mention only what they did not delete, and some answer without a document.
        """
        tries = Tries()
        try:
            head = await tries.answer(lambda: head_object(self._store, self._store.place.key_of(one.planned.key)))
        except S3RequestError as error:
            return one.row(Outcome.FAILED, failure.code, f"{failure.message}: {error}", tries)
        if head is None:
            return one.row(Outcome.DONE, None, None, tries)
        return one.row(Outcome.FAILED, failure.code, f"{failure.message}, and the object is still there", tries)

    async def _recheck(self, doubtful: Sequence["_Allowed"]) -> list[JournalRow]:
        """Check again what the server did not delete because the condition failed.

        An object that still has the planned ETag is deleted without the condition: the server compares ETags by other
        rules.
        """
        verdicts = await Together([self._head(one.planned, ListedKeys(), ListedKeys()) for one in doubtful])
        rows: list[JournalRow] = []
        same: list[_Allowed] = []
        for one, verdict in zip(doubtful, verdicts, strict=True):
            if isinstance(verdict, JournalRow):
                rows.append(verdict._replace(trashed=one.trashed))
            else:
                same.append(one)
        if not same:
            return rows
        self._conditional = False
        return rows + await self._delete(same)
