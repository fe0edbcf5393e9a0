"""What a server itself can do, found out by trying it: what it can't do, nobody can ask of a sync."""

from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from hyve_pipeline_tests.matrix.cases import Case
from hyve_pipeline_tests.matrix.uploads import (
    NotCopiedError,
    Seen,
    Upload,
    copy_by_hand,
    copy_part_by_hand,
    is_listed,
    look,
    put,
)

_numbers = count(1)


@dataclass(frozen=True)
class Scratch:
    """A place to try what a server can do.

    Attributes:
        client: boto3's.
        bucket: where it is.
        prefix: what all keys begin with.
    """

    client: Any
    bucket: str
    prefix: str


def why(error: Exception) -> str:
    """An error in a few words."""
    if isinstance(error, ClientError):
        return f"{error.operation_name}: {error.response.get('Error', {}).get('Code')}"
    return type(error).__name__


def missing(seen: Seen, upload: Upload) -> str | None:
    """What a server does not show of what was put, in a few words."""
    if not seen.holds_content:
        return "the server has other content"
    lost = [name for name in upload.watched if name not in seen.headers]
    return f"the server does not keep {lost[0]}" if lost else None


def needs_trying(case: Case, *, copies: bool) -> bool:
    """Whether there may be servers that can't have the object of a case, of which any server has simpler ones."""
    is_plain = not (case.upload.watched or case.upload.parts or case.upload.customer_key or case.is_about_key)
    return not is_plain or (copies and case.is_copied_in_parts)


def refusal(scratch: Scratch, case: Case, *, copies: bool) -> str | None:
    """Why a server can't have the object of a case; None where it can.

    Args:
        scratch: a place on the server.
        case: the case.
        copies: whether the object is to be made by a copy within the server, and not by an upload.
    """
    if not needs_trying(case, copies=copies):
        return None
    key = scratch.prefix + (case.key if case.is_about_key else f"probe {next(_numbers)}")
    try:
        return _try(scratch, key, case, copies=copies)
    except NotCopiedError:
        return "the server copies no parts"
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
        return _try_reading(scratch, key, "the server archives nothing")
    if case.upload.customer_key:
        return _try_reading(scratch, key, "the server encrypts nothing by a customer's key")
    seen = look(*where, upload)
    problem = missing(seen, upload)
    if problem is None and case.keeps_etag and "-" not in seen.etag:
        problem = "the server's ETags do not tell of parts"
    if problem is None and copies and (case.is_copied_in_parts or upload.watched):
        make_copy = copy_part_by_hand if case.is_copied_in_parts else copy_by_hand
        make_copy(*where, upload)
        problem = missing(look(*where, upload), upload)
        problem = problem and f"in a copy, {problem}"
    if problem is None and case.is_about_key and not is_listed(*where):
        problem = "the server lists the key as another"
    return problem


def _as_small_as_possible(case: Case) -> Upload:
    """The object with all that goes with it, in one small part where it is to be copied in parts."""
    small = replace(case.upload, size=12, parts=())
    return replace(small, parts=(12,)) if case.is_copied_in_parts else small


def _try_reading(scratch: Scratch, key: str, otherwise: str) -> str | None:
    """The reason why there is nothing to try, where the server gives what it should refuse."""
    try:
        scratch.client.get_object(Bucket=scratch.bucket, Key=key)["Body"].read()
    except ClientError:
        return None
    return f"{otherwise}: it gives the content at once"


def _forget(scratch: Scratch, key: str) -> None:
    try:
        scratch.client.delete_object(Bucket=scratch.bucket, Key=key)
    except (ClientError, BotoCoreError):
        # A server that refused the key when it was put refuses it here.
        return
