"""How many requests the deletes of a batch take, by the rules that the deletes themselves follow."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

import pyarrow as pa

from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.operations.apply.listing_check import FEWEST_KEYS, MOST_PAGES
from hyve_pipeline.operations.apply.source_sample import SAMPLE
from hyve_pipeline.operations.estimate.copy_requests import BucketServer, Requests
from hyve_pipeline.operations.inventory.sorted_rows import SortedRows, open_inventory
from hyve_pipeline.s3.connection.server_abilities import MANY_DELETES
from hyve_pipeline.s3.listing.walk import MAX_KEYS
from hyve_pipeline.state.files import Folder


class DeleteRequests:
    """The requests of the deletes of a plan.

    Args:
        state: the sync's state.
        source, store: the inventories, which say how many keys lie between those that are deleted.
        server: the store's server.
        keeps_versions: the store keeps versions, so that each object is looked at for its version.
        stack: closes the inventories.
    """

    def __init__(
        self,
        state: Folder,
        source: Inventory,
        store: Inventory,
        server: BucketServer,
        *,
        keeps_versions: bool,
        stack: ExitStack,
    ) -> None:
        self._state = state
        self._inventories = (source, store)
        self._server = server
        self._keeps_versions = keeps_versions
        self._stack = stack
        self._keys: tuple[_Keys, _Keys] | None = None

    def of(self, batch: Sequence[str]) -> Requests:
        """The requests for keys that one request deletes, ascending and without prefix; see `ObjectDeleter`."""
        found: Requests = Counter()
        in_source = in_store = 0
        if len(batch) >= FEWEST_KEYS:
            source, store = self._open()
            pages, in_source = source.listing(batch)
            found["source", "ListObjectsV2"] += pages
            pages, in_store = store.listing(batch)
            found["store", "ListObjectsV2"] += pages
            # Whether there are versions is seen at one object.
            found["store", "HeadObject"] += 1
        if self._keeps_versions:
            in_store = 0
        found["source", "HeadObject"] += len(batch) - in_source + min(SAMPLE, in_source)
        found["store", "HeadObject"] += len(batch) - in_store
        # A probe of the source right before.
        found["source", "ListObjectsV2"] += 1
        if self._server.known.lacks(MANY_DELETES):
            found["store", "DeleteObject"] += len(batch)
        else:
            found["store", "DeleteObjects"] += 1
        return found

    def _open(self) -> "tuple[_Keys, _Keys]":
        if self._keys is None:
            source, store = (
                _Keys(self._stack.enter_context(open_inventory(self._state, inventory, ["key"])), len(prefix))
                for inventory, prefix in ((one, one.place.prefix) for one in self._inventories)
            )
            self._keys = source, store
        return self._keys


class _Keys:
    """The keys of an inventory, by their positions."""

    def __init__(self, rows: SortedRows, prefix: int) -> None:
        self._rows = rows
        self._prefix = prefix
        self._firsts = [key for key, _ in rows.chunks]
        self._starts = [0]
        for _, count in rows.chunks:
            self._starts.append(self._starts[-1] + count)
        self._read: tuple[int, pa.ChunkedArray] | None = None

    def listing(self, batch: Sequence[str]) -> tuple[int, int]:
        """How many pages are listed of a batch's span, and how many of its keys they cover."""
        first, end = self._position(batch[0]), self._position(batch[-1])
        # The page with the last key of the span, or with the first one after it, is the last.
        pages = (end - first) // MAX_KEYS + 1
        if pages <= MOST_PAGES:
            return pages, len(batch)
        last = self._key(first + MOST_PAGES * MAX_KEYS - 1)
        return MOST_PAGES, bisect_right(batch, last)

    def _position(self, key: str) -> int:
        """How many keys are before this one."""
        chunk = bisect_right(self._firsts, key) - 1
        if chunk < 0:
            return 0
        keys = self._chunk(chunk)
        return self._starts[chunk] + bisect_left(range(len(keys)), key, key=lambda place: self._at(keys, place))

    def _key(self, position: int) -> str:
        chunk = bisect_right(self._starts, position) - 1
        return self._at(self._chunk(chunk), position - self._starts[chunk])

    def _at(self, keys: pa.ChunkedArray, place: int) -> str:
        return keys[place].as_py()[self._prefix :]

    def _chunk(self, number: int) -> pa.ChunkedArray:
        if self._read is None or self._read[0] != number:
            first = self._firsts[number]
            # Less than the next chunk's first key, so that one chunk alone is read.
            end = self._firsts[number + 1] if number + 1 < len(self._firsts) else None
            self._read = number, self._rows.read(RelativeRange(first=first, end=end)).column("key")
        return self._read[1]
