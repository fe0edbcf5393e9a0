"""Checks before any work that a bucket can be listed."""

import time
from concurrent.futures import Future
from dataclasses import dataclass

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.listing_dialect import ENCODING, VERSION_2
from hyve_pipeline.s3.connection.optional_headers import may_be_unsupported
from hyve_pipeline.s3.connection.transport import answer_of
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

# What is left out of a listing that a server refuses, one after the other.
_WAYS = tuple(map(frozenset, ((ENCODING,), (VERSION_2,), (ENCODING, VERSION_2))))


def probe_restore_status(connection: Connection) -> Pairs:
    """Prove that a bucket can be listed, and find out whether the server accepts `RESTORE_STATUS`.

    Most servers ignore headers that they don't support, but some refuse them.

    Returns:
        The headers to list the bucket with: `RESTORE_STATUS`, or none.

    Raises:
        BucketError: it cannot be listed; the message says why and what to do.
    """
    try:
        _probe(connection, RESTORE_STATUS, FIRST_PAUSE_SECONDS)
    except S3RequestError as error:
        if not may_be_unsupported(error):
            raise bucket_error(error, connection.place) from error
        probe_bucket(connection)
        return ()
    return RESTORE_STATUS


@dataclass(frozen=True, slots=True)
class Probe:
    """The answer to a probe.

    Attributes:
        response: the raw answer.
        answer: what was read from it.
    """

    response: Response
    answer: ListingAnswer


def probe_bucket(connection: Connection, first_pause: float = FIRST_PAUSE_SECONDS) -> Probe:
    """Prove that a bucket can be listed with this connection, if need be without what its server refuses.

    Args:
        connection: the bucket.
        first_pause: seconds before the request is sent again for the first time, if the answer is damaged.

    Returns:
        The answer, with the bucket's first object, if there is one.

    Raises:
        BucketError: it cannot; the message says why and what to do.
    """
    try:
        return _probe(connection, (), first_pause)
    except S3RequestError as error:
        found = _probe_in_other_ways(connection) if may_be_unsupported(error) else None
        if found is None:
            raise bucket_error(error, connection.place) from error
        return found


def _probe_in_other_ways(connection: Connection) -> Probe | None:
    """The answer to a probe without what the server may have refused; None if it refuses each of them."""
    dialect = connection.listing_dialect
    before = dialect.refused
    for way in _WAYS:
        dialect.refused = way
        try:
            found = send_probe(connection).result()
        except S3RequestError:
            continue
        dialect.by_marker |= VERSION_2 in way
        return found
    dialect.refused = before
    return None


def _probe(connection: Connection, headers: Pairs, first_pause: float) -> Probe:
    """Send a probe, again where the answer is damaged.

    Raises:
        S3RequestError: the bucket cannot be listed so.
    """
    request = _request(connection, headers)
    for damaged in range(MOST_DAMAGED):
        try:
            # Read afterwards, and not as in `send_probe`: whatever is there instead of S3 answers so each time, and the
            # patience of the connection, four times over, would be five minutes in which nothing is said.
            return _read(connection, request, connection.send(request).result())
        except S3RequestError as error:
            if error.code != INVALID_RESPONSE or damaged + 1 == MOST_DAMAGED:
                raise
            time.sleep(first_pause * PAUSE_GROWTH**damaged)
    raise AssertionError("the last try returned or raised")


def send_probe(connection: Connection) -> "Future[Probe]":
    """Request the first key of a bucket, with the connection's patience also for damaged answers.

    Returns:
        A future that gives the answer, or raises `S3RequestError` if the bucket cannot be listed, or the answer is not
        a listing of it.
    """
    request = _request(connection)
    return connection.ask(request, lambda ending: _read(connection, request, answer_of(ending)))


def _request(connection: Connection, headers: Pairs = ()) -> Request:
    query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", "1")]
    if connection.place.prefix:
        query.append(("prefix", connection.place.prefix))
    return Request("ListObjectsV2", "GET", query=tuple(query), headers=headers)


def _read(connection: Connection, request: Request, response: Response) -> Probe:
    """Read the answer to a probe, which may also show how the server lists.

    Raises:
        S3RequestError: it is not a listing of the bucket.
    """
    try:
        return _listing(connection, response)
    except MalformedPageError as error:
        raise invalid_response(connection.bucket, request, response, str(error)) from error


def _listing(connection: Connection, response: Response) -> Probe:
    dialect = connection.listing_dialect
    try:
        answer = parse_answer(response.body, dialect.plus)
    except AmbiguousPlusError:
        # For a probe the meaning does not matter; a walk finds it out.
        answer = parse_answer(response.body, " ")
    check_place(answer.envelope, connection.place)
    if answer.envelope.marker is not None and not answer.envelope.is_version_2:
        dialect.by_marker = True
    return Probe(response, answer)
