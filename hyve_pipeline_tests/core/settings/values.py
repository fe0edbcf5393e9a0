"""Places as tests write them, and what is wrong with settings."""

from typing import Any

import pytest
from pydantic import ValidationError

from hyve_pipeline.core.settings.places import BucketSettings

# A sync with many settings, in TOML.
COMPLETE = """
[sync.images]
schedule = "0 2 * * *"
timezone = "Europe/Berlin"
apply = "copies"
[sync.images.source]
bucket = "hyve-rootwork"
prefix = "in"
profile = "hyve"
region = "us-east-1"
endpoint_url = "http://127.0.0.1:9000"
requester_pays = true
[sync.images.store]
bucket = "hyve-store"
[sync.images.options]
compare = "etag"
include = ["*.jpg"]
exclude = ["tmp/*"]
max_deletes = "10%"
max_overwrites = 500
trash = "s3://hyve-trash/images/"
shard_objects = 100
shard_bytes = "1 GiB"
concurrency = 8
transport = "botocore"
"""


def place(uri: str, endpoint_url: str | None = None) -> BucketSettings:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return BucketSettings(bucket=bucket, prefix=prefix, endpoint_url=endpoint_url)


def problem_of(model: type, **values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        model(**values)
    (error,) = caught.value.errors()
    return error["msg"].removeprefix("Value error, ")
