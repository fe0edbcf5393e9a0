"""Deletes objects of the store that the source no longer has, a batch at a time.

Right before a key is deleted it is asked again: the source must still lack it, and the store's object must
still be the planned one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hyve_pipeline.core.journal import ALREADY_GONE, BACK_IN_SOURCE, CHANGED, JournalRow, Outcome
from hyve_pipeline.flow.inflight import Reply
from hyve_pipeline.flow.trash import Trash
from hyve_pipeline.flow.tries import Tries
from hyve_pipeline.s3.connection import Connection
from hyve_pipeline.s3.deleting import delete_objects
from hyve_pipeline.s3.errors import ObjectChangedError, S3RequestError
from hyve_pipeline.s3.heading import ObjectHead, head_object
from hyve_pipeline.s3.probing import send_probe


@dataclass(frozen=True)
class _Allowed:
    """A row whose object may be deleted now."""

    planned: dict[str, Any]
    store_key: str
    version: str | None
    trashed: bool

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


def _row(
    planned: dict[str, Any],
    tries: Tries,
    outcome: Outcome,
    code: str | None = None,
    detail: str | None = None,
    **more: Any,
) -> JournalRow:
    return JournalRow(
        key=planned["key"],
        action="delete",
        outcome=outcome,
        at=datetime.now(UTC),
        bytes=planned["size"],
        attempts=tries.count,
        code=code,
        detail=detail,
        etag_before=planned["store_etag"],
        **more,
    )


class ObjectDeleter:
    """Deletes objects of one shard.

    Args:
        source: asked whether it still lacks each key.
        store: where the objects are deleted.
        trash: keeps what is deleted.
    """

    def __init__(self, source: Connection, store: Connection, trash: Trash) -> None:
        self._source = source
        self._store = store
        self._trash = trash

    async def delete(self, batch: list[dict[str, Any]]) -> list[JournalRow]:
        """Delete the objects of up to 1,000 rows of the plan, columns as in `core.diff.CHANGE_SCHEMA`.

        Never raises for what concerns these objects alone: that is an outcome of each.
        """
        heads = [self._ask(row["key"]) for row in batch]
        verdicts = [await self._judge(row, *head) for row, head in zip(batch, heads, strict=True)]
        settled = [verdict for verdict in verdicts if isinstance(verdict, JournalRow)]
        allowed = {verdict.store_key: verdict for verdict in verdicts if isinstance(verdict, _Allowed)}
        return settled + await self._delete(allowed) if allowed else settled

    def _ask(self, key: str) -> tuple["Reply[ObjectHead | None]", "Reply[ObjectHead | None]"]:
        """Ask both sides about a key. All keys of a batch are asked before the first answer is awaited."""
        return (
            Reply(head_object(self._source, self._source.place.prefix + key)),
            Reply(head_object(self._store, self._store.place.prefix + key)),
        )

    async def _judge(
        self,
        row: dict[str, Any],
        in_source: "Reply[ObjectHead | None]",
        in_store: "Reply[ObjectHead | None]",
    ) -> "JournalRow | _Allowed":
        key: str = row["key"]
        tries = Tries()
        try:
            source_head = await tries.first_answer(
                in_source, lambda: head_object(self._source, self._source.place.prefix + key)
            )
            if source_head is not None:
                detail = f"the source has {self._source.place.uri}{key} again"
                return _row(row, tries, Outcome.SKIPPED, BACK_IN_SOURCE, detail)
            store_head = await tries.first_answer(
                in_store, lambda: head_object(self._store, self._store.place.prefix + key)
            )
            if store_head is None:
                return _row(row, tries, Outcome.DONE, ALREADY_GONE)
            if store_head.etag != row["store_etag"]:
                detail = f"{self._store.place.uri}{key} has ETag {store_head.etag}, planned was {row['store_etag']}"
                return _row(row, tries, Outcome.SKIPPED, CHANGED, detail)
            trashed = await self._trash.keep(key, row["size"], row["store_etag"], tries)
        except ObjectChangedError as error:
            return _row(row, tries, Outcome.SKIPPED, CHANGED, str(error))
        except S3RequestError as error:
            return _row(row, tries, Outcome.FAILED, error.code or str(error.status), str(error))
        return _Allowed(row, self._store.place.prefix + key, store_head.version_id, trashed)

    async def _delete(self, allowed: dict[str, "_Allowed"]) -> list[JournalRow]:
        tries = Tries()
        try:
            # A missing object and a missing bucket look the same to HEAD. The source must still be there.
            await tries.answer(lambda: send_probe(self._source))
            result = await tries.answer(lambda: delete_objects(self._store, list(allowed)))
        except S3RequestError as error:
            code, detail = error.code or str(error.status), str(error)
            return [one.row(Outcome.FAILED, code, detail, tries) for one in allowed.values()]
        rows: list[JournalRow] = []
        for store_key, one in allowed.items():
            failure = result.errors.get(store_key)
            if failure is not None:
                rows.append(one.row(Outcome.FAILED, failure.code, failure.message, tries))
            else:
                marker = result.deleted[store_key].delete_marker_version_id
                rows.append(one.row(Outcome.DONE, None, None, tries, marker))
        return rows
