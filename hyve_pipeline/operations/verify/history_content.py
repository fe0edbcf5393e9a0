"""Compares the content of all versions of keys of both buckets, each version with that of its place."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.model.history import history_digest, length_of, same_kind
from hyve_pipeline.core.model.verification import Difference
from hyve_pipeline.operations.requests.contents import ContentPair
from hyve_pipeline.operations.requests.key_versions import list_key
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.operations.verify.content import CHANGED, ContentComparer, Verdict
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.version_pins import VersionPins
from hyve_pipeline.s3.listing.history_walk import text_of
from hyve_pipeline.s3.listing.version_pages import ListedVersion
from hyve_pipeline.s3.wire.errors import S3RequestError


class HistoryComparer(ContentComparer):
    """Compares a sample of the keys that are in both buckets, as a plan of all versions has them.

    The versions of each key are listed on both sides: an inventory has no ids of versions.
    """

    def __init__(self, *of_comparer: Any) -> None:
        """Open both buckets, with the arguments of `ContentComparer`."""
        super().__init__(*of_comparer)
        # The versions that are read now, by whole key: of a key, one at a time.
        self._pins: dict[Connection, dict[str, str]] = {self._source: {}, self._store: {}}
        for connection, pins in self._pins.items():
            connection.versions = VersionPins(pins.get)

    async def _judge(self, pair: ContentPair) -> list[Verdict]:
        """The verdicts on the versions of a key; none on delete markers, which have no content."""
        try:
            source, store = [await self._listed(side, pair.key) for side in (self._source, self._store)]
        except (S3RequestError, IncompleteInventoryError):
            return [Verdict(pair, Difference.UNREAD)]
        # What the source has added since the plan is left to the next plan.
        planned = length_of(map(text_of, source), pair.source_etag)
        if not planned or history_digest(map(text_of, store)) != pair.store_etag:
            return [Verdict(pair, skipped=CHANGED)]
        return await self._compare_versions(pair, source[:planned], store)

    async def _listed(self, connection: Connection, key: str) -> list[ListedVersion]:
        # Where the order is not known, there is no digest that the versions could have.
        return await list_key(connection, connection.place.key_of(key), (), Tries()) or []

    async def _compare_versions(
        self, pair: ContentPair, source: Sequence[ListedVersion], store: Sequence[ListedVersion]
    ) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for place, (one, other) in enumerate(zip_longest(source, store), start=1):
            if other is None:
                # The store's history is the beginning of the source's.
                return verdicts
            if one is None or not same_kind(text_of(one), text_of(other)):
                return [*verdicts, Verdict(pair, Difference.CONTENT)]
            if not one.is_marker:
                verdicts.append(await self._compare_version(pair.key, one, other, place))
                if verdicts[-1].difference is not None:
                    return verdicts
        is_proved = all(verdict.skipped is None for verdict in verdicts)
        return [*verdicts, Verdict(pair, is_whole=True)] if is_proved else verdicts

    async def _compare_version(self, key: str, one: ListedVersion, other: ListedVersion, place: int) -> Verdict:
        read = ((self._source, one.version_id), (self._store, other.version_id))
        for connection, version_id in read:
            self._pins[connection][connection.place.key_of(key)] = version_id
        try:
            return await self._compare_pair(ContentPair(key, one.size, one.etag, other.etag), place)
        finally:
            for connection, _ in read:
                del self._pins[connection][connection.place.key_of(key)]
