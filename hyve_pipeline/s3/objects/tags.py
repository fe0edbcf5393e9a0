"""An object's tags: read, and given to one that is there."""

import base64
import hashlib
from concurrent.futures import Future
from http import HTTPStatus

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.server_abilities import TAGS, TAGS_READ
from hyve_pipeline.s3.connection.transport import Ending
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.objects.source_responses import source_answer
from hyve_pipeline.s3.wire.errors import ANSWER_TOO_LARGE, INVALID_RESPONSE, S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import complete
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.responses import parse_response, require, whole_number
from hyve_pipeline.s3.wire.xml import child_text, escape_text

_NO_TAGS = "NoSuchTagSet"

# What some servers call a question that they don't know.
_UNKNOWN_QUESTION = {"InvalidArgument", "InvalidRequest", "NotSupported", "Unsupported", "UnsupportedOperation"}

_WAY_ON = '; object_tags = "skip" copies objects without theirs'

# Keys and values, in the order in which the server tells them.
Tags = tuple[tuple[str, str], ...]


def read_tags(connection: Connection, key: str) -> "Future[Tags | None]":
    """Ask for an object's tags.

    Returns:
        A future that gives them, or None where the server knows no tags, or raises `S3RequestError`.
    """
    outcome: Future[Tags | None] = Future()
    if connection.abilities.lacks(TAGS_READ):
        outcome.set_result(None)
        return outcome
    request = Request("GetObjectTagging", "GET", key, query=(("tagging", ""),))

    def on_end(ending: Ending) -> None:
        # Some servers know no tags and say so by 404: then the object itself is there.
        if isinstance(ending, S3RequestError) and ending.status == HTTPStatus.NOT_FOUND and ending.code != _NO_TAGS:
            try:
                found = head_object(connection, key)
            except Exception:  # noqa: BLE001 - closed just now, say; the question must come to an end
                complete(outcome, read, ending)
                return
            found.add_done_callback(
                lambda done: complete(outcome, lambda head: lacking() if head.result() else read(ending), done)
            )
            return
        complete(outcome, read, ending)

    def lacking() -> None:
        connection.abilities.note(TAGS_READ)

    def read(ending: Ending) -> Tags | None:
        if isinstance(ending, S3RequestError):
            if _knows_none(ending):
                return lacking()
            if ending.code == _NO_TAGS:
                connection.abilities.prove(TAGS)
                return ()
        response = source_answer(ending)
        # Others answer with the object itself too, which alone has an ETag.
        if response.header("etag") is not None:
            return lacking()
        tags = _read_answer(connection, request, response)
        connection.abilities.prove(TAGS)
        return tags

    connection.exchange(request, on_end)
    return outcome


def _knows_none(error: S3RequestError) -> bool:
    """Whether a server says by a refusal that it knows no tags, and not that it may not tell them."""
    # The first from servers that answer with the object itself, where it is too large for an answer.
    if error.code in (ANSWER_TOO_LARGE, "NotImplemented", "MethodNotAllowed"):
        return True
    is_sure = error.status in (HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.METHOD_NOT_ALLOWED)
    return is_sure or (error.status == HTTPStatus.BAD_REQUEST and error.code in _UNKNOWN_QUESTION)


def _read_answer(connection: Connection, request: Request, response: Response) -> Tags:
    bucket = connection.bucket
    root = parse_response(bucket, request, response, "Tagging", way_on=_WAY_ON)
    if next(root.iterchildren("{*}TagSet"), None) is None:
        raise invalid_response(bucket, request, response, f"the answer has no TagSet{_WAY_ON}")
    if any(child_text(tag, "Value") is None for tag in root.iter("{*}Tag")):
        raise invalid_response(bucket, request, response, "the answer has a tag without a value")
    tags = tuple(
        (require(bucket, request, response, tag, "Key"), child_text(tag, "Value") or "") for tag in root.iter("{*}Tag")
    )
    count = response.header("x-amz-tagging-count")
    if count is not None and count != str(len(tags)):
        reason = f"the answer has {len(tags)} tags, and says that there are {count}"
        raise invalid_response(connection.bucket, request, response, reason)
    return tags


def tag_count_of(bucket: str, request: Request, response: Response) -> int | None:
    """How many tags an answer to HEAD or GET says that the object has; None where it does not say it.

    Raises:
        S3RequestError: it says something else.
    """
    count = response.header("x-amz-tagging-count")
    try:
        return None if count is None else whole_number(count)
    except ValueError as error:
        raise invalid_response(bucket, request, response, f"the answer has the x-amz-tagging-count {error}") from None


def counted_tags(bucket: str, key: str, tags: Tags | None, count: int | None) -> Tags | None:
    """The tags of an object, if there are as many as its headers say.

    Raises:
        S3RequestError: there are others, so that the copy would not get all.
    """
    # A server that tells no tags is known for that, and said to lack them.
    if count is None or tags is None or count == len(tags):
        return tags
    reason = f"the answer has {len(tags)} tags, and the object's headers say that there are {count}"
    raise S3RequestError.of(bucket, Request("GetObjectTagging", "GET", key), INVALID_RESPONSE, reason)


def put_tags(store: Connection, key: str, tags: Tags, version_id: str | None = None) -> "Future[None]":
    """Give an object these tags instead of those that it has; its ETag and its last-modified time stay.

    S3 knows no condition for this request: look at the object right before.

    Args:
        store: the bucket.
        key: the whole key.
        tags: at least one: not all servers take a set of none.
        version_id: the version that gets them; None for the newest.

    Returns:
        A future that ends when it is done, or raises `ObjectChangedError` where there is no such object, or another
        `S3RequestError`.
    """
    entries = "".join(
        f"<Tag><Key>{escape_text(name)}</Key><Value>{escape_text(value)}</Value></Tag>" for name, value in tags
    )
    body = (f'<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>{entries}</TagSet></Tagging>').encode()
    # Every server takes this checksum, and some take no other. It is a checksum, not a safeguard.
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    headers = (("content-md5", md5), ("content-type", "application/xml"))
    query = (("tagging", ""), *((("versionId", version_id),) if version_id is not None else ()))
    request = Request("PutObjectTagging", "PUT", key, query=query, headers=headers, body=body)

    def read(ending: Ending) -> None:
        source_answer(ending)

    return store.ask(request, read)
