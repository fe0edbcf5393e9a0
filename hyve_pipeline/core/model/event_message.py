"""What a message of a queue says: which keys of a bucket something happened to.

An event is a hint and never the truth: only its bucket and key are read, and the objects themselves are looked at. So
it does not matter what kind of event it is, in which order events come, or how often.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote_plus

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.settings.place_fields import MAX_KEY_BYTES

# What becomes of a message: the sync looks at its keys; it is one that S3 sends to try the queue; it names keys of
# other buckets alone; it is not understood.
Kind = Literal["keys", "test", "foreign", "garbage"]

# What a message may be wrapped in: an event in a notification of SNS, and that perhaps in another one.
_MOST_WRAPPERS = 3

_ENCODED = re.compile("%[0-9A-Fa-f]{2}")

# The most of a foreign name that a line shows.
_SHOWN = 100


@dataclass(frozen=True)
class EventMessage:
    """What was read of a message.

    Attributes:
        kind: what becomes of it.
        keys: the whole keys that it names, of the bucket that was asked for.
        detail: of one that is foreign or not understood, what it is instead.
    """

    kind: Kind
    keys: frozenset[str] = frozenset()
    detail: str = ""


class _GarbageError(ValueError):
    """The message is not understood; says why."""


def read_event_message(body: str, bucket: str) -> EventMessage:
    """Read a message: events of S3, an event of EventBridge, or either in a notification of SNS.

    Args:
        body: the message.
        bucket: the name of the bucket whose keys are wanted.
    """
    try:
        document = _unwrapped(body)
        if document.get("Event") == "s3:TestEvent":
            return EventMessage("test")
        named = list(_named(document))
    except _GarbageError as error:
        return EventMessage("garbage", detail=str(error))
    keys = frozenset(key for name, some in named if name == bucket for key in some)
    others = sorted({name for name, _ in named if name != bucket})
    if keys or not others:
        return EventMessage("keys", keys)
    return EventMessage("foreign", detail=f"of bucket {displayed(others[0][:_SHOWN])}")


def _unwrapped(body: str) -> Mapping[str, Any]:
    text: object = body
    for _ in range(_MOST_WRAPPERS):
        if not isinstance(text, str):
            break
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise _GarbageError("no JSON") from None
        if not isinstance(document, dict):
            raise _GarbageError("no JSON object")
        if document.get("Type") == "SubscriptionConfirmation":
            raise _GarbageError("a subscription of SNS that waits to be confirmed, by its SubscribeURL")
        if document.get("Type") != "Notification":
            return document
        text = document.get("Message")
    raise _GarbageError("a notification without an event")


def _named(document: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """The buckets that a message names, each with the readings of a key."""
    detail = document.get("detail")
    if isinstance(detail, dict) and document.get("source") == "aws.s3":
        bucket, key = _bucket_and_key(detail)
        yield bucket, [_checked(key)]
        return
    records = document.get("Records")
    if not isinstance(records, list) or not records:
        raise _GarbageError("no event of S3")
    for record in records:
        event = record.get("s3") if isinstance(record, dict) else None
        if not isinstance(event, dict):
            raise _GarbageError("no event of S3")
        bucket, key = _bucket_and_key(event)
        decoded = _checked(_decoded(key))
        # Some servers do not encode it. It is only a hint, so both readings are looked at where it may be either.
        yield bucket, [decoded] if _ENCODED.search(key) else list(dict.fromkeys((decoded, _checked(key))))


def _bucket_and_key(event: Mapping[str, Any]) -> tuple[str, str]:
    found = [event.get("bucket"), event.get("object")]
    bucket, key = (
        part.get(name) if isinstance(part, dict) else None for part, name in zip(found, ("name", "key"), strict=True)
    )
    if not isinstance(bucket, str) or not isinstance(key, str) or not bucket:
        raise _GarbageError("an event without bucket or key")
    return bucket, key


def _decoded(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        raise _GarbageError("a key that is not UTF-8") from None


def _checked(key: str) -> str:
    try:
        length = len(key.encode())
    except UnicodeEncodeError:  # half of a character of two, as JSON may have it
        raise _GarbageError("a key that is not UTF-8") from None
    if not 0 < length <= MAX_KEY_BYTES or "\0" in key:
        raise _GarbageError(f"a key of {length:,} bytes")
    return key
