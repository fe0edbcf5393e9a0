"""The properties of an object besides its content: headers, metadata, tags, storage class, checksums, grants.

CopyObject copies nearly all of them by itself. Multipart uploads and streamed copies copy none: for them they are read
first.
"""

import re
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.core.model.copy_task import CopyRules, CopyTask
from hyve_pipeline.core.model.object_lock import NO_LOCK, ObjectLock
from hyve_pipeline.core.model.property_drift import METADATA, STORAGE_CLASS, WEBSITE_REDIRECT
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.transport import ResponseOrError
from hyve_pipeline.s3.objects.acl import read_grants
from hyve_pipeline.s3.objects.annotations import AnnotationsOf, find_annotations
from hyve_pipeline.s3.objects.head import ask_head, read_head
from hyve_pipeline.s3.objects.multipart_api import MIN_PART_SIZE
from hyve_pipeline.s3.objects.object_lock import lock_of, prove_locks_readable
from hyve_pipeline.s3.objects.read_headers import CHECKSUM_MODE_HEADERS, condition_headers
from hyve_pipeline.s3.objects.source_responses import pinned_answer, source_answer
from hyve_pipeline.s3.objects.tags import Tags, counted_tags, read_tags, tag_count_of
from hyve_pipeline.s3.objects.write_headers import is_writable_class
from hyve_pipeline.s3.wire.checksums import Checksums, keeps_md5_etags, read_checksum_headers
from hyve_pipeline.s3.wire.errors import HIDDEN_METADATA, S3RequestError
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response
from hyve_pipeline.s3.wire.responses import whole_number

REDIRECT = "x-amz-website-redirect-location"
_CODINGS = "content-encoding"

_KEPT_HEADERS = {
    "cache-control",
    "content-disposition",
    _CODINGS,
    "content-language",
    "content-type",
    "expires",
    REDIRECT,
}
_METADATA = "x-amz-meta-"
_PLAIN_NAMES = {REDIRECT: WEBSITE_REDIRECT}
# No object has more than 10,000 parts.
_PARTED_ETAG = re.compile(".*-([1-9][0-9]{0,4})")

# Requests for single parts that are in flight at once.
_HEADS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class ObjectProperties:
    """An object without its content.

    Attributes:
        etag: without quotes.
        version_id: the version, or None in a bucket without versions.
        headers: the headers that give a new object the same headers and user metadata, with names in lower case.
        storage_class: S3 storage class.
        checksums: the checksums that the server stores.
        is_etag_md5: whether an ETag without ``-`` is the MD5 of the content: not if a KMS key or a customer's key
            (SSE-C) encrypts the object.
        tag_count: the number of tags in its headers; None if they don't have it.
        tags: its tags, if they were requested; None if the server has no tags.
        grants: the headers that give a new object the same grants, if they were requested.
        annotations: its annotations, if they were requested and it has some. For an object that is written again, all
            that it is to have.
        lock: what protects it, as far as the permissions to read that are there, see
            `object_lock.prove_locks_readable`.
    """

    etag: str
    version_id: str | None
    headers: Pairs
    storage_class: str
    checksums: Checksums
    is_etag_md5: bool
    tag_count: int | None = None
    tags: Tags | None = ()
    grants: Pairs = ()
    annotations: AnnotationsOf | None = None
    lock: ObjectLock = NO_LOCK

    @property
    def named(self) -> Pairs:
        """Headers and storage class by the names that users know, as in `property_drift.Carried`."""
        named = tuple((_plain_name(name), value) for name, value in self.headers)
        return (*named, (STORAGE_CLASS, self.storage_class)) if is_writable_class(self.storage_class) else named

    @property
    def redirect(self) -> Pairs:
        """The header of a website redirect, if the object has one."""
        return tuple(pair for pair in self.headers if pair[0] == REDIRECT)


def _plain_name(header: str) -> str:
    if header.startswith(_METADATA):
        return f"{METADATA} {header.removeprefix(_METADATA)}"
    return _PLAIN_NAMES.get(header, header)


def read_all_properties(source: Connection, task: CopyTask) -> ObjectProperties:
    """Request all properties of a copy, tags and annotations included, and wait for them.

    Raises:
        ObjectChangedError: the object is no longer the planned one.
        CustomerKeyError: it can be read only with its owner's key.
        S3RequestError: another failure.
    """
    key = task.source_key
    asked = read_properties(source, key, task.source_etag)
    tags = None if task.rules.tags == "skip" else read_tags(source, key)
    grants = read_grants(source, key) if task.rules.copies_grants else None
    locks = prove_locks_readable(source, key) if task.rules.keeps_locks else None
    annotations = None
    if task.rules.annotations == "copy":
        annotations = find_annotations(source, key, is_large=task.size > MIB)
    properties = asked.result()
    if locks is not None:
        locks.result()
    return replace(
        properties,
        tags=None if tags is None else counted_tags(source.bucket, key, tags.result(), properties.tag_count),
        grants=() if grants is None else grants.result(),
        annotations=None if annotations is None else annotations.result(),
    )


def read_properties(source: Connection, key: str, etag: str) -> "Future[ObjectProperties]":
    """Request the properties of an object that must still have an ETag, without tags, grants and annotations.

    Returns:
        A future that gives them. It raises `ObjectChangedError` if the object was overwritten or deleted, and
        another `S3RequestError` if the request failed, or its headers can't represent all metadata.
    """
    request = Request("HeadObject", "HEAD", key)
    return ask_head(
        source,
        key,
        (*condition_headers(etag), *CHECKSUM_MODE_HEADERS),
        lambda ending: properties_of(source, request, pinned_answer(source.bucket, request, ending, etag)),
    )


def properties_of(source: Connection, request: Request, response: Response) -> ObjectProperties:
    """Read the properties from an answer to HeadObject or GetObject.

    Raises:
        S3RequestError: some are missing.
    """
    head = read_head(source.bucket, request, response)
    if hidden := response.header("x-amz-missing-meta"):
        reason = (
            f"{hidden} entries of the object's metadata are not shown, as headers can't have them: a copy would lose "
            "them; give the object metadata in ASCII, or exclude its key"
        )
        raise S3RequestError(source.bucket, request, HIDDEN_METADATA, reason, status=response.status)
    named = [(name.lower(), value) for name, value in response.headers]
    return ObjectProperties(
        etag=head.etag,
        version_id=head.version_id,
        headers=_without_chunks(pair for pair in named if pair[0] in _KEPT_HEADERS or pair[0].startswith(_METADATA)),
        storage_class=head.storage_class,
        checksums=read_checksum_headers(response.headers),
        is_etag_md5=keeps_md5_etags(response),
        tag_count=tag_count_of(source.bucket, request, response),
        lock=lock_of(source.bucket, request, response),
    )


def _without_chunks(headers: Iterable[tuple[str, str]]) -> Pairs:
    """The headers without the coding ``aws-chunked``, which is one of a request, not of an object's content.

    Amazon S3 removes it from what it stores; some servers keep it, and would take a request with it for such a one.
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
    """
    kept: list[tuple[str, str]] = []
    for name, value in headers:
        if name != _CODINGS or "aws-chunked" not in value.lower():
            kept.append((name, value))
        elif codings := [one for one in map(str.strip, value.split(",")) if one.lower() not in ("", "aws-chunked")]:
            kept.append((name, ",".join(codings)))
    return tuple(kept)


def read_part_sizes(source: Connection, task: CopyTask) -> tuple[int, ...] | None:
    """The bytes of each part of a multipart object; None if they are unknown.

    The object's ETag has the number of parts, and HeadObject accepts a part number. Parts of one size, as all tools
    make them, are recognised by the first and the last.

    Raises:
        S3RequestError: a request failed.
    """
    count = parts_of_etag(task.source_etag)
    if count is None or task.size == 0:
        return None
    ends = [_ask_part_size(source, task.source_key, number, count) for number in sorted({1, count})]
    first, last = ends[0].result(), ends[-1].result()
    if first is None or last is None:
        return None
    # All others are as large as the first, if the sum is the object's size.
    sizes = [*[first] * (count - 1), last]
    if sum(sizes) != task.size:
        sizes = [first]
        for begin in range(2, count + 1, _HEADS_AT_ONCE):
            numbers = range(begin, min(begin + _HEADS_AT_ONCE, count + 1))
            asked = [_ask_part_size(source, task.source_key, number, count) for number in numbers]
            found = [size for answer in asked if (size := answer.result()) is not None]
            if len(found) < len(numbers):
                return None
            sizes += found
    is_whole = sum(sizes) == task.size
    # Some servers accept parts that others refuse as too small.
    return tuple(sizes) if is_whole and min(sizes[:-1], default=MIN_PART_SIZE) >= MIN_PART_SIZE else None


def parts_of_etag(etag: str) -> int | None:
    """The number of parts in an ETag; None if it is not one of a multipart upload."""
    # Most have no hyphen: the pattern takes ten times as long to see that, and each object is asked for it.
    found = _PARTED_ETAG.fullmatch(etag) if "-" in etag else None
    return int(found[1]) if found else None


def kept_parts(rules: CopyRules, etag: str) -> int | None:
    """The number of parts that a copy of an object with this ETag keeps; None if it need not have the same parts."""
    return parts_of_etag(etag) if rules.keeps_parts else None


def _ask_part_size(source: Connection, key: str, number: int, count: int) -> "Future[int | None]":
    """Request the bytes of one part; None from servers that ignore or refuse part numbers."""
    request = Request("HeadObject", "HEAD", key, query=(("partNumber", str(number)),))

    def read(ending: ResponseOrError) -> int | None:
        if isinstance(ending, S3RequestError) and not ending.is_transient:
            return None
        response = source_answer(ending)
        if response.header("x-amz-mp-parts-count") != str(count):
            return None
        try:
            return whole_number(response.header("content-length"))
        except ValueError:
            return None

    return source.ask(request, read)
