"""S3 servers that tests run against, and quick ways to fill and read their buckets."""

import re
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore
from botocore.config import Config

from hyve_pipeline_tests import moto_server

ACCESS_KEY_ID = "AKIDHYVETESTS"
SECRET_ACCESS_KEY = "hyve-tests-secret"
REGION = "us-east-1"

_THREADS = 8

# As it looks, with a signature of anything.
_AUTHORIZATION = (
    f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20260101/{REGION}/s3/aws4_request, SignedHeaders=host, Signature=0"
)


@contextmanager
def rclone_server(folder: Path) -> Iterator[str]:
    """Run `rclone serve s3` on a folder and yield its endpoint; buckets are the folders below.

    Unlike moto's server it checks signatures, against `ACCESS_KEY_ID` and `SECRET_ACCESS_KEY`. Its keys are
    paths of files, so they can't hold everything that S3's can.
    """
    command = [
        Path(sysconfig.get_path("scripts")) / "rclone",
        *("serve", "s3", folder, "--addr", "127.0.0.1:0", "--config", ""),
        *("--auth-key", f"{ACCESS_KEY_ID},{SECRET_ACCESS_KEY}"),
    ]
    # A file, and not a pipe: it logs every request that it refuses, and would wait until somebody reads that.
    with tempfile.NamedTemporaryFile() as log, subprocess.Popen(command, stderr=log) as process:
        try:
            written = Path(log.name)
            while (found := re.search(r"\[(http://127\.0\.0\.1:\d+)/\]", written.read_text())) is None:
                assert process.poll() is None, f"rclone did not start: {written.read_text()}"
                time.sleep(0.01)
            yield found[1]
        finally:
            process.terminate()
            process.wait(timeout=10)


@cache
def _session() -> boto3.Session:
    """One for all clients: each reads the description of S3 once, which is most of what a client takes."""
    return boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=REGION)


@cache
def client_for(endpoint_url: str, **settings: Any) -> Any:
    """A boto3 S3 client for one of the test servers, made once for each, since making it takes long."""
    client = _session().client(
        "s3",
        endpoint_url=endpoint_url,
        config=Config(
            # Nobody alters content on the way: not to hash it spares more than to send it takes.
            s3={"addressing_style": "path", "payload_signing_enabled": False},
            proxies={},
            max_pool_connections=_THREADS,
            request_checksum_calculation="when_required",
            **settings,
        ),
    )
    if moto_server.is_running(endpoint_url):
        client.meta.events.register("choose-signer.s3", _leave_unsigned)
        client.meta.events.register("before-sign.s3", _name_the_key)
    return client


def _leave_unsigned(**_: Any) -> Any:
    """Moto checks no signature, and to compute one is a fifth of what a request takes here."""
    return botocore.UNSIGNED


def _name_the_key(request: Any, **_: Any) -> None:
    """Moto reads whose request it is, and refuses those of nobody."""
    request.headers["Authorization"] = _AUTHORIZATION


def put_objects(client: Any, bucket: str, objects: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> None:
    """Put every object, `key: body`, in one request or several at a time."""
    pairs = list(objects.items() if isinstance(objects, Mapping) else objects)
    if moto_server.is_running(client.meta.endpoint_url):
        moto_server.put_all(client.meta.endpoint_url, bucket, pairs)
        return
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda pair: client.put_object(Bucket=bucket, Key=pair[0], Body=pair[1]), pairs))


def list_keys(client: Any, bucket: str) -> list[str]:
    """Every key of a bucket in the server's order."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def read_bucket(client: Any, bucket: str) -> dict[str, bytes]:
    """The whole content of a bucket, `key: body`."""
    if moto_server.is_running(client.meta.endpoint_url):
        return moto_server.read_all(client.meta.endpoint_url, bucket)
    keys = list_keys(client, bucket)
    with ThreadPoolExecutor(_THREADS) as pool:
        bodies = pool.map(lambda key: client.get_object(Bucket=bucket, Key=key)["Body"].read(), keys)
        return dict(zip(keys, bodies, strict=True))
