"""Streams one object in parts, and checks them against the source's ETag and checksums."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import may_be_unsupported
from hyve_pipeline.s3.connection.server_abilities import CHECKSUMS
from hyve_pipeline.s3.copying.multipart_upload import PartedObject, PartRange
from hyve_pipeline.s3.objects.get import read_bytes
from hyve_pipeline.s3.objects.multipart_api import Part
from hyve_pipeline.s3.objects.new_object import new_object
from hyve_pipeline.s3.objects.part_checksums import SourceParts
from hyve_pipeline.s3.objects.properties import ObjectProperties
from hyve_pipeline.s3.objects.put import Content, Put, put_content
from hyve_pipeline.s3.streaming.memory_budget import Budget, BudgetClosedError
from hyve_pipeline.s3.streaming.ordered_md5 import OrderedDigest
from hyve_pipeline.s3.wire.checksums import (
    COMPOSITE,
    FULL_OBJECT,
    HEADER,
    PLAIN_MD5,
    SharedChecksum,
    checksum,
    combined,
    composite,
    composite_etag,
    keeps_md5_etags,
    kind_of_parts,
    md5_of,
    shared_checksum,
    upload_headers,
)
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, S3RequestError
from hyve_pipeline.s3.wire.messages import Pairs, Request

# The most that is read by one request.
MOST_READ = 16 * MIB

# Larger content goes by the transport that neither joins what it reads nor copies what it sends. For smaller one the
# other is faster.
LARGE = MIB


@dataclass
class Ways:
    """The route of parts.

    Attributes:
        source, store: the buckets.
        budget: the limit on parts in memory.
        pool: the threads that stream them.
        proves_checksums: the store checks checksums: it is AWS, or an answer had one. So no MD5 is needed for what
            arrives.
        hides_md5s: the ETag of a part was not its MD5, so that what arrives is sent with its MD5.
    """

    source: Connection
    store: Connection
    budget: Budget
    pool: ThreadPoolExecutor
    proves_checksums: bool = False
    hides_md5s: bool = False

    def __post_init__(self) -> None:
        self.proves_checksums = self.store.place.server == AWS


def memory_of(size: int) -> int:
    """The most bytes of memory for streaming `size` bytes, as measured.

    The transport for small content copies it twice. Larger content stays where it was read, or was joined, but what is
    freed of it is not used again at once.
    """
    return 3 * size if size <= LARGE else 4 * size


def read_range(source: Connection, task: CopyTask, part: PartRange) -> bytes:
    """The bytes of a part, read by one or more requests.

    Raises:
        ObjectChangedError: the object is no longer the planned one.
        S3RequestError: another failure.
    """
    end = part.first + part.size
    asked = [
        read_bytes(source, task.source_key, task.source_etag, first, min(MOST_READ, end - first))
        for first in range(part.first, end, MOST_READ)
    ]
    return b"".join(answer.result() for answer in asked)


def other_content(source: Connection, task: CopyTask, problem: str) -> S3RequestError:
    """The error for bytes that are not the object's; another attempt may read the right ones."""
    request = Request("GetObject", "GET", task.source_key)
    return S3RequestError(source.bucket, request, INVALID_RESPONSE, f"what was read is not the object: {problem}")


class PartedStream:
    """One object that is streamed in parts.

    Args:
        ways: the route.
        task: the object.
        properties: all its properties.
        parts: the size of each part, and the checksums that the source has of them.
        algorithm: of the checksums that it is written with, or None.
        are_kept: the parts are those of the source object.

    Attributes:
        planned: the argument of `multipart_upload.make_of_parts`.
        shared: the checksum of the whole that both servers have told, if they have; known after the last part.
    """

    def __init__(
        self,
        ways: Ways,
        task: CopyTask,
        properties: ObjectProperties,
        parts: SourceParts,
        algorithm: str | None,
        *,
        are_kept: bool,
    ) -> None:
        self._ways = ways
        self._task = task
        self._known = properties.checksums
        is_md5_known = properties.is_etag_md5 and PLAIN_MD5.fullmatch(task.source_etag) is not None
        if is_md5_known and self._known.algorithm is None and not ways.proves_checksums:
            # The MD5s of the whole and of each part are needed. With a checksum, each byte would be hashed three times.
            algorithm = None
        self._algorithm = algorithm
        # What the source promises of each part, for a server that is known to check it: others may return the checksum
        # of a request without a look at the bytes.
        is_promised = parts.algorithm is not None and parts.algorithm == algorithm and ways.store.place.server == AWS
        self._promised = parts.checksums if is_promised else ()
        # The whole is checked with this algorithm, even if the store has no checksums.
        self._proof = algorithm or self._known.algorithm
        self._kind = kind_of_parts(self._known, self._proof, are_kept=are_kept)
        is_whole = self._kind == FULL_OBJECT
        # Composite checksums are comparable only with the same parts.
        self._is_comparable = self._known.kind == self._kind and (is_whole or are_kept)
        self.shared: SharedChecksum | None = None
        self._md5s: dict[int, str] = {}
        self._checksums: dict[int, str] = {}
        # Where each part is as promised, no MD5 is needed besides.
        self._is_etag_known = are_kept and properties.is_etag_md5 and not self._promised
        is_checksum_known = is_whole and self._known.is_of_whole and self._proof in self._known.values
        # Only if nothing else proves the whole, as it hashes all parts in order.
        self._digest = OrderedDigest() if is_md5_known and not is_checksum_known else None
        self.planned = PartedObject(
            task=task,
            sizes=parts.sizes,
            new=new_object(properties, task.rules),
            headers=(*upload_headers(algorithm, self._kind), *task.rules.headers),
            algorithm=algorithm,
            judge=self._judge,
            # The MD5 of the whole requires all parts.
            is_resumable=self._digest is None,
        )

    def send(self, part: PartRange, upload_id: str) -> "Future[Part]":
        """Stream one part. Waits until there is memory for it."""
        # Here, in the order of the parts, and not in their threads: a part that waits for an earlier one to be
        # hashed must not hold the memory that the earlier one waits for.
        budget = self._ways.budget
        taken = budget.take(memory_of(part.size))
        try:
            sent = self._ways.pool.submit(self._send, part, upload_id)
        except BaseException:
            budget.give_back(taken)
            raise
        sent.add_done_callback(lambda _: budget.give_back(taken))
        return sent

    def _send(self, part: PartRange, upload_id: str) -> Part:
        try:
            if self._ways.budget.is_closed:
                raise BudgetClosedError
            data = read_range(self._ways.source, self._task, part)
            content = self._content(part.number, data)
            if self._proof is not None:
                self._checksums[part.number] = content.checksum or checksum(self._proof, data)
            if self._digest is not None:
                self._digest.update(part.number, content.data)
            query = (("partNumber", str(part.number)), ("uploadId", upload_id))
            return self._put(part.number, Request("UploadPart", "PUT", self._task.store_key, query=query), content)
        except BaseException:
            if self._digest is not None:
                self._digest.fail()
            raise

    def _content(self, number: int, data: bytes) -> Content:
        """What was read of a part, with the checksum to send: that of the source, or one that is made of it."""
        if not self._promised or self._needs_md5:
            return Content.of(data, self._algorithm, needs_md5=self._needs_md5)
        promised = self._promised[number - 1]
        other = partial(other_content, self._ways.source, self._task)
        return Content(data, None, self._algorithm, promised, other=other, is_checked=False)

    @property
    def _needs_md5(self) -> bool:
        """Whether a checksum of each part is known not to be enough."""
        ways = self._ways
        may_need_md5 = self._is_etag_known or not ways.proves_checksums
        return (ways.hides_md5s and may_need_md5) or ways.store.abilities.lacks(CHECKSUMS)

    def _put(self, number: int, request: Request, content: Content) -> Part:
        """Send a part; its MD5 is computed only where neither a checksum nor the ETag of the answer shows enough."""
        ways = self._ways
        try:
            put = self._put_once(request, content)
        except S3RequestError as error:
            if content.md5 is not None or not may_be_unsupported(error):
                raise
            # With an MD5 it can do without the checksum, if it is that which the server refuses.
            content = replace(content, md5=md5_of(content.data))
            put = self._put_once(request, content)
        etag = put.part.etag
        is_md5 = PLAIN_MD5.fullmatch(etag) is not None and keeps_md5_etags(put.response)
        if content.md5 is None and not (is_md5 if self._is_etag_known else ways.proves_checksums):
            content = replace(content, md5=md5_of(content.data))
            if not ways.proves_checksums and not (is_md5 and same_etag(etag, content.md5)):
                # Nothing shows what arrived, so the server has to compare.
                put = self._put_once(request, content)
        if content.md5 is not None:
            self._md5s[number] = content.md5
            ways.hides_md5s = not (is_md5 and same_etag(etag, content.md5))
        return put.part

    def _put_once(self, request: Request, content: Content) -> Put:
        put = put_content(self._ways.store, request, content, is_slow=len(content.data) > LARGE).result()
        self._ways.proves_checksums |= put.part.checksum is not None
        return put

    def _judge(self, parts: Sequence[Part]) -> Pairs:
        """Check all parts against the source's ETag and checksum; see `multipart_upload.Judge`."""
        task, source = self._task, self._ways.source
        if self._digest is not None and not same_etag(md5 := self._digest.value(), task.source_etag):
            raise other_content(source, task, f"its MD5 is {md5}, its ETag {task.source_etag}")
        md5s = self._all_md5s(parts) if self._is_etag_known else None
        if md5s is not None:
            etag = composite_etag(md5s)
            if not same_etag(etag, task.source_etag):
                # The next attempt hashes the parts here.
                self._ways.hides_md5s = True
                raise other_content(
                    source,
                    task,
                    f"its parts give the ETag {etag}, it has {task.source_etag}; set keep_parts = false where "
                    "ETags are not made of the parts' MD5s",
                )
        whole = self._whole_checksum(parts)
        expected = self._known.values.get(self._proof or "") if self._is_comparable else None
        # Some servers omit the number of parts.
        if expected is not None and expected not in (whole, (whole or "").partition("-")[0]):
            raise other_content(source, task, f"its {self._proof} is {whole}, the source has {expected}")
        if self._algorithm is None or whole is None or any(part.checksum is None for part in parts):
            return ()
        self.shared = shared_checksum(self._known, self._proof if expected is not None else None)
        if self._kind == COMPOSITE:
            return ()
        return ((f"{HEADER}{self._algorithm.lower()}", whole), (f"{HEADER}type", self._kind))

    def _whole_checksum(self, parts: Sequence[Part]) -> str | None:
        """The checksum of the whole; None if that of a part of an earlier attempt is unknown."""
        known = [self._checksums.get(number) or part.checksum for number, part in enumerate(parts, start=1)]
        checksums = [value for value in known if value is not None]
        if self._proof is None or len(checksums) < len(parts):
            return None
        if self._kind == COMPOSITE:
            return composite(self._proof, checksums)
        return combined(self._proof, [(value, part.size) for value, part in zip(checksums, parts, strict=True)])

    def _all_md5s(self, parts: Sequence[Part]) -> list[str] | None:
        """The MD5 of each part; None if those of an earlier attempt are unknown."""
        md5s = [self._md5s.get(number) for number in range(1, len(parts) + 1)]
        # The ETags of parts are their MD5s, unless the store encrypts them with a KMS key.
        are_etags = all(md5 is None or same_etag(md5, part.etag) for md5, part in zip(md5s, parts, strict=True))
        known = [md5 or part.etag for md5, part in zip(md5s, parts, strict=True)]
        return known if None not in md5s or (are_etags and all(map(PLAIN_MD5.fullmatch, known))) else None
