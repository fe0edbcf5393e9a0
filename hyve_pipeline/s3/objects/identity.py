"""Whether two connections reach the same object under one key, as far as HEAD shows it."""

from concurrent.futures import Future

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Request, Response

# Headers that differ only between two objects. A server's replication keeps ETag, time and version, and its status is
# COMPLETED for the original and REPLICA for the copy.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-status.html
_DISTINCT_HEADERS = ("x-amz-version-id", "x-amz-replication-status")


def are_two_objects(one: Connection, other: Connection, key: str) -> bool:
    """Whether two connections certainly reach two objects under one whole key; False if that is unknown."""
    answers: list[Future[Response]] = [each.send(Request("HeadObject", "HEAD", key)) for each in (one, other)]
    try:
        first, second = (answer.result() for answer in answers)
    except S3RequestError:
        return False
    pairs = [(first.header(name), second.header(name)) for name in _DISTINCT_HEADERS]
    return any(None not in pair and pair[0] != pair[1] for pair in pairs)
