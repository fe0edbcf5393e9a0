"""Copying one object within the server, pinned to the ETag that was planned."""

import re
from concurrent.futures import Future
from dataclasses import replace

from hyve_pipeline.core.actions import CopyTask
from hyve_pipeline.core.settings import GIB, MIB
from hyve_pipeline.s3.connection import Connection
from hyve_pipeline.s3.copy_answers import (
    CopyResult,
    read_copied_etag,
    source_error,
    source_version_of,
    storage_class_header,
)
from hyve_pipeline.s3.errors import S3RequestError
from hyve_pipeline.s3.futures import chain, completed, then
from hyve_pipeline.s3.heading import head_object, version_of
from hyve_pipeline.s3.message import Request, Response, copy_source
from hyve_pipeline.s3.multipart import submit_copy_in_parts

# Over this size S3 refuses CopyObject. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
MAX_SINGLE_COPY = 5 * GIB

# Larger copies may keep a server busy for longer than the fast transport waits.
SLOW_COPY = 32 * MIB

_PLAIN_MD5 = re.compile("[0-9a-f]{32}")
_ENCRYPTION = "x-amz-server-side-encryption"
_CUSTOMER_KEY = "x-amz-server-side-encryption-customer-algorithm"


def copy_object(
    source: Connection,
    store: Connection,
    task: CopyTask,
    *,
    multipart_threshold: int = MAX_SINGLE_COPY,
    part_size: int = 256 * MIB,
) -> "Future[CopyResult]":
    """Copy an object from source to store by the server, with the store's credentials.

    Headers, user metadata, tags and storage class are kept.

    Args:
        source: the bucket that has the object.
        store: the bucket that gets it; its credentials must be allowed to read the source.
        task: the object, with the ETag that it must still have.
        multipart_threshold: objects over this many bytes are copied in parts.
        part_size: bytes of a part; raised where there would be over 10,000.

    Returns:
        A future that gives the outcome or raises `ObjectChangedError` (overwritten or gone since the plan),
        `ObjectUnreadableError` (archived), or another `S3RequestError`.
    """
    if task.size > multipart_threshold:
        return submit_copy_in_parts(source, store, task, part_size)
    request = Request(
        "CopyObject",
        "PUT",
        task.store_key,
        headers=(
            ("x-amz-copy-source", copy_source(source.bucket, task.source_key)),
            ("x-amz-copy-source-if-match", f'"{task.source_etag}"'),
            *storage_class_header(task.storage_class),
        ),
    )

    def follow(answer: "Future[Response]") -> "Future[CopyResult]":
        try:
            response = answer.result()
        except S3RequestError as error:
            raise source_error(error) from error
        result = _read_result(store.bucket, request, response, task)
        if not _differs(task.source_etag, result.etag, response):
            return completed(result)
        # The ETag of an object that the source encrypts with a KMS key looks like an MD5 and is none:
        # only the source can tell whether the condition was ignored.
        return then(
            head_object(source, task.source_key),
            lambda head: replace(result, condition_ignored=head is None or head.etag != task.source_etag),
        )

    return chain(store.send(request, is_slow=task.size > SLOW_COPY), follow)


def _read_result(bucket: str, request: Request, response: Response, task: CopyTask) -> CopyResult:
    return CopyResult(
        etag=read_copied_etag(bucket, request, response),
        version_id=version_of(response),
        source_version_id=source_version_of(response),
        bytes=task.size,
    )


def _differs(planned: str, copied: str, response: Response) -> bool:
    """Whether the ETags of object and copy show that the copy has another content."""
    if (response.header(_ENCRYPTION) or "AES256") != "AES256" or response.header(_CUSTOMER_KEY):
        return False
    are_comparable = _PLAIN_MD5.fullmatch(planned) and _PLAIN_MD5.fullmatch(copied)
    return bool(are_comparable) and planned != copied
