"""Finding out, before any work, whether a bucket can be used."""

import time
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus

from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.transport import Ending
from hyve_pipeline.s3.listing.key_encoding import AmbiguousPlusError
from hyve_pipeline.s3.listing.malformed import MalformedPageError
from hyve_pipeline.s3.listing.pages import ListingAnswer
from hyve_pipeline.s3.listing.walk import (
    FIRST_PAUSE_SECONDS,
    MOST_DAMAGED,
    PAUSE_GROWTH,
    RESTORE_STATUS,
    check_place,
    parse_answer,
)
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, S3RequestError, bucket_error, invalid_response
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response

# By these a server may refuse a request for a header that it does not know.
_UNKNOWN_HEADER = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_IMPLEMENTED)


def probe_restore_status(connection: Connection) -> Pairs:
    """Prove that a bucket can be listed, and find out whether the server lets itself be asked for `RESTORE_STATUS`.

    Most that know nothing of it answer all the same, but some refuse every header that they don't know.

    Returns:
        The headers to list the bucket with: `RESTORE_STATUS`, or none.

    Raises:
        BucketError: it cannot be listed; the message says why and what to do.
    """
    try:
        probe_bucket(connection, RESTORE_STATUS)
    except BucketError as error:
        cause = error.__cause__
        if not isinstance(cause, S3RequestError) or cause.status not in _UNKNOWN_HEADER:
            raise
        probe_bucket(connection)
        return ()
    return RESTORE_STATUS


@dataclass(frozen=True, slots=True)
class Probe:
    """What a bucket answered.

    Attributes:
        response: the answer as it came.
        answer: what it says.
    """

    response: Response
    answer: ListingAnswer


def probe_bucket(connection: Connection, headers: Pairs = (), first_pause: float = FIRST_PAUSE_SECONDS) -> Probe:
    """Prove that a bucket can be listed with this connection.

    Args:
        connection: the bucket.
        headers: headers that the request is to have.
        first_pause: seconds before an answer that is damaged is asked for again for the first time.

    Returns:
        What it answered: its first object, if there is one.

    Raises:
        BucketError: it cannot; the message says why and what to do.
    """
    for damaged in range(MOST_DAMAGED):
        try:
            probe = send_probe(connection, headers).result()
        except S3RequestError as error:
            if error.code != INVALID_RESPONSE:
                raise bucket_error(error, connection.place) from error
            if damaged + 1 == MOST_DAMAGED:
                reason = f"the server does not answer as S3 does: {error.message}"
                raise BucketError(f"{connection.place.uri}: {reason}") from error
            time.sleep(first_pause * PAUSE_GROWTH**damaged)
        else:
            return probe
    raise AssertionError("the last try returned or raised")


def send_probe(connection: Connection, headers: Pairs = ()) -> "Future[Probe]":
    """Ask for the first key of a bucket.

    Args:
        connection: the bucket.
        headers: headers that the request is to have.

    Returns:
        A future that gives the answer, or raises `S3RequestError` where the bucket cannot be listed, or the answer is
        no listing of it.
    """
    query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", "1")]
    if connection.place.prefix:
        query.append(("prefix", connection.place.prefix))
    request = Request("ListObjectsV2", "GET", query=tuple(query), headers=headers)

    def read(ending: Ending) -> Probe:
        if not isinstance(ending, Response):
            raise ending
        try:
            return _read(connection, ending)
        except MalformedPageError as error:
            raise invalid_response(connection.bucket, request, ending, str(error)) from error

    return connection.ask(request, read)


def _read(connection: Connection, response: Response) -> Probe:
    """What a probe was answered, also of how the server lists."""
    dialect = connection.listing_dialect
    try:
        answer = parse_answer(response.body, dialect.plus)
    except AmbiguousPlusError:
        # Of one key it does not matter; a walk finds out.
        answer = parse_answer(response.body, " ")
    check_place(answer.envelope, connection.place)
    if answer.envelope.marker is not None and not answer.envelope.knows_version_2:
        dialect.by_marker = True
    return Probe(response, answer)
