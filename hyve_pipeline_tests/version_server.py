"""The demo's server, with versions as S3 keeps them: moto's own have times of whole seconds only.

Two versions of a key that are written within a second have an order in S3. And S3 makes a delete marker for each DELETE
in a bucket that keeps versions, also of a key that has nothing.
"""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

from moto.core import serialize
from moto.s3 import models

from hyve_pipeline.demo.server import EmbeddedServer, main


class VersionServer(EmbeddedServer):
    """A server in a child process, see `EmbeddedServer`."""

    MODULE = "hyve_pipeline_tests.version_server"


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def _hide(backend: Any, bucket_name: str, key_name: str) -> Any:
    bucket = backend.get_bucket(bucket_name)
    there = bucket.keys[key_name] if key_name in bucket.keys else SimpleNamespace(name=key_name)
    marker = models.FakeDeleteMarker(key=there)  # type: ignore[arg-type]
    bucket.keys[key_name] = marker
    return marker


if __name__ == "__main__":
    models.iso_8601_datetime_without_milliseconds_s3 = _date  # type: ignore[attr-defined]
    serialize.TimestampSerializer.ISO8601_MICRO_ZEROED = serialize.TimestampSerializer.ISO8601_MICRO  # type: ignore[misc]
    models.S3Backend._set_delete_marker = _hide  # type: ignore[method-assign]
    main()
