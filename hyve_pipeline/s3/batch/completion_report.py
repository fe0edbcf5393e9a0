"""Reads the completion report of a job: a manifest that names CSV files, each with its MD5.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html
"""

import csv
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from hyve_pipeline.core.base.errors import HyveError, spilling_to
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.files.download import download
from hyve_pipeline.s3.files.state_objects import get_object
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.wire.errors import naming_bucket

_FORMAT = "Report_CSV_20180820"

# The columns of the files; S3 says them in the manifest.
_COLUMNS = ("Bucket", "Key", "VersionId", "TaskStatus", "ErrorCode", "HTTPStatusCode", "ResultMessage")

# Messages of Lambda functions, which a field may have too, are longer than the default of Python.
csv.field_size_limit(16 * 1024**2)

_MOST_DETAIL = 300


class ReportError(HyveError):
    """A completion report is missing, damaged, or of another job."""


class ReportedTask(NamedTuple):
    """One row of a report.

    Attributes:
        key: the whole key.
        is_done: whether S3 says that the object was copied.
        code: why not: S3's error code, or the HTTP status; empty if it was copied.
        detail: its message.
    """

    key: str
    is_done: bool
    code: str
    detail: str


def read_report(connection: Connection, prefix: str, job_id: str, source_bucket: str) -> Iterator[ReportedTask]:
    """The rows of the report of a job, file by file, in no order.

    Nothing of it may be relied on before the last row was read: a damaged file may be the last one.

    Args:
        connection: the place of the report.
        prefix: the prefix of all reports, as the job was created with.
        job_id: the job.
        source_bucket: the bucket that it copies from.

    Raises:
        ReportError: the report is missing, damaged, or of another job.
        BucketError: it can't be read.
        StateError: there is no room for temporary files.
    """
    folder = f"{prefix}/job-{job_id}/"
    uri = f"s3://{connection.bucket}/{folder}manifest.json"
    with naming_bucket(connection.place):
        body = get_object(connection, f"{folder}manifest.json")
        if body is None:
            raise ReportError(f"{displayed(uri)} does not exist")
        for result in _results(body, uri):
            yield from _rows(connection, result, folder, source_bucket)


def _results(body: bytes, uri: str) -> list[dict[str, Any]]:
    """The files that a manifest names."""
    try:
        manifest = json.loads(body)
        schema = tuple(name.strip() for name in manifest["ReportSchema"].split(","))
        if manifest["Format"] != _FORMAT or schema != _COLUMNS:
            raise ValueError(f"its format is {manifest['Format']!r} with the columns {manifest['ReportSchema']!r}")
        results = manifest["Results"]
        for result in results:
            if not all(isinstance(result[name], str) for name in ("Bucket", "Key", "MD5Checksum")):
                raise ValueError("a file of it lacks bucket, key or MD5")
        return results
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{displayed(uri)} is damaged: {_shown(error)}") from error


def _rows(connection: Connection, result: dict[str, Any], folder: str, source_bucket: str) -> Iterator[ReportedTask]:
    key = result["Key"]
    uri = displayed(f"s3://{result['Bucket']}/{key}")
    if result["Bucket"] != connection.bucket or not key.startswith(f"{folder}results/"):
        raise ReportError(f"{uri} is of another job")
    head = head_object(connection, key, needs_size=True).result()
    if head is None or head.size is None:
        raise ReportError(f"{uri} does not exist")
    with tempfile.TemporaryDirectory(prefix="hyve-batch-") as temporary:
        path = Path(temporary) / "report.csv"
        md5 = hashlib.md5(usedforsecurity=False)
        with spilling_to(temporary), path.open("wb") as file:
            for part in download(connection, key, head.etag, head.size, file):
                md5.update(part)
        if md5.hexdigest() != result["MD5Checksum"].lower():
            raise ReportError(f"{uri} is damaged: its MD5 is not the one that the manifest says")
        try:
            with path.open(encoding="utf-8", newline="") as text:
                for fields in csv.reader(text, strict=True):
                    yield _task(fields, source_bucket)
        except (ValueError, csv.Error) as error:
            raise ReportError(f"{uri} is damaged: {_shown(error)}") from error


def _task(fields: list[str], source_bucket: str) -> ReportedTask:
    """A row.

    Raises:
        ValueError: it is none.
    """
    if len(fields) != len(_COLUMNS):
        raise ValueError(f"a row has {len(fields)} fields")
    bucket, key, _, status, *codes, message = fields
    if unquote(bucket) != source_bucket:
        raise ValueError(f"a row is of the bucket {bucket!r}")
    if status not in ("succeeded", "failed"):
        raise ValueError(f"a row has the status {status!r}")
    # S3's own examples have the two in the other order than the schema says.
    number = next((code for code in codes if code.isdecimal()), "")
    word = next((code for code in codes if code and not code.isdecimal()), "")
    is_done = status == "succeeded" and number in ("", "200")
    # Keys are as in the manifest that the job was given.
    return ReportedTask(
        unquote(key, errors="strict"), is_done, "" if is_done else word or number or "unknown", message[:_MOST_DETAIL]
    )


def _shown(error: Exception) -> str:
    text = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    return displayed(" ".join(text.split()))
