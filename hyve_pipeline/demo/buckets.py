"""Fills the demo's two buckets.

The store is the result of the last sync; since then images were added, changed and deleted in the source.
"""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from hyve_pipeline.demo.images import DemoImage, make_album, make_odd_images

SOURCE_BUCKET = "hyve-rootwork"
STORE_BUCKET = "hyve-store"
REGION = "us-east-1"
# The server accepts any keys.
ACCESS_KEY_ID = "demo"
SECRET_ACCESS_KEY = "demo"  # noqa: S105 - it protects nothing

_THREADS = 8


@dataclass(frozen=True)
class Filled:
    """The content of the buckets, in numbers of objects.

    Attributes:
        new: only in the source.
        modified: in both, and newer in the source.
        duplicate: only in the store.
        unchanged: in both.
    """

    new: int
    modified: int
    duplicate: int
    unchanged: int


def fill_buckets(endpoint_url: str) -> Filled:
    """Create both buckets and fill them so that new, modified, duplicate and unchanged objects exist.

    Args:
        endpoint_url: the server; it must be empty.
    """
    client = open_client(endpoint_url)
    for bucket in (SOURCE_BUCKET, STORE_BUCKET):
        client.create_bucket(Bucket=bucket)
    unchanged = [*make_album("albums/2024", "JPEG", 120), *make_album("avatars", "PNG", 60)]
    before = list(make_album("albums/2025", "JPEG", 48))
    gone = [*make_album("drafts", "PNG", 24), *make_album("albums/2023", "JPEG", 12)]
    after = list(make_album("albums/2025", "JPEG", 48, edition=2))
    new = [*make_album("albums/2026", "JPEG", 70), *make_album("thumbnails", "PNG", 45), *make_odd_images()]

    put_images(client, SOURCE_BUCKET, unchanged)
    put_images(client, STORE_BUCKET, [*unchanged, *before, *gone])
    wait_for_next_second()
    put_images(client, SOURCE_BUCKET, [*after, *new])
    return Filled(len(new), len(after), len(gone), len(unchanged))


def add_images(endpoint_url: str) -> int:
    """Put more images into the source, so that the next plan has something to do.

    Returns:
        The number of images.
    """
    images = list(make_album("albums/2027", "JPEG", 12))
    put_images(open_client(endpoint_url), SOURCE_BUCKET, images)
    return len(images)


def open_client(endpoint_url: str) -> Any:
    """A boto3 client for the demo's server."""
    import boto3
    from botocore.config import Config

    session = boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=REGION)
    # The server is on this machine: the user's proxy could not reach it.
    config = Config(s3={"addressing_style": "path"}, proxies={}, max_pool_connections=_THREADS)
    return session.client("s3", endpoint_url=endpoint_url, config=config)


def put_images(client: Any, bucket: str, images: Iterable[DemoImage]) -> None:
    """Put images into a bucket, several at a time."""

    def put(image: DemoImage) -> None:
        client.put_object(
            Bucket=bucket,
            Key=image.key,
            Body=image.body,
            ContentType=image.content_type,
            CacheControl="public, max-age=86400",
            Metadata={"made-by": "hyve-demo"},
        )

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(put, images))


def wait_for_next_second() -> None:
    """Wait until objects written from now on have a later LastModified, which is in whole seconds."""
    time.sleep(1 - time.time() % 1 + 0.01)
