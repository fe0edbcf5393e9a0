"""Buckets that keep versions, and times between two of them."""

import math
import time
from datetime import UTC, datetime

from hyve_pipeline_tests.syncs import Bucket


def keep_versions(bucket: Bucket, status: str = "Enabled") -> None:
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": status})


def moment() -> str:
    """A time after all that was done, and before all that follows: the server's times have whole seconds."""
    second = math.floor(time.time())
    while time.time() < second + 1:
        time.sleep(0.02)
    return datetime.fromtimestamp(second, UTC).isoformat()
