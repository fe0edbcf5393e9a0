"""The state of a listing of all versions, and of a bucket as it was at an earlier time, by its versions.

Of each key the newest version of that time counts, and where that is a delete marker, there was no object. As in
`walk`, nothing odd about a page is ignored.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from hyve_pipeline.core.model.inventory import VERSION_SCHEMA, RangeEnd
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.listing.key_encoding import AmbiguousPlusError, forms_of, in_one_line
from hyve_pipeline.s3.listing.malformed import ADVICE, MalformedPageError, shown
from hyve_pipeline.s3.listing.pages import Page
from hyve_pipeline.s3.listing.version_pages import NULL_VERSION, ListedVersion, VersionPage, read_version_page
from hyve_pipeline.s3.listing.walk import DamagedPageError, Walk, check_bucket, check_length
from hyve_pipeline.s3.wire.messages import Request, Response

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class VersionPagesWalk(Walk):
    """A walk through all versions of a range, page by page; subclasses make rows of them.

    It goes from page to page by key and version id, and can't be split: not all servers begin a listing of versions
    right after a key.
    """

    def __init__(self, *of_walk: Any) -> None:
        """Describe the walk, with the arguments of `Walk`; a page has versions and delete markers in place of keys."""
        super().__init__(*of_walk)
        # The version after which the next page begins, and the ids of the versions of its key that were listed.
        self._marker: tuple[str, str] | None = None
        self._ids: set[str] = set()

    def request(self) -> Request:
        """The request for the next page."""
        query = [("versions", ""), ("encoding-type", "url"), ("max-keys", str(self._max_keys))]
        if self._place.prefix:
            query.append(("prefix", self._place.prefix))
        if self._marker is not None:
            query += [("key-marker", self._marker[0]), ("version-id-marker", self._marker[1])]
        return Request("ListObjectVersions", "GET", query=tuple(query), headers=self._headers)

    def take(self, response: Response) -> Page:
        """Take the answer to `request`; see `Walk.take`.

        Returns:
            The rows of what is known now; there may be none.
        """
        try:
            check_length(response)
            # AWS writes a plus as %2B.
            known = self._dialect.plus or (" " if self._place.server == AWS else None)
            page = read_version_page(response.body, known)
            self._check(page)
            following = self._following(page) if page.is_truncated else None
        except AmbiguousPlusError:
            raise
        except MalformedPageError as error:
            raise DamagedPageError(self._described(f"{error}; {ADVICE}")) from error
        self.pages += 1
        self._marker = following
        self._dialect.is_one_order |= page.is_one_order
        if following is None:
            self._end = RangeEnd.END_OF_LISTING
        return Page(self._rows_of(page))

    def _rows_of(self, page: VersionPage) -> pa.Table:
        """The rows of a page that was checked, and count them; it must set `position` and `_ids` to its last key's."""
        raise NotImplementedError

    def _count(self, keys: Sequence[str]) -> None:
        """Count rows, for the proof."""
        if keys:
            self._first_key = keys[0] if self._first_key is None else self._first_key
            self._last_key = keys[-1]
            self._keys += len(keys)

    def _see(self, version: ListedVersion) -> bool:
        """Take the next version into account: whether it is the first one of its key."""
        is_next = version.key != self.position
        if is_next:
            self.position = version.key
            self._ids.clear()
        self._ids.add(version.version_id)
        return is_next

    def split(self, cut: str) -> Walk:
        """Not possible.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"a listing of versions can't begin after {cut!r}")

    def _following(self, page: VersionPage) -> tuple[str, str]:
        """What selects the page after this one."""
        if not page.versions:
            raise MalformedPageError("it is truncated, and has no version to continue from")
        last = page.versions[-1]
        if page.next_key is not None and not _is_of(page.next_key, last.key):
            raise MalformedPageError(
                f"it ends with {shown(last.key)}, and the next page begins after {shown(page.next_key)}"
            )
        # Of versions of one time only the server knows which is the last one.
        version_id = page.next_version if page.next_key is not None and page.next_version else last.version_id
        if not any(version[:2] == (last.key, version_id) for version in page.versions):
            raise MalformedPageError(f"the next page begins after a version of {shown(last.key)} that it does not have")
        return last.key, version_id

    def _check(self, page: VersionPage) -> None:
        """Check a page against the request, and the pages before.

        Raises:
            MalformedPageError: it contradicts them.
        """
        check_bucket(page.name, self._place)
        if page.prefix is not None and not _is_of(page.prefix, self._place.prefix):
            raise MalformedPageError(f"it is of the prefix {shown(page.prefix or '')}, not of {self._place.prefix!r}")
        if len(page.versions) > min(self._max_keys, page.max_keys or self._max_keys):
            raise MalformedPageError(f"it has {len(page.versions):,} versions, more than were requested")
        begins = None if self._marker is None else self._marker[0]
        if page.begins is not None and not _is_of(page.begins, begins or ""):
            raise MalformedPageError(
                f"the server says that it begins after {shown(page.begins or '')}, not after {shown(begins or '')}"
            )
        seen: set[tuple[str, str]] = set()
        for version in page.versions:
            if not version.key.startswith(self._place.prefix):
                raise MalformedPageError(f"{shown(version.key)} does not begin with the prefix {self._place.prefix!r}")
            is_repeated = version.key == self.position and version.version_id in self._ids
            if version.key < self.position or is_repeated or version[:2] in seen:
                raise MalformedPageError(f"a version of {shown(version.key)} is listed twice or too late")
            seen.add(version[:2])


def _is_of(written: str, text: str) -> bool:
    """Whether an element of a page may stand for a text."""
    return in_one_line(text) in forms_of(written)


class VersionWalk(VersionPagesWalk):
    """A walk through all versions of a range that finds the objects of an earlier time.

    Attributes:
        later: how many keys have later versions only.
        first_kept: when the oldest version with an id of its own was written, in microseconds since 1970 UTC: the
            bucket kept versions by then. None if there is none.
        last_null: when the newest version without an id of its own was written: the bucket kept no versions then. None
            if there is none.
    """

    def __init__(self, *of_walk: Any, time: datetime) -> None:
        """Describe the walk.

        Args:
            of_walk: the arguments of `Walk`.
            time: the time; what was written later does not count.
        """
        super().__init__(*of_walk)
        self.later = 0
        self.first_kept: int | None = None
        self.last_null: int | None = None
        self._time = (time - _EPOCH) // _MICROSECOND
        self._is_decided = True

    def _rows_of(self, page: VersionPage) -> pa.Table:
        """The objects of that time, with the columns of `core.inventory.VERSION_SCHEMA`."""
        found = [version for version in page.versions if self._counts(version)]
        if self.has_ended:
            self.later += not self._is_decided
            self._is_decided = True
        self._count([version.key for version in found])
        return _table_of(found)

    def _counts(self, version: ListedVersion) -> bool:
        """Take the next version: whether it is an object of that time."""
        if self._see(version):
            self.later += not self._is_decided
            self._is_decided = False
        if version.version_id == NULL_VERSION:
            self.last_null = max(self.last_null or version.last_modified, version.last_modified)
        else:
            self.first_kept = min(self.first_kept or version.last_modified, version.last_modified)
        if self._is_decided or version.last_modified > self._time:
            return False
        self._is_decided = True
        if version.is_first_in_doubt:
            raise self.failed(
                f"{shown(version.key)} has a version and a delete marker of one time, and the server does not say "
                "which was the newer one; name another time"
            )
        return not version.is_marker


def _table_of(found: list[ListedVersion]) -> pa.Table:
    columns = {
        "key": [version.key for version in found],
        "size": [version.size for version in found],
        "last_modified": [version.last_modified for version in found],
        "etag": [version.etag for version in found],
        "storage_class": [version.storage_class for version in found],
        "restored_until": [None] * len(found),
        "version_id": [version.version_id for version in found],
    }
    return pa.table(columns, VERSION_SCHEMA)
