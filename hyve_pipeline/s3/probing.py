"""Finding out, before any work, whether a bucket can be used."""

from concurrent.futures import Future

from hyve_pipeline.core.errors import BucketError
from hyve_pipeline.s3.connection import Connection
from hyve_pipeline.s3.errors import S3RequestError, bucket_error
from hyve_pipeline.s3.listing import parse_answer
from hyve_pipeline.s3.message import Request, Response
from hyve_pipeline.s3.pages import MalformedPageError


def probe_bucket(connection: Connection) -> None:
    """Prove that a bucket can be listed with this connection.

    Raises:
        BucketError: it cannot; the message says why and what to do.
    """
    try:
        parse_answer(send_probe(connection).result().body)
    except S3RequestError as error:
        raise bucket_error(error, connection.place) from error
    except MalformedPageError as error:
        raise BucketError(f"{connection.place.uri}: the server does not answer as S3 does: {error}") from error


def send_probe(connection: Connection) -> "Future[Response]":
    """Ask for the first key of a bucket.

    Returns:
        A future that gives the answer, or raises `S3RequestError` where the bucket cannot be listed.
    """
    query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", "1")]
    if connection.place.prefix:
        query.append(("prefix", connection.place.prefix))
    return connection.send(Request("ListObjectsV2", "GET", query=tuple(query)))
