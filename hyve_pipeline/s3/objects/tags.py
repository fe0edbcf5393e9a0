"""Reads and replaces the tags of an object."""

import re
from concurrent.futures import Future
from http import HTTPStatus

from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.server_abilities import (
    HIDDEN_TAG_COUNTS,
    TAG_COUNTS,
    TAG_COUNTS_BY_NAME,
    TAGS,
    TAGS_READ,
)
from hyve_pipeline.s3.connection.transport import ResponseOrError
from hyve_pipeline.s3.objects.head import ask_head, head_object
from hyve_pipeline.s3.objects.source_responses import source_answer
from hyve_pipeline.s3.objects.write_headers import document_headers
from hyve_pipeline.s3.wire.errors import ANSWER_TOO_LARGE, INVALID_RESPONSE, S3RequestError, invalid_response
from hyve_pipeline.s3.wire.futures import LightFuture, complete, completed, then
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.responses import parse_response, require, whole_number
from hyve_pipeline.s3.wire.xml import child_text, escape_text

_NO_TAGS = "NoSuchTagSet"
_COUNT = "x-amz-tagging-count"

# Codes of some servers for a request that they don't support.
_UNSUPPORTED = {"InvalidArgument", "InvalidRequest", "NotSupported", "Unsupported", "UnsupportedOperation"}

# Servers that send x-amz-tagging-count with each object that has tags, by the header Server. Not "AmazonS3": others
# that send no such count call themselves so too.
_KNOWN_SERVERS = re.compile(r"MinIO|Ceph Object Gateway\b.*")

# What Ceph adds to the headers of an object, also where it has no header Server. It sends the count too, and its answer
# about the tags of an object that was uploaded in parts and has none is empty.
_OF_CEPH = "x-rgw-object-type"

_WAY_ON = '; object_tags = "skip" copies objects without theirs'

# Keys and values, in the server's order.
Tags = tuple[tuple[str, str], ...]


def read_tags(connection: Connection, key: str) -> "Future[Tags | None]":
    """Request an object's tags.

    Returns:
        A future that gives them, or None if the server has no tags, or raises `S3RequestError`.
    """
    if connection.abilities.lacks(TAGS_READ):
        return completed(None)
    # Once it has answered, a refusal is about this object: taken for a lack, it would cost all others their tags.
    has_tags = connection.place.server == AWS or connection.abilities.has_proved(TAGS)
    outcome: Future[Tags | None] = LightFuture()
    request = Request("GetObjectTagging", "GET", key, query=(("tagging", ""),))

    def on_end(ending: ResponseOrError) -> None:
        # Some servers without tags answer 404: then the object itself exists.
        if not has_tags and _is_missing(ending):
            try:
                found = head_object(connection, key)
            except Exception:  # noqa: BLE001 - such as a connection closed just now; the future must end
                complete(outcome, read, ending)
                return
            found.add_done_callback(
                lambda done: complete(outcome, lambda head: lacking() if head.result() else read(ending), done)
            )
            return
        if isinstance(ending, Response) and not ending.body.strip() and ending.header("etag") is None:
            complete_later(ending)
            return
        complete(outcome, read, ending)

    def complete_later(empty: Response) -> None:
        """Take an empty answer for no tags only if the headers of the object prove that it has none."""
        try:
            shown = ask_head(connection, key, (), has_none)
        except Exception:  # noqa: BLE001 - as above
            complete(outcome, read, empty)
            return
        shown.add_done_callback(lambda done: complete(outcome, lambda _: () if done.result() else read(empty), None))

    def has_none(head: ResponseOrError) -> bool:
        if not isinstance(head, Response):
            return False
        count, is_ceph = head.header(_COUNT), head.header(_OF_CEPH) is not None
        if count != "0" and (count is not None or not is_ceph):
            return False
        connection.abilities.prove(TAGS)
        if is_ceph:
            connection.abilities.prove(TAG_COUNTS_BY_NAME)
        return True

    def lacking() -> None:
        connection.abilities.note(TAGS_READ)

    def read(ending: ResponseOrError) -> Tags | None:
        if isinstance(ending, S3RequestError):
            if not has_tags and _has_no_tags(ending):
                return lacking()
            if ending.code == _NO_TAGS:
                connection.abilities.prove(TAGS)
                return ()
        response = source_answer(ending)
        # Others answer with the object itself; only then there is an ETag.
        if response.header("etag") is not None and not has_tags:
            return lacking()
        tags = _read_answer(connection, request, response)
        connection.abilities.prove(TAGS)
        return tags

    connection.exchange(request, on_end)
    return outcome


def _is_missing(ending: ResponseOrError) -> bool:
    if not isinstance(ending, S3RequestError):
        return False
    return ending.status == HTTPStatus.NOT_FOUND and ending.code != _NO_TAGS


def _has_no_tags(error: S3RequestError) -> bool:
    """Whether a refusal shows that the server has no tags, and not that a permission is missing."""
    # The first comes from servers that answer with the object itself, if it is too large for an answer.
    if error.code in (ANSWER_TOO_LARGE, "NotImplemented", "MethodNotAllowed"):
        return True
    is_sure = error.status in (HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.METHOD_NOT_ALLOWED)
    return is_sure or (error.status == HTTPStatus.BAD_REQUEST and error.code in _UNSUPPORTED)


def _read_answer(connection: Connection, request: Request, response: Response) -> Tags:
    bucket = connection.bucket
    root = parse_response(bucket, request, response, "Tagging", hint=_WAY_ON)
    if next(root.iterchildren("{*}TagSet"), None) is None:
        raise invalid_response(bucket, request, response, f"the answer has no TagSet{_WAY_ON}")
    if any(child_text(tag, "Value") is None for tag in root.iter("{*}Tag")):
        raise invalid_response(bucket, request, response, "the answer has a tag without a value")
    tags = tuple(
        (require(bucket, request, response, tag, "Key"), child_text(tag, "Value") or "") for tag in root.iter("{*}Tag")
    )
    count = response.header(_COUNT)
    if count is not None and count != str(len(tags)):
        reason = f"the answer has {len(tags)} tags, and says that there are {count}"
        raise invalid_response(bucket, request, response, reason)
    return tags


def tells_tag_counts(connection: Connection) -> bool:
    """Whether an object without a number of tags among its headers has none, so that its tags need not be requested.

    A server sends the number to those who may read tags. So they must have been read once.
    """
    abilities = connection.abilities
    if abilities.has_proved(HIDDEN_TAG_COUNTS):
        return False
    is_known = connection.place.server == AWS or abilities.has_proved(TAG_COUNTS_BY_NAME)
    return abilities.has_proved(TAG_COUNTS) or (is_known and abilities.has_proved(TAGS))


def learn_tag_counts(connection: Connection, response: Response, tags: Tags | None, count: int | None) -> None:
    """Find out whether a server tells the number of tags, from an answer to GET and the tags of the same object."""
    if tags:
        connection.abilities.prove(HIDDEN_TAG_COUNTS if count is None else TAG_COUNTS)
    if _KNOWN_SERVERS.fullmatch(response.header("server") or "") or response.header(_OF_CEPH) is not None:
        connection.abilities.prove(TAG_COUNTS_BY_NAME)


def tag_count_of(bucket: str, request: Request, response: Response) -> int | None:
    """The number of an object's tags, from an answer to HEAD or GET; None if it does not have it.

    Raises:
        S3RequestError: it is not a number.
    """
    count = response.header(_COUNT)
    try:
        return None if count is None else whole_number(count)
    except ValueError as error:
        raise invalid_response(bucket, request, response, f"the answer has the x-amz-tagging-count {error}") from None


def counted_tags(bucket: str, key: str, tags: Tags | None, count: int | None) -> Tags | None:
    """The tags of an object, checked against the number in its headers.

    Raises:
        S3RequestError: the numbers differ, so the copy would not get all.
    """
    # A server without tags is noted as such elsewhere.
    if count is None or tags is None or count == len(tags):
        return tags
    reason = f"the answer has {len(tags)} tags, and the object's headers say that there are {count}"
    raise S3RequestError(bucket, Request("GetObjectTagging", "GET", key), INVALID_RESPONSE, reason)


def put_tags(store: Connection, key: str, tags: Tags, version_id: str | None = None) -> "Future[None]":
    """Replace the tags of an object; its ETag and its last-modified time stay.

    S3 has no condition for this request: check the object right before.

    Args:
        store: the bucket.
        key: the whole key.
        tags: at least one: not all servers accept an empty set.
        version_id: the version that gets them; None for the newest.

    Returns:
        A future that raises `ObjectChangedError` if there is no such object, or another `S3RequestError`.
    """
    entries = "".join(
        f"<Tag><Key>{escape_text(name)}</Key><Value>{escape_text(value)}</Value></Tag>" for name, value in tags
    )
    body = f'<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>{entries}</TagSet></Tagging>'.encode()
    query = (("tagging", ""), *((("versionId", version_id),) if version_id is not None else ()))
    request = Request("PutObjectTagging", "PUT", key, query=query, headers=document_headers(body), body=body)
    return then(store.ask(request, source_answer), lambda _: None)
