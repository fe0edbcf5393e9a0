"""GetObjectAttributes: the sizes of an object's parts, and the checksums that its server has of them.

It is optional: without its permission, or where a server does not know it, sizes are found by HEAD requests, and
checksums are made here. A server that does not know it may answer with the object itself, so an answer counts only if
it is that of S3, and is about the planned object.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.server_abilities import NO_PART_CHECKSUMS, PART_CHECKSUMS
from hyve_pipeline.s3.objects.multipart_api import MIN_PART_SIZE
from hyve_pipeline.s3.objects.properties import parts_of_etag
from hyve_pipeline.s3.wire.checksums import ALGORITHMS
from hyve_pipeline.s3.wire.errors import S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import LightFuture, finish
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.responses import is_truncated, parse_response, whole_number
from hyve_pipeline.s3.wire.xml import Element, child_text, unquote_etag

# The second is the name in S3's documentation.
_ROOTS = ("GetObjectAttributesResponse", "GetObjectAttributesOutput")

_ATTRIBUTES = ("x-amz-object-attributes", "ETag,ObjectParts,ObjectSize")


@dataclass(frozen=True, slots=True)
class SourceParts:
    """The parts of an object, as its server tells them.

    Attributes:
        sizes: bytes of each.
        algorithm: that of their checksums, or None if some have none.
        checksums: the checksum of each, in base64; empty without an algorithm.
    """

    sizes: tuple[int, ...]
    algorithm: str | None = None
    checksums: tuple[str, ...] = ()


def read_source_parts(source: Connection, task: CopyTask) -> SourceParts | None:
    """Request the parts of a multipart object, and wait for them.

    Returns:
        They; None if the object is none of parts, or its server does not tell them: whatever is wrong with the
        object itself, the requests after this one show.
    """
    count = parts_of_etag(task.source_etag)
    abilities = source.abilities
    if count is None or not task.size or abilities.has_proved(NO_PART_CHECKSUMS):
        return None
    is_trial = source.place.server != AWS and not abilities.has_proved(PART_CHECKSUMS)
    if is_trial and not abilities.begin_trial(PART_CHECKSUMS):
        return None
    try:
        elements = _read_pages(source, task, is_trial=is_trial)
        abilities.prove(PART_CHECKSUMS)
        return _read_parts(task.size, count, elements)
    except ValueError:
        return None
    except S3RequestError as error:
        if is_trial or not error.is_transient:
            abilities.prove(NO_PART_CHECKSUMS)
        return None


def prove_parts_readable(source: Connection, key: str) -> None:
    """Request what `read_source_parts` does, of an object of any kind.

    Raises:
        S3RequestError: it is not allowed, or the server does not answer as S3 does.
    """
    request = Request("GetObjectAttributes", "GET", key, query=(("attributes", ""),), headers=(_ATTRIBUTES,))
    parse_response(source.bucket, request, source.send(request).result(), *_ROOTS)


def _read_pages(source: Connection, task: CopyTask, *, is_trial: bool) -> list[Element]:
    """The elements of all parts."""
    elements: list[Element] = []
    marker = "0"
    while True:
        headers = (_ATTRIBUTES, ("x-amz-part-number-marker", marker))
        request = Request("GetObjectAttributes", "GET", task.source_key, query=(("attributes", ""),), headers=headers)
        response = _ask(source, request, is_trial=is_trial).result()
        if response.header("etag") is not None:
            raise invalid_response(source.bucket, request, response, "the answer is the object itself")
        root = parse_response(source.bucket, request, response, *_ROOTS)
        etag, size = unquote_etag(child_text(root, "ETag") or ""), child_text(root, "ObjectSize")
        if not same_etag(etag, task.source_etag) or whole_number(size) != task.size:
            raise ValueError("it is another object")
        parts = next(root.iterchildren("{*}ObjectParts"), None)
        if parts is None:
            return elements
        page = list(parts.iterchildren("{*}Part"))
        elements += page
        if not page or not is_truncated(source.bucket, request, response, parts):
            return elements
        following = child_text(parts, "NextPartNumberMarker") or ""
        if whole_number(following) <= int(marker):
            raise ValueError("it repeats a page")
        marker = following


def _ask(source: Connection, request: Request, *, is_trial: bool) -> "Future[Response]":
    outcome: Future[Response] = LightFuture()
    # The slow transport gives an answer up that is too large by its headers.
    source.exchange(request, lambda ended: finish(outcome, ended), is_slow=is_trial, is_trial=is_trial)
    return outcome


def _read_parts(size: int, count: int, elements: Sequence[Element]) -> SourceParts | None:
    """The parts in their elements; None if these are not all, or not those of the object.

    Raises:
        ValueError: a field is not valid.
    """
    sizes = tuple(whole_number(child_text(element, "Size")) for element in elements)
    numbers = [whole_number(child_text(element, "PartNumber")) for element in elements]
    is_whole = numbers == [*range(1, count + 1)] and sum(sizes) == size
    # Some servers accept parts that others refuse as too small.
    if not is_whole or min(sizes[:-1], default=MIN_PART_SIZE) < MIN_PART_SIZE:
        return None
    for algorithm in ALGORITHMS:
        found = [child_text(element, f"Checksum{algorithm}") for element in elements]
        checksums = tuple(value for value in found if value)
        if len(checksums) == count:
            return SourceParts(sizes, algorithm, checksums)
    return SourceParts(sizes)
