"""Copying objects that are too large for one CopyObject: in parts, each pinned to the planned ETag.

Unlike CopyObject, a multipart upload takes over nothing from the source: headers, metadata, tags and storage
class are read first and given to the new object. An upload that fails is aborted, since its parts would
otherwise stay in the bucket, unseen and paid for.
"""

from collections import deque
from concurrent.futures import Future, wait
from queue import SimpleQueue
from urllib.parse import quote, urlencode

from hyve_pipeline.core.actions import CopyTask
from hyve_pipeline.s3.connection import Connection
from hyve_pipeline.s3.copy_answers import (
    CopyResult,
    read_copied_etag,
    source_error,
    source_version_of,
    storage_class_header,
)
from hyve_pipeline.s3.errors import ANSWER_TOO_LARGE, S3RequestError, invalid_response
from hyve_pipeline.s3.heading import read_head, version_of
from hyve_pipeline.s3.message import Pairs, Request, Response, copy_source
from hyve_pipeline.s3.window import Window
from hyve_pipeline.s3.xml import MalformedXmlError, child_text, escape_text, parse_xml

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MAX_PARTS = 10_000

# Parts of one object that are copied at once.
_PARTS_IN_FLIGHT = 16

_KEPT_HEADERS = {
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
}
_METADATA = "x-amz-meta-"

# How servers without tags answer a request for them.
_NO_TAGS = {"NotImplemented", "MethodNotAllowed", "NoSuchTagSet", ANSWER_TOO_LARGE}


def submit_copy_in_parts(
    source: Connection, store: Connection, task: CopyTask, part_size: int, window: Window | None
) -> "Future[CopyResult]":
    """Copy an object in parts on one of the store connection's worker threads, see `copying.copy_object`."""
    return store.workers.submit(copy_in_parts, source, store, task, part_size, window or Window(_PARTS_IN_FLIGHT))


def copy_in_parts(source: Connection, store: Connection, task: CopyTask, part_size: int, window: Window) -> CopyResult:
    """Copy an object in parts and wait for it.

    Raises:
        ObjectChangedError: the source object is no longer the planned one.
        ObjectUnreadableError: it is archived.
        S3RequestError: another failure. No upload is left behind, unless aborting failed as well.
    """
    try:
        size, headers = _read_properties(source, task)
        upload_id = _create(store, task, headers)
        try:
            etags, source_version_id = _copy_parts(source, store, task, upload_id, part_ranges(size, part_size), window)
            answer = _complete(store, task, upload_id, etags)
        except BaseException:
            _abort(store, task, upload_id)
            raise
    except S3RequestError as error:
        raise source_error(error) from error
    request = Request("CompleteMultipartUpload", "POST", task.store_key)
    return CopyResult(
        etag=read_copied_etag(store.bucket, request, answer),
        version_id=version_of(answer),
        source_version_id=source_version_id,
        bytes=size,
    )


def part_ranges(size: int, part_size: int) -> list[tuple[int, int]]:
    """First and last byte of each part, at most 10,000 parts."""
    part_size = max(part_size, -(-size // MAX_PARTS))
    return [(first, min(first + part_size, size) - 1) for first in range(0, size, part_size)]


def _read_properties(source: Connection, task: CopyTask) -> tuple[int, Pairs]:
    """The object's size, and the headers that give a new object its properties."""
    request = Request("HeadObject", "HEAD", task.source_key, headers=(("if-match", f'"{task.source_etag}"'),))
    response = source.send(request).result()
    head = read_head(source.bucket, request, response)
    if response.header("x-amz-missing-meta"):
        raise invalid_response(
            source.bucket, request, response, "the server cannot tell all of the object's metadata in headers"
        )
    kept = [
        (name.lower(), value)
        for name, value in response.headers
        if name.lower() in _KEPT_HEADERS or name.lower().startswith(_METADATA)
    ]
    tags = _read_tags(source, task.source_key)
    if tags:
        kept.append(("x-amz-tagging", urlencode(tags, quote_via=quote)))
    return head.size, (*kept, *storage_class_header(head.storage_class))


def _read_tags(source: Connection, key: str) -> list[tuple[str, str]]:
    request = Request("GetObjectTagging", "GET", key, query=(("tagging", ""),))
    try:
        response = source.send(request).result()
    except S3RequestError as error:
        if error.code in _NO_TAGS or error.status == 501:
            return []
        raise
    # Others do not know this request and answer with the object itself, which alone has an ETag.
    if not response.body or response.header("etag") is not None:
        return []
    try:
        root = parse_xml(response.body)
    except MalformedXmlError as error:
        raise invalid_response(source.bucket, request, response, f"the answer is {error}") from error
    return [(child_text(tag, "Key") or "", child_text(tag, "Value") or "") for tag in root.iter("{*}Tag")]


def _create(store: Connection, task: CopyTask, headers: Pairs) -> str:
    request = Request("CreateMultipartUpload", "POST", task.store_key, query=(("uploads", ""),), headers=headers)
    response = store.send(request).result()
    try:
        upload_id = child_text(parse_xml(response.body), "UploadId")
    except MalformedXmlError as error:
        raise invalid_response(store.bucket, request, response, f"the answer is {error}") from error
    if not upload_id:
        raise invalid_response(store.bucket, request, response, "the answer has no UploadId")
    return upload_id


def _copy_parts(
    source: Connection,
    store: Connection,
    task: CopyTask,
    upload_id: str,
    ranges: list[tuple[int, int]],
    window: Window,
) -> tuple[list[str], str | None]:
    """Copy all parts, some at once, and give their ETags and the version they were copied from."""
    etags: dict[int, str] = {}
    version_id: str | None = None
    waiting = deque(enumerate(ranges, start=1))
    in_flight: dict[int, Future[Response]] = {}
    ended: SimpleQueue[tuple[int, Request]] = SimpleQueue()
    borrowed = 0

    def send(number: int, first: int, last: int) -> None:
        request = Request(
            "UploadPartCopy",
            "PUT",
            task.store_key,
            query=(("partNumber", str(number)), ("uploadId", upload_id)),
            headers=(
                ("x-amz-copy-source", copy_source(source.bucket, task.source_key)),
                ("x-amz-copy-source-if-match", f'"{task.source_etag}"'),
                ("x-amz-copy-source-range", f"bytes={first}-{last}"),
            ),
        )

        def on_end(_: "Future[Response]") -> None:
            ended.put((number, request))
            window.wake()

        in_flight[number] = store.send(request, is_slow=True)
        in_flight[number].add_done_callback(on_end)

    try:
        while len(etags) < len(ranges):
            # One part has the slot of the object itself, so that it goes on however busy all the others are.
            if waiting and len(in_flight) < _PARTS_IN_FLIGHT:
                has_slot = len(in_flight) <= borrowed
                if not has_slot and window.borrow(until=lambda: not ended.empty()):
                    borrowed, has_slot = borrowed + 1, True
                if has_slot:
                    number, (first, last) = waiting.popleft()
                    send(number, first, last)
                    continue
            number, request = ended.get()
            part = in_flight.pop(number)
            if borrowed:
                window.give_back()
                borrowed -= 1
            response = part.result()
            store.raise_if_closing(request)
            etags[number] = read_copied_etag(store.bucket, request, response)
            version_id = source_version_of(response) or version_id
    finally:
        # A part that arrives after the upload was aborted would stay in the bucket.
        wait(in_flight.values())
        for _ in range(borrowed):
            window.give_back()
    return [etags[number] for number in sorted(etags)], version_id


def _complete(store: Connection, task: CopyTask, upload_id: str, etags: list[str]) -> Response:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape_text(chr(34) + etag + chr(34))}</ETag></Part>"
        for number, etag in enumerate(etags, start=1)
    )
    document = f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{parts}'
    request = Request(
        "CompleteMultipartUpload",
        "POST",
        task.store_key,
        query=(("uploadId", upload_id),),
        headers=(("content-type", "application/xml"),),
        body=f"{document}</CompleteMultipartUpload>".encode(),
    )
    return store.send(request, is_slow=True).result()


def _abort(store: Connection, task: CopyTask, upload_id: str) -> None:
    request = Request("AbortMultipartUpload", "DELETE", task.store_key, query=(("uploadId", upload_id),))
    try:
        store.send(request).result()
    except S3RequestError:
        # The failure that led here is the one to report; a bucket's lifecycle rule can remove the rest.
        return
