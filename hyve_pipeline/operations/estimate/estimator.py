"""Adds up what the rows of a plan will cost, as the plan is written."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hyve_pipeline.core.base.arrow_columns import rows_with, rows_without, total
from hyve_pipeline.core.model.copy_task import NO_OBJECT
from hyve_pipeline.core.model.diff import ARCHIVED_CLASSES, ChangeSet, Diff
from hyve_pipeline.core.model.estimate import Bucket, Step, StepEstimate, merged_counts
from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.core.model.prices import STANDARD, PriceTable, Way
from hyve_pipeline.core.model.property_drift import TAGS
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.estimate.copy_requests import SOME_ETAG, CopyRequests, Requests
from hyve_pipeline.operations.estimate.delete_requests import DeleteRequests
from hyve_pipeline.operations.estimate.history_requests import HistoryRequests, HistoryWork
from hyve_pipeline.operations.requests.contents import PART as COMPARED_PART
from hyve_pipeline.s3.objects.properties import kept_parts

# Microseconds.
_DAY = 86_400 * 10**6

# Of a multipart upload into an archived class, S3 charges only the completion at the class's price.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
_BEFORE_COMPLETION = frozenset({"CreateMultipartUpload", "UploadPart", "UploadPartCopy"})

# Writes for which S3 asks KMS for a data key, or to decrypt one.
_ENCRYPTED_WRITES = frozenset({"CopyObject", "PutObject", "CompleteMultipartUpload"}) | _BEFORE_COMPLETION

# The operation that lists versions.
LIST_VERSIONS = "ListObjectVersions"

# The class of copies by the option `storage_class`, where that is none itself.
_DEFAULT_CLASS = {"default": STANDARD}

_TAGS_ALONE = f"differs: {TAGS}"


@dataclass
class _Sums:
    """What a step costs so far."""

    requests: Counter[tuple[Bucket, str, str]] = field(default_factory=Counter)
    bytes: Counter[Way] = field(default_factory=Counter)
    retrieved: defaultdict[Bucket, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    early: Counter[str] = field(default_factory=Counter)
    kms_calls: int = 0

    def add(self, requests: Requests, classes: dict[Bucket, str], times: int = 1) -> None:
        """Add requests about objects of these classes, so many times."""
        for (bucket, operation), count in requests.items():
            name = classes.get(bucket, STANDARD)
            if operation in _BEFORE_COMPLETION and name in ARCHIVED_CLASSES:
                name = STANDARD
            self.requests[bucket, operation, name] += count * times

    def step(self) -> StepEstimate:
        return StepEstimate(
            requests=merged_counts(self.requests),
            bytes=dict(self.bytes),
            retrieved={bucket: dict(by_class) for bucket, by_class in self.retrieved.items()},
            early_deletion=dict(self.early),
            kms_calls=self.kms_calls,
        )


@dataclass(frozen=True)
class CopyPlan:
    """How a plan copies.

    Attributes:
        to_store: the copies of the source's objects.
        to_trash: those of the store's objects to the trash, if there is one.
        way, trash_way: the ways of their bytes.
    """

    to_store: CopyRequests
    to_trash: CopyRequests | None
    way: Way
    trash_way: Way = "within_region"


class Estimator:
    """Estimates what is done with the rows of a plan. Give it all shards in order, then take `steps`.

    Args:
        diff: what is planned.
        copies: how it is copied.
        deletes: counts the requests of deletes.
        prices: say for how long a storage class is charged at least.
        histories: of a plan of all versions, finds out what its keys take.
    """

    def __init__(
        self,
        diff: Diff,
        copies: CopyPlan,
        deletes: DeleteRequests,
        prices: PriceTable,
        histories: HistoryRequests | None = None,
    ) -> None:
        self._options: Options = diff.options
        self._created_us = round(diff.created.timestamp() * 1e6)
        # Without new versions, what is overwritten or deleted is gone.
        self._keeps_versions = diff.store.versioning == "enabled"
        # A bucket that has ever kept versions names them.
        self._has_versions = diff.store.versioning in ("enabled", "suspended")
        self._copies = copies
        self._deletes = deletes
        self._prices = prices
        self._histories = histories
        # Versions and delete markers that the store gets.
        self.versions = 0
        self._sums: dict[Action, _Sums] = {"copy": _Sums(), "delete": _Sums()}
        self._begun: set[Action] = set()
        self._overwrites = diff.counts[ChangeSet.MODIFIED].objects > 0

    def add(self, action: Action, rows: pa.Table, moved: Collection[str] = ()) -> None:
        """Add the rows of one shard, columns as in `core.diff.CHANGE_SCHEMA`; `moved` are the keys that only moved."""
        if action not in self._begun:
            self._begun.add(action)
            self._add_beginning(action)
        if action == "delete":
            self._add_deletes(rows)
            return
        if self._histories is not None:
            self._add_histories(self._histories.of(rows), rows.num_rows)
            return
        for name in (ChangeSet.NEW, ChangeSet.MODIFIED, ChangeSet.DRIFTED):
            found = rows_with(rows, "set", [name.value])
            if name is ChangeSet.NEW and moved and self._copies.to_store.can_move:
                self._add_moves(rows_with(found, "key", moved))
                found = rows_without(found, "key", moved)
            if found.num_rows:
                self._add_copies(name, found)

    @property
    def steps(self) -> dict[Step, StepEstimate]:
        """The steps that have something to do, without money and time."""
        return {Step(action): self._sums[action].step() for action in sorted(self._begun)}

    def _add_beginning(self, action: Action) -> None:
        """What each process asks before the first object; see `apply.shard`."""
        found: Requests = Counter()
        buckets: list[Bucket] = ["source", "store"]
        if self._copies.to_trash is not None:
            buckets.append("trash")
        for bucket in buckets:
            found[bucket, "ListObjectsV2"] += 1
            found[bucket, "GetBucketVersioning"] += self._histories is not None
        # Whether the listing shows restores.
        found["source", "ListObjectsV2"] += self._histories is not None
        if action == "copy" and self._overwrites and self._histories is None:
            found["store", "GetBucketVersioning"] += 1
        if self._options.website_redirects is None:
            found["source", "GetBucketWebsite"] += action == "copy"
            found["store", "GetBucketWebsite"] += self._copies.to_trash is not None
        self._sums[action].add(found, {})

    def _class_of_copy(self, source_class: str) -> str:
        wanted = self._options.storage_class
        return source_class if wanted == "source" else _DEFAULT_CLASS.get(wanted, wanted)

    def _add_copies(self, name: ChangeSet, rows: pa.Table) -> None:
        sums, copies = self._sums["copy"], self._copies
        if name is ChangeSet.DRIFTED:
            self._add_repairs(rows)
            return
        sums.bytes[copies.way] += total(rows.column("size"))
        store_etag = NO_OBJECT if name is ChangeSet.NEW else SOME_ETAG
        for kind in _kinds(copies.to_store, rows, "size", "source_etag", "storage_class"):
            written = self._class_of_copy(kind.storage_class)
            requests = copies.to_store.of(kind.size, kind.parts, store_etag)
            self._count(sums, requests, {"source": kind.storage_class, "store": written}, kind.objects)
            sums.retrieved["source"][kind.storage_class] += kind.bytes
        if name is ChangeSet.MODIFIED:
            if self._has_versions:
                sums.add(Counter({("store", "HeadObject"): 1}), {}, rows.num_rows)
            self._add_trash(sums, rows)
            self._add_early(sums, rows)

    def _add_moves(self, rows: pa.Table) -> None:
        """See `apply.move`. The old object is taken to have the class that the new one gets."""
        sums, copies = self._sums["copy"], self._copies
        sums.bytes["within_region"] += total(rows.column("size"))
        for kind in _kinds(copies.to_store, rows, "size", "source_etag", "storage_class"):
            written = self._class_of_copy(kind.storage_class)
            classes: dict[Bucket, str] = {"source": kind.storage_class, "store": written}
            self._count(sums, copies.to_store.of_move(), classes, kind.objects)
            sums.retrieved["store"][written] += kind.bytes

    def _add_histories(self, work: HistoryWork, keys: int) -> None:
        """See `apply.history`."""
        self.versions += work.written
        sums, copies = self._sums["copy"], self._copies
        sums.bytes[copies.way] += total(work.copied.column("size"))
        sums.add(Counter({(side, LIST_VERSIONS): count for side, count in work.pages.items()}), {})
        sums.add(Counter({("store", "DeleteObject"): work.markers}), {})
        for kind in _kinds(copies.to_store, work.copied, "size", "source_etag", "storage_class"):
            written = self._class_of_copy(kind.storage_class)
            requests = copies.to_store.of(kind.size, kind.parts, None)
            self._count(sums, requests, {"source": kind.storage_class, "store": written}, kind.objects)
            sums.retrieved["source"][kind.storage_class] += kind.bytes
        # As if no checksum decided.
        for size in work.compared.column("size").to_pylist():
            parts = -(-size // COMPARED_PART)
            for side in SIDES:
                sums.add(Counter({(side, "HeadObject"): 1, (side, "GetObject"): parts}), {})
            sums.bytes["through_this_machine"] += size

    def _add_trash(self, sums: _Sums, rows: pa.Table) -> None:
        trash = self._copies.to_trash
        if trash is None:
            return
        sums.bytes[self._copies.trash_way] += total(rows.column("store_size"))
        for kind in _kinds(trash, rows, "store_size", "store_etag", "store_storage_class"):
            requests = trash.of(kind.size, kind.parts, None)
            self._count(sums, requests, {"store": kind.storage_class, "trash": STANDARD}, kind.objects)
            sums.retrieved["store"][kind.storage_class] += kind.bytes

    def _add_repairs(self, rows: pa.Table) -> None:
        """See `apply.repair`."""
        sums, route = self._sums["copy"], self._copies.to_store
        reads: Requests = Counter({(side, "HeadObject"): 1 for side in ("source", "store")})
        for bucket in (route.reader, route.writer):
            reads[bucket.bucket, "GetObjectTagging"] += route.compares_tags(bucket)
        sums.add(reads, {}, rows.num_rows)
        is_tags = _call("equal", rows.column("reason"), _TAGS_ALONE)
        sums.add(Counter({("store", "PutObjectTagging"): 1}), {}, total(is_tags))
        rewritten = rows.filter(_call("invert", is_tags))
        for kind in _kinds(route, rewritten, "size", "store_etag", "store_storage_class"):
            written = self._class_of_copy(kind.storage_class)
            requests = route.of_rewrite(kind.size, kind.parts)
            self._count(sums, requests, {"store": written}, kind.objects)
            sums.bytes["within_region"] += kind.bytes
            sums.retrieved["store"][kind.storage_class] += kind.bytes
        self._add_early(sums, rewritten)

    def _add_deletes(self, rows: pa.Table) -> None:
        sums = self._sums["delete"]
        keys = rows.column("key")
        for first in range(0, len(keys), WorkBounds.keys_a_delete):
            sums.add(self._deletes.of(keys.slice(first, WorkBounds.keys_a_delete).to_pylist()), {})
        self._add_trash(sums, rows)
        self._add_early(sums, rows)

    def _count(self, sums: _Sums, requests: Requests, classes: dict[Bucket, str], times: int) -> None:
        sums.add(requests, classes, times)
        # With an S3 Bucket Key, S3 asks KMS only now and then.
        if self._options.encryption in ("aws:kms", "aws:kms:dsse") and not self._options.bucket_key:
            calls = sum(count for (_, operation), count in requests.items() if operation in _ENCRYPTED_WRITES)
            sums.kms_calls += calls * times

    def _add_early(self, sums: _Sums, rows: pa.Table) -> None:
        """The rest of the minimum duration of what is overwritten or deleted.

        It counts from the time when an object got its class, of which a listing shows only when it was written.
        """
        if self._keeps_versions or "store_storage_class" not in rows.column_names:
            return
        for name, prices in self._prices.classes.items():
            if not prices.minimum_days:
                continue
            found = rows_with(rows, "store_storage_class", [name])
            if not found.num_rows:
                continue
            written = _call("cast", found.column("store_last_modified"), options=pc.CastOptions.safe(pa.int64()))
            age = _call("max_element_wise", _call("subtract", self._created_us, written), 0)
            left = _call("max_element_wise", _call("subtract", prices.minimum_days * _DAY, age), 0)
            days = _call("divide", _call("add", left, _DAY - 1), _DAY)
            charged = _call("max_element_wise", found.column("store_size"), prices.minimum_bytes)
            sums.early[name] += total(_call("multiply", charged, days))


@dataclass(frozen=True)
class _Kind:
    """Objects that take the same requests, and how many they are."""

    size: int
    parts: int | None
    storage_class: str
    objects: int
    bytes: int


def _kinds(copies: CopyRequests, rows: pa.Table, size: str, etag: str, storage_class: str) -> Iterator[_Kind]:
    """The objects of some rows by what their copies take; most of them need not be looked at one by one."""
    if not rows.num_rows:
        return
    sizes = rows.column(size).fill_null(0)
    has_parts = _call("match_substring", rows.column(etag).fill_null(""), options=pc.MatchSubstringOptions("-"))
    is_plain = _call("and", _call("less_equal", sizes, copies.plain_size), _call("invert", has_parts))
    classes = (
        rows.column(storage_class).fill_null(STANDARD)
        if storage_class in rows.column_names
        else pa.chunked_array([pa.array([STANDARD] * rows.num_rows)])
    )
    table = pa.table({"size": sizes, "etag": rows.column(etag), "class": classes})
    plain = table.filter(is_plain).group_by("class").aggregate([("size", "sum"), ("size", "count")])
    for row in plain.to_pylist():
        yield _Kind(0, None, row["class"], row["size_count"], row["size_sum"])
    for row in table.filter(_call("invert", is_plain)).to_pylist():
        yield _Kind(row["size"], kept_parts(copies.rules, row["etag"] or ""), row["class"], 1, row["size"])


def _call(function: str, *arguments: Any, options: Any = None) -> pa.ChunkedArray:
    return pc.call_function(function, list(arguments), options)
