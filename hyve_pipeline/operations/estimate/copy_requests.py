"""How many requests a copy takes, by the rules that the copy itself follows."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from hyve_pipeline.core.model.copy_task import NO_OBJECT, CopyRules
from hyve_pipeline.core.model.estimate import Bucket
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.operations.estimate.earlier_runs import KnownServer
from hyve_pipeline.s3.connection.server_abilities import COPIES, PART_COPIES, TAGS_READ
from hyve_pipeline.s3.copying.copy_object import MAX_SINGLE_COPY
from hyve_pipeline.s3.copying.multipart_upload import equal_sizes
from hyve_pipeline.s3.objects.multipart_api import MIN_PART_SIZE
from hyve_pipeline.s3.objects.pinned_write import expectation, is_relied_on
from hyve_pipeline.s3.streaming.multipart import MOST_READ
from hyve_pipeline.s3.streaming.streamer import STREAMED_PART, most_in_one

# Requests by bucket and operation.
Requests = Counter[tuple[Bucket, str]]

# Stands for the ETag of an object that is to be overwritten.
SOME_ETAG = "*"


@dataclass(frozen=True)
class BucketServer:
    """A bucket that objects are read from or written to.

    Attributes:
        bucket: which one.
        server: its server, see `Place.server`.
        known: what earlier runs have shown of the server.
    """

    bucket: Bucket
    server: str
    known: KnownServer

    def looks_before(self, operation: str, store_etag: str | None) -> int:
        """How many HEAD requests come before a write, see `pinned_write`."""
        if store_etag is None:
            return 0
        # An upload can't be completed twice, so nothing proves that a server other than Amazon S3 keeps its condition.
        known = KnownServer(None) if operation == "CompleteMultipartUpload" else self.known
        return 0 if is_relied_on(self.server, known, operation, expectation(store_etag)[0][0]) else 1


def part_heads(parts: int) -> int:
    """How many HEAD requests tell the sizes of so many parts, where all but the last are of one size."""
    return len({1, parts})


def can_keep(size: int, parts: int) -> bool:
    """Whether a copy can have so many parts: all but the last must not be too small."""
    return size > (parts - 1) * MIN_PART_SIZE


@dataclass(frozen=True)
class CopyRequests:
    """The requests of copies from one bucket to another.

    Attributes:
        reader: the bucket that objects are read from.
        writer: the one that they are written to.
        rules: how they are copied.
        options: the options of the plan.
        streams: whether their bytes go through this process.
    """

    reader: BucketServer
    writer: BucketServer
    rules: CopyRules
    options: Options
    streams: bool

    @property
    def plain_size(self) -> int:
        """Up to this many bytes, all objects without parts to keep take the same requests."""
        if not self._streams(is_parted=False):
            return self.options.multipart_threshold
        return min(MOST_READ, most_in_one(self.options.stream_memory))

    def _streams(self, *, is_parted: bool) -> bool:
        known = self.writer.known
        return self.streams or known.lacks(COPIES) or (is_parted and known.lacks(PART_COPIES))

    @lru_cache(maxsize=10_000)  # noqa: B019 - lives as long as the estimate
    def of(self, size: int, parts: int | None, store_etag: str | None) -> Requests:
        """The requests of one object.

        Args:
            size: bytes.
            parts: how many parts it is to keep; None if it need not.
            store_etag: what is expected in the other bucket, see `CopyTask.store_etag`.
        """
        is_parted = size > self.options.multipart_threshold or parts is not None
        if self._streams(is_parted=is_parted):
            return self._streamed(size, parts, store_etag)
        if is_parted:
            return self._in_parts(size, parts, store_etag)
        found: Requests = Counter()
        found[self.reader.bucket, "HeadObject"] += self.rules.keeps_redirect or self.rules.keeps_locks
        found[self.reader.bucket, "GetObjectAcl"] += self.rules.copies_grants
        self._write(found, "CopyObject", store_etag)
        return found

    def _in_parts(self, size: int, parts: int | None, store_etag: str | None) -> Requests:
        found: Requests = Counter()
        if parts is not None:
            found[self.reader.bucket, "HeadObject"] += part_heads(parts)
        if parts is not None and not can_keep(size, parts):
            parts = None
            if size <= self.options.multipart_threshold:
                return found + self.of(size, None, store_etag)
        count = parts or len(equal_sizes(size, self.options.multipart_part_size))
        self._read_properties(found)
        self._upload(found, "UploadPartCopy", count, store_etag)
        if self.writer.server != AWS:
            # Whether the source is still the same after the last part.
            found[self.reader.bucket, "HeadObject"] += 1
        return found

    def _streamed(self, size: int, parts: int | None, store_etag: str | None) -> Requests:
        found: Requests = Counter()
        most = most_in_one(self.options.stream_memory)
        sizes: tuple[int, ...] | None = None
        if parts is not None:
            # Amazon S3 tells the parts of an object at once, 1,000 by 1,000.
            is_told = self.reader.server == self.writer.server == AWS
            operation, count = (
                ("GetObjectAttributes", -(-parts // 1000)) if is_told else ("HeadObject", part_heads(parts))
            )
            found[self.reader.bucket, operation] += count
            # Their sizes are not listed; tools make all but the last equal.
            sizes = equal_sizes(size, -(-size // parts)) if can_keep(size, parts) else None
        if sizes is None or max(sizes, default=0) > most:
            sizes = None if size <= most else equal_sizes(size, STREAMED_PART)
        if sizes is not None:
            self._read_properties(found)
            found[self.reader.bucket, "GetObject"] += sum(-(-one // MOST_READ) for one in sizes)
            self._upload(found, "UploadPart", len(sizes), store_etag)
            return found
        if size > MOST_READ:
            self._read_properties(found)
        else:
            # Amazon S3 says with each object how many tags it has.
            found[self.reader.bucket, "GetObjectTagging"] += self._reads_tags and self.reader.server != AWS
            found[self.reader.bucket, "GetObjectAcl"] += self.rules.copies_grants
            found[self.reader.bucket, "ListObjectAnnotations"] += self._lists_annotations
        found[self.reader.bucket, "GetObject"] += max(1, -(-size // MOST_READ))
        self._write(found, "PutObject", store_etag)
        return found

    @property
    def can_move(self) -> bool:
        """Whether the writer's server can copy within its bucket; what has only moved is copied as any other, else."""
        return not self.writer.known.lacks(COPIES)

    def of_move(self) -> Requests:
        """The requests of an object that has only moved, which is copied within the writer's bucket; see `Moves`."""
        found: Requests = Counter()
        for one in (self.reader, self.writer):
            found[one.bucket, "HeadObject"] += 1
            found[one.bucket, "GetObjectTagging"] += self.compares_tags(one)
            found[one.bucket, "ListObjectAnnotations"] += self.rules.annotations == "copy" and one.server == AWS
        found[self.reader.bucket, "GetObjectAcl"] += self.rules.copies_grants
        self._write(found, "CopyObject", NO_OBJECT)
        return found

    def of_rewrite(self, size: int, parts: int | None) -> Requests:
        """The requests by which an object of the writer's bucket is copied onto itself; see `rewrite_object`."""
        found: Requests = Counter()
        found[self.reader.bucket, "GetObjectAcl"] += self.rules.copies_grants
        if size <= MAX_SINGLE_COPY and parts is None:
            found[self.writer.bucket, "CopyObject"] += 1
            return found
        if parts is not None:
            found[self.writer.bucket, "HeadObject"] += part_heads(parts)
        count = parts or len(equal_sizes(size, self.options.multipart_part_size))
        self._upload(found, "UploadPartCopy", count, SOME_ETAG)
        found[self.writer.bucket, "HeadObject"] += self.writer.server != AWS
        return found

    def compares_tags(self, bucket: BucketServer) -> bool:
        """Whether the tags of an object are read where the properties of two objects are."""
        return self.rules.tags != "skip" and not bucket.known.lacks(TAGS_READ)

    @property
    def _reads_tags(self) -> bool:
        return self.compares_tags(self.reader)

    @property
    def _lists_annotations(self) -> bool:
        """Whether each object's annotations are listed, as on Amazon S3; how many it has, nothing tells before."""
        return self.rules.annotations == "copy" and self.reader.server == AWS

    def _read_properties(self, found: Requests) -> None:
        """See `read_all_properties`."""
        found[self.reader.bucket, "HeadObject"] += 1
        found[self.reader.bucket, "GetObjectTagging"] += self._reads_tags
        found[self.reader.bucket, "GetObjectAcl"] += self.rules.copies_grants
        found[self.reader.bucket, "ListObjectAnnotations"] += self._lists_annotations

    def _write(self, found: Requests, operation: str, store_etag: str | None) -> None:
        found[self.writer.bucket, "HeadObject"] += self.writer.looks_before(operation, store_etag)
        found[self.writer.bucket, operation] += 1

    def _upload(self, found: Requests, operation: str, count: int, store_etag: str | None) -> None:
        """A multipart upload, see `make_of_parts`."""
        bucket = self.writer.bucket
        found[bucket, "CreateMultipartUpload"] += 1
        found[bucket, operation] += count
        self._write(found, "CompleteMultipartUpload", store_etag)
        # Other servers may answer with another ETag than that of the object.
        found[bucket, "HeadObject"] += self.writer.server != AWS
