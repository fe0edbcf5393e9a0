"""Writes the manifest of a job: one line for each object, with the bucket and the percent-encoded key.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-create-job.html#specify-batchjob-manifest
"""

from typing import BinaryIO

from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.files.state_objects import put_file
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.wire.errors import naming_bucket
from hyve_pipeline.s3.wire.messages import encode_key


def manifest_line(bucket: str, key: str) -> bytes:
    """The line of an object. What CSV treats in its own way is encoded, so nothing has to be quoted."""
    return f"{bucket},{encode_key(key)}\n".encode()


def put_manifest(connection: Connection, key: str, file: BinaryIO) -> str:
    """Write a manifest.

    Args:
        connection: its place.
        key: its whole key.
        file: all of its lines, wherever it stands.

    Returns:
        Its ETag, which the request for the job names.

    Raises:
        BucketError: it can't be written.
    """
    size = file.seek(0, 2)
    file.seek(0)
    with naming_bucket(connection.place):
        put_file(connection, key, file, size)
        head = head_object(connection, key).result()
    if head is None:
        raise BucketError(f"{connection.place.uri}: the manifest {key!r} is gone as soon as it was written")
    return head.etag
