"""Probes of what a server supports: a sync can't copy what the server itself can't store."""

from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from hyve_pipeline.s3.wire.checksums import ALGORITHMS, HEADER, checksum
from hyve_pipeline_tests.matrix.cases import Case
from hyve_pipeline_tests.matrix.uploads import (
    NotCopiedError,
    Seen,
    Upload,
    abort_beside,
    copy_by_hand,
    copy_part_by_hand,
    is_listed,
    put,
    read_object,
)

_numbers = count(1)


@dataclass(frozen=True)
class Scratch:
    """A place for probes of a server.

    Attributes:
        client: a boto3 client.
        bucket: the bucket.
        prefix: the prefix of all keys.
    """

    client: Any
    bucket: str
    prefix: str


def why(error: Exception) -> str:
    """An error, in short."""
    if isinstance(error, ClientError):
        return f"{error.operation_name}: {error.response.get('Error', {}).get('Code')}"
    return type(error).__name__


def missing(seen: Seen, upload: Upload) -> str | None:
    """What the server's object lacks of the upload, in short."""
    if not seen.holds_content:
        return "the server has other content"
    lost = [name for name in upload.watched if name not in seen.headers]
    if lost:
        return f"the server does not keep {lost[0]}"
    values = {name: seen.headers.get(HEADER + name.lower(), "").partition("-")[0] for name in ALGORITHMS}
    wrong = [name for name, value in values.items() if value and len(value) != len(checksum(name, b""))]
    return f"the server's {wrong[0]} is that of another algorithm" if wrong else None


def hides_parts(scratch: Scratch) -> bool:
    """Whether a server does not return the size of a part of an object, as a plain request shows."""
    where = (scratch.client, scratch.bucket, f"{scratch.prefix}parts")
    try:
        put(*where, Upload(12, (12,)))
        return "PartsCount" not in scratch.client.head_object(Bucket=where[1], Key=where[2], PartNumber=1)
    except (ClientError, BotoCoreError):
        return True
    finally:
        _forget(scratch, where[2])


def needs_trying(case: Case, *, copies: bool) -> bool:
    """Whether some servers may not support the object of a case; every server supports plain objects."""
    is_plain = not (case.upload.watched or case.upload.parts or case.upload.customer_key or case.is_about_key)
    return not is_plain or (copies and case.is_copied_in_parts)


def refusal(scratch: Scratch, case: Case, *, copies: bool) -> str | None:
    """Why a server does not support the object of a case; None if it does.

    Args:
        scratch: a place on the server.
        case: the case.
        copies: whether the object is copied within the server, and not uploaded.
    """
    if not needs_trying(case, copies=copies):
        return None
    key = scratch.prefix + (case.key if case.is_about_key else f"probe {next(_numbers)}")
    try:
        return _try(scratch, key, case, copies=copies)
    except NotCopiedError:
        return "the server answers UploadPartCopy without an ETag"
    except ReadTimeoutError:
        return "the server does not answer"
    except (ClientError, BotoCoreError) as error:
        return f"the server refuses it: {why(error)}"
    finally:
        _forget(scratch, key)


def _try(scratch: Scratch, key: str, case: Case, *, copies: bool) -> str | None:
    where = (scratch.client, scratch.bucket, key)
    upload = _as_small_as_possible(case)
    put(*where, upload)
    if case.archive:
        return _try_reading(scratch, key, "the server ignores the archive class")
    if case.upload.customer_key:
        return _try_reading(scratch, key, "the server ignores the customer's key")
    seen = read_object(*where, upload)
    problem = missing(seen, upload)
    if problem is None and case.keeps_etag and "-" not in seen.etag:
        problem = "the server's ETags do not show multipart uploads"
    if problem is None and copies and (case.is_copied_in_parts or upload.watched):
        make_copy = copy_part_by_hand if case.is_copied_in_parts else copy_by_hand
        make_copy(*where, upload)
        problem = missing(read_object(*where, upload), upload)
        problem = problem and f"in a copy, {problem}"
    if problem is None and case.is_about_key:
        abort_beside(*where)
        if not is_listed(scratch.client, scratch.bucket, scratch.prefix, key):
            problem = "the server lists another key instead"
    return problem


def _as_small_as_possible(case: Case) -> Upload:
    """The object with all its properties, in one small part where it is copied by multipart upload."""
    small = replace(case.upload, size=12, parts=())
    return replace(small, parts=(12,)) if case.is_copied_in_parts else small


def _try_reading(scratch: Scratch, key: str, otherwise: str) -> str | None:
    """Why the case can't be tried, if the server returns content that it should refuse."""
    try:
        scratch.client.get_object(Bucket=scratch.bucket, Key=key)["Body"].read()
    except ClientError:
        return None
    return f"{otherwise}: it returns the content"


def _forget(scratch: Scratch, key: str) -> None:
    try:
        scratch.client.delete_object(Bucket=scratch.bucket, Key=key)
    except (ClientError, BotoCoreError):
        # A server that refused the key before refuses it here too.
        return
