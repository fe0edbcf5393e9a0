"""Finding out, before any work, whether a bucket can be used."""

from concurrent.futures import Future
from http import HTTPStatus

from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.pages import MalformedPageError
from hyve_pipeline.s3.listing.range_walk import RESTORE_STATUS, parse_answer
from hyve_pipeline.s3.wire.errors import S3RequestError, bucket_error
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


def probe_bucket(connection: Connection, headers: Pairs = ()) -> None:
    """Prove that a bucket can be listed with this connection.

    Args:
        connection: the bucket.
        headers: headers that the request is to have.

    Raises:
        BucketError: it cannot; the message says why and what to do.
    """
    try:
        parse_answer(send_probe(connection, headers).result().body)
    except S3RequestError as error:
        raise bucket_error(error, connection.place) from error
    except MalformedPageError as error:
        raise BucketError(f"{connection.place.uri}: the server does not answer as S3 does: {error}") from error


def send_probe(connection: Connection, headers: Pairs = ()) -> "Future[Response]":
    """Ask for the first key of a bucket.

    Args:
        connection: the bucket.
        headers: headers that the request is to have.

    Returns:
        A future that gives the answer, or raises `S3RequestError` where the bucket cannot be listed.
    """
    query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", "1")]
    if connection.place.prefix:
        query.append(("prefix", connection.place.prefix))
    return connection.send(Request("ListObjectsV2", "GET", query=tuple(query), headers=headers))
