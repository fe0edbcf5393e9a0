"""Compares the content of objects of both buckets: by checksum if both have the same kind, else by reading both."""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pyarrow as pa

from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.history import history_etag
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.model.sample import Sample
from hyve_pipeline.core.model.verification import (
    DIFFERENCE_SCHEMA,
    OF_VERSIONS,
    PROVED_SCHEMA,
    ContentSummary,
    Difference,
)
from hyve_pipeline.core.runtime.progress import report
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.as_of import connect_source
from hyve_pipeline.operations.inventory.sorted_rows import SortedRows
from hyve_pipeline.operations.requests.contents import COMPARE_CONTENT, Comparison, ContentPair, Contents
from hyve_pipeline.operations.requests.in_flight import run_in_flight
from hyve_pipeline.s3.wire.errors import ObjectChangedError, ObjectUnreadableError, S3RequestError
from hyve_pipeline.state.parquet import writing_parquet

# Why the contents of two objects, or of all versions of a key, were not compared.
CHANGED = "changed since the plan"
_ARCHIVED = "archived"
_NO_ETAG = "without an ETag"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result for one pair: what proves the contents equal, or a difference, or why it was not compared.

    Attributes:
        pair: the objects, or two versions.
        difference: how they differ.
        skipped: why they were not compared.
        proof: what was found out; None if nothing was.
        place: of versions, their place in the history of the key.
        is_whole: it is about a history, each version of which was found equal; the ETags are digests.
    """

    pair: ContentPair
    difference: Difference | None = None
    skipped: str | None = None
    proof: Comparison | None = None
    place: int | None = None
    is_whole: bool = False

    @property
    def etags(self) -> tuple[str, str]:
        """The ETags of source and store, those of versions as their histories have them."""
        found = self.pair.source_etag, self.pair.store_etag
        return found if self.place is None else (history_etag(found[0]), history_etag(found[1]))


class ContentComparer:
    """Compares a sample of the objects that are in both buckets, as a plan has them.

    Args:
        context: the sync.
        plan: the plan.
        sample: which keys.
        file: the name below the sync's state of the file of what is equal.
        stack: closes what is opened here.

    Raises:
        BucketError: a bucket can't be reached.
        StateError: the file can't be written.
    """

    def __init__(self, context: SyncContext, plan: Plan, sample: Sample, file: str, stack: ExitStack) -> None:
        self._sample = sample
        self._file = file
        self._writer = stack.enter_context(writing_parquet(context.state, file, PROVED_SCHEMA))
        self._filters = Filters.of(plan.options)
        before = context.inventories("source").load(plan.source_inventory)
        self._source = connect_source(context, before, stack)
        self._store = stack.enter_context(context.connect(plan.store))
        self._contents = Contents(self._source, self._store)
        self._planned = SortedRows(context.state, before.files, plan.source.prefix, ["key", "etag"])
        stack.callback(self._planned.close)
        self._objects = 0
        self._bytes = 0
        self._by_checksum = 0
        self._skipped: Counter[str] = Counter()

    @property
    def summary(self) -> ContentSummary:
        """What was compared so far."""
        return ContentSummary(
            percent=self._sample.percent,
            objects=self._objects,
            bytes=self._bytes,
            skipped=dict(self._skipped),
            by_checksum=self._by_checksum,
            gets=self._contents.gets,
            file=self._file,
        )

    def compare(self, key_range: RelativeRange, listed: pa.Table, others: Collection[str]) -> pa.Table:
        """Compare the sample's objects of a range.

        Args:
            key_range: the range, in keys without prefix.
            listed: what the store has, as in `core.inventory.INVENTORY_SCHEMA`; rows outside are ignored.
            others: keys that are already known to differ, or that the plan left out.

        Returns:
            One row an object whose content differs or could not be read, as in `DIFFERENCE_SCHEMA`.
        """
        rows: list[dict[str, object]] = []
        proved: list[tuple[str, str, str, str, str, int, int | None]] = []

        def take_all(verdicts: list[Verdict]) -> None:
            for verdict in verdicts:
                take(verdict)

        def take(verdict: Verdict) -> None:
            pair = verdict.pair
            if verdict.is_whole:
                proved.append((pair.key, pair.source_etag, pair.store_etag, OF_VERSIONS, "", pair.size, None))
                return
            if verdict.skipped is not None:
                self._skipped[verdict.skipped] += 1
                return
            self._objects += 1
            self._bytes += pair.size
            report(COMPARE_CONTENT, 1, pair.size)
            if verdict.proof is not None:
                self._by_checksum += verdict.proof.how != "read"
                if verdict.proof.is_equal:
                    how = verdict.proof.how, verdict.proof.checksum
                    proved.append((pair.key, *verdict.etags, *how, pair.size, verdict.place))
            if verdict.difference is not None:
                rows.append(
                    {
                        "key": pair.key,
                        "difference": verdict.difference.value,
                        "expected_etag": pair.source_etag,
                        "store_etag": pair.store_etag,
                        "expected_size": pair.size,
                        "store_size": pair.size,
                    }
                )

        pairs = self._pairs(key_range, listed, others)
        run_in_flight((self._judge(pair) for pair in pairs), self._contents.window, take_all)
        proved.sort(key=lambda row: (row[0], row[-1] or 0))
        columns = zip(*proved, strict=True) if proved else ([] for _ in PROVED_SCHEMA)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, PROVED_SCHEMA, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=PROVED_SCHEMA))
        return pa.Table.from_pylist(sorted(rows, key=lambda row: str(row["key"])), DIFFERENCE_SCHEMA)

    def _pairs(self, key_range: RelativeRange, listed: pa.Table, others: Collection[str]) -> Iterator[ContentPair]:
        source_prefix, store_prefix = len(self._source.place.prefix), len(self._store.place.prefix)
        wanted: dict[str, tuple[int, str]] = {}
        for batch in listed.select(["key", "size", "etag"]).to_batches():
            columns = (batch.column(name).to_pylist() for name in ("key", "size", "etag"))
            for whole, size, etag in zip(*columns, strict=True):
                key = whole[store_prefix:]
                is_within = key_range.first <= key and (key_range.end is None or key < key_range.end)
                if is_within and self._sample.takes(key) and key not in others and self._filters.matches(key):
                    wanted[key] = (size, etag)
        planned = self._planned.read(key_range)
        for whole, etag in zip(planned.column("key").to_pylist(), planned.column("etag").to_pylist(), strict=True):
            found = wanted.get(whole[source_prefix:])
            if found is not None and not (etag and found[1]):
                self._skipped[_NO_ETAG] += 1
            elif found is not None:
                yield ContentPair(whole[source_prefix:], found[0], etag, found[1])

    async def _judge(self, pair: ContentPair) -> list[Verdict]:
        return [await self._compare_pair(pair)]

    async def _compare_pair(self, pair: ContentPair, place: int | None = None) -> Verdict:
        try:
            found = await self._contents.compare(pair)
        except ObjectChangedError:
            return Verdict(pair, skipped=CHANGED)
        except ObjectUnreadableError:
            return Verdict(pair, skipped=_ARCHIVED)
        except S3RequestError:
            return Verdict(pair, Difference.UNREAD)
        is_equal = found is not None and found.is_equal
        return Verdict(pair, None if is_equal else Difference.CONTENT, proof=found, place=place)
