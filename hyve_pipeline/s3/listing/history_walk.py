"""The state of a listing of all versions, that gives the history of each key: a bucket's, or a single key's."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa

from hyve_pipeline.core.model.diff import ARCHIVED_CLASSES
from hyve_pipeline.core.model.history import DELETE_MARKER, HISTORY_SCHEMA, history_digest, version_text
from hyve_pipeline.core.model.inventory import KeyRange, RangeEnd
from hyve_pipeline.core.settings.places import AWS, Place
from hyve_pipeline.s3.connection.listing_dialect import ListingDialect
from hyve_pipeline.s3.listing.version_pages import ListedVersion, VersionPage
from hyve_pipeline.s3.listing.version_walk import VersionPagesWalk
from hyve_pipeline.s3.listing.walk import MAX_KEYS
from hyve_pipeline.s3.wire.messages import Pairs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_of(version: ListedVersion) -> str:
    """The text of a version or delete marker in a history."""
    return DELETE_MARKER if version.is_marker else version_text(version.size, version.etag)


def is_archived(version: ListedVersion) -> bool:
    """Whether a version can't be read now: it is in an archive class, and not restored."""
    now = (datetime.now(UTC) - _EPOCH) // timedelta(microseconds=1)
    return version.storage_class in ARCHIVED_CLASSES and (version.restored_until or 0) <= now


def oldest_first(listed: Sequence[ListedVersion], *, is_one_order: bool) -> list[ListedVersion] | None:
    """The versions and delete markers of a key in their order; None where the server does not show it.

    The order is the server's, and not that of their times: an object that was uploaded in parts has the time at which
    its upload began. Only a server that lists delete markers apart leaves nothing but times to order them by.

    Args:
        listed: all of them, as the server has them: newest first, or those of each kind newest first.
        is_one_order: the server lists versions and delete markers in one order.
    """
    kinds = [[version for version in listed if version.is_marker is is_marker] for is_marker in (False, True)]
    newest_first = list(listed)
    if not is_one_order and all(kinds):
        if any(one.last_modified < other.last_modified for kind in kinds for one, other in pairwise(kind)):
            return None
        newest_first.sort(key=lambda version: (-version.last_modified, not version.is_latest))
        for newer, older in pairwise(newest_first):
            is_tie = newer.last_modified == older.last_modified and newer.is_marker is not older.is_marker
            if is_tie and not newer.is_latest:
                return None
    # Anything else contradicts the order.
    if not newest_first[0].is_latest or any(version.is_latest for version in newest_first[1:]):
        return None
    return newest_first[::-1]


class HistoryWalk(VersionPagesWalk):
    """A walk through all versions of a range that gives a row for each key, columns as in `HISTORY_SCHEMA`."""

    def __init__(self, *of_walk: Any) -> None:
        """Describe the walk, with the arguments of `Walk`."""
        super().__init__(*of_walk)
        # Of the last key, which may have more on the next page.
        self._held: list[ListedVersion] = []

    def _rows_of(self, page: VersionPage) -> pa.Table:
        found: list[list[ListedVersion]] = []
        for version in page.listed:
            if self._see(version) and self._held:
                found.append(self._held)
                self._held = []
            self._held.append(version)
        if self.has_ended and self._held:
            found.append(self._held)
            self._held = []
        self._count([versions[0].key for versions in found])
        is_one_order = self._dialect.is_one_order or self._place.server == AWS
        return _table_of([(versions, oldest_first(versions, is_one_order=is_one_order)) for versions in found])


class KeyWalk(VersionPagesWalk):
    """A walk through the versions of a single key.

    Attributes:
        listed: what was found so far, as the server has it.
    """

    def __init__(self, place: Place, key: str, headers: Pairs, dialect: ListingDialect) -> None:
        """Describe the walk.

        Args:
            place: the bucket.
            key: the whole key.
            headers: headers of each request.
            dialect: how the server lists, as far as it is known.
        """
        super().__init__(place.model_copy(update={"prefix": key}), KeyRange(), MAX_KEYS, headers, dialect)
        self.listed: list[ListedVersion] = []
        self._key = key

    def _rows_of(self, page: VersionPage) -> pa.Table:
        for version in page.listed:
            self._see(version)
            if version.key == self._key:
                self.listed.append(version)
            else:
                # Keys that begin with this one come after it.
                self._end = RangeEnd.PASSED_BOUND
        return HISTORY_SCHEMA.empty_table()

    @property
    def versions(self) -> list[ListedVersion] | None:
        """The versions, once the walk has ended; see `oldest_first`."""
        if not self.listed:
            return []
        return oldest_first(self.listed, is_one_order=self._dialect.is_one_order or self._place.server == AWS)


def _table_of(keys: Sequence[tuple[list[ListedVersion], list[ListedVersion] | None]]) -> pa.Table:
    columns: dict[str, list[Any]] = {name: [] for name in HISTORY_SCHEMA.names}
    for listed, in_order in keys:
        versions = in_order or listed
        # To be read as an example of the key; where there is none, a delete marker stands for it.
        example = next((version for version in reversed(versions) if not version.is_marker), versions[-1])
        history = [text_of(version) for version in versions]
        is_known = in_order is not None and all(version.is_marker or version.etag for version in versions)
        columns["key"].append(example.key)
        columns["size"].append(sum(version.size for version in versions))
        columns["last_modified"].append(max(version.last_modified for version in versions))
        columns["etag"].append(history_digest(history) if is_known else "")
        columns["storage_class"].append(example.storage_class or "STANDARD")
        columns["restored_until"].append(None)
        columns["version_id"].append(example.version_id)
        columns["history"].append(history)
        columns["archived"].append([place for place, version in enumerate(versions, start=1) if is_archived(version)])
    return pa.table(columns, HISTORY_SCHEMA)
