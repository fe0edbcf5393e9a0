"""Writes reports as S3 Inventory does: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html."""

import csv
import gzip
import hashlib
import io
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

from hyve_pipeline.core.model.inventory_report import ReportFormat
from hyve_pipeline_tests.syncs import Bucket

FORMATS: tuple[ReportFormat, ...] = ("CSV", "ORC", "Parquet")

# What a report always has, and what a plan needs besides.
CURRENT = ("Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass")
ALL_VERSIONS = ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", *CURRENT[2:])
OPTIONAL = (
    *("IsMultipartUploaded", "ReplicationStatus", "EncryptionStatus", "ObjectLockRetainUntilDate", "ObjectLockMode"),
    *("ObjectLockLegalHoldStatus", "IntelligentTieringAccessTier", "BucketKeyStatus", "ChecksumAlgorithm"),
    *("ObjectAccessControlList", "ObjectOwner"),
)

# The names in ORC and Parquet files that are not those of CSV in another spelling.
_SNAKE = {"ETag": "e_tag", "IsLatest": "is_latest", "IsDeleteMarker": "is_delete_marker"}
_BOOLEANS = {"IsLatest", "IsDeleteMarker", "IsMultipartUploaded"}
_TIMES = {"LastModifiedDate", "ObjectLockRetainUntilDate"}

Row = Mapping[str, Any]


@dataclass
class Report:
    """A report to write.

    Attributes:
        source_bucket: the bucket that it is of.
        rows: values by the names of the fields, times as `datetime`, in the order of the files.
        fields: the fields.
        format: the format of the files.
        as_of: when S3 began it.
        files: how many files the rows are spread over.
        manifest: members of the manifest to replace.
        encode: how keys are encoded in CSV files; by default as S3 does, with ``+`` for a space.
    """

    source_bucket: str
    rows: Sequence[Row]
    fields: Sequence[str] = CURRENT
    format: ReportFormat = "CSV"
    as_of: datetime = field(default_factory=lambda: datetime.now(UTC))
    files: int = 1
    manifest: Mapping[str, Any] = field(default_factory=dict)
    encode: Callable[[str], str] = lambda key: quote_plus(key, safe="/*-._")

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.as_of:%Y-%m-%dT%H-%MZ}"

    def contents(self) -> list[bytes]:
        """The content of each file."""
        return [self._content(self.rows[number :: self.files]) for number in range(self.files)]

    def schema(self) -> str:
        """The manifest's fileSchema."""
        if self.format == "CSV":
            return ", ".join(self.fields)
        columns = [(_snake(name), _kind(name)) for name in self.fields]
        if self.format == "ORC":
            types = {"text": "string", "boolean": "boolean", "number": "bigint", "time": "timestamp"}
            return "struct<" + ",".join(f"{name}:{types[kind]}" for name, kind in columns) + ">"
        types = {
            "text": "binary {} (STRING)",
            "boolean": "boolean {}",
            "number": "int64 {}",
            "time": "int64 {} (TIMESTAMP(MILLIS,true))",
        }
        parts = (
            f"{'required' if name in ('bucket', 'key') else 'optional'} {types[kind].format(name)};"
            for name, kind in columns
        )
        return "message s3.inventory { " + " ".join(parts) + "}"

    def document(self, destination_bucket: str, files: Iterable[tuple[str, bytes]]) -> bytes:
        """The manifest."""
        document = {
            "sourceBucket": self.source_bucket,
            "destinationBucket": f"arn:aws:s3:::{destination_bucket}",
            "version": "2016-11-30",
            "creationTimestamp": str(int(self.as_of.timestamp() * 1000)),
            "fileFormat": self.format,
            "fileSchema": self.schema(),
            "files": [
                {"key": key, "size": len(content), "MD5checksum": hashlib.md5(content).hexdigest()}
                for key, content in files
            ],
        }
        return json.dumps({**document, **self.manifest}, indent=2).encode()

    def write(self, bucket: Bucket, *, only: Literal["all", "no checksum"] = "all") -> str:
        """Write it below a bucket's prefix as its folder, and return the URI of that."""
        folder = bucket.place.prefix
        extension = {"CSV": "csv.gz", "ORC": "orc", "Parquet": "parquet"}[self.format]
        files = [(f"{folder}data/{uuid.uuid4()}.{extension}", content) for content in self.contents()]
        manifest = self.document(bucket.name, files)
        written = {**dict(files), f"{folder}{self.name}/manifest.json": manifest}
        if only == "all":
            written[f"{folder}{self.name}/manifest.checksum"] = hashlib.md5(manifest).hexdigest().encode()
        bucket.put(written)
        return bucket.place.uri

    def _content(self, rows: Sequence[Row]) -> bytes:
        if self.format == "CSV":
            text = io.StringIO()
            writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerows([self._csv_value(name, row.get(name)) for name in self.fields] for row in rows)
            return gzip.compress(text.getvalue().encode(), mtime=0)
        stream = io.BytesIO()
        columns = {_snake(name): pa.array([row.get(name) for row in rows], self._type(name)) for name in self.fields}
        table = pa.table(columns)
        if self.format == "ORC":
            orc.write_table(table, stream)
        else:
            pq.write_table(table, stream, row_group_size=7)
        return stream.getvalue()

    def _csv_value(self, name: str, value: Any) -> str:
        if value is None:
            return ""
        if name == "Key":
            return self.encode(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, datetime):
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"
        return str(value)

    def _type(self, name: str) -> pa.DataType:
        time = pa.timestamp("ms") if self.format == "ORC" else pa.timestamp("ms", tz="UTC")
        return {"text": pa.string(), "boolean": pa.bool_(), "number": pa.int64(), "time": time}[_kind(name)]


def rows_of(bucket: Bucket, *, versions: bool = False) -> list[dict[str, Any]]:
    """The rows of a report of a bucket as it is now; with all versions and delete markers, or without."""
    if not versions:
        found = [
            entry
            for page in bucket.client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name)
            for entry in page.get("Contents", [])
        ]
        return [_row(bucket.name, entry) for entry in found]
    rows: list[dict[str, Any]] = []
    for page in bucket.client.get_paginator("list_object_versions").paginate(Bucket=bucket.name):
        for entry in page.get("Versions", []):
            rows.append(_row(bucket.name, entry) | _version(entry, is_marker=False))
        for entry in page.get("DeleteMarkers", []):
            row = {"Bucket": bucket.name, "Key": entry["Key"], "LastModifiedDate": entry["LastModified"]}
            rows.append(row | _version(entry, is_marker=True))
    return rows


def _row(bucket: str, entry: Row) -> dict[str, Any]:
    return {
        "Bucket": bucket,
        "Key": entry["Key"],
        "Size": entry["Size"],
        "LastModifiedDate": entry["LastModified"],
        "ETag": entry["ETag"].strip('"'),
        "StorageClass": entry.get("StorageClass", "STANDARD"),
        "IsMultipartUploaded": "-" in entry["ETag"],
        "EncryptionStatus": "SSE-S3",
        "ChecksumAlgorithm": "CRC64NVME",
        "BucketKeyStatus": "DISABLED",
    }


def _version(entry: Row, *, is_marker: bool) -> dict[str, Any]:
    return {"VersionId": entry["VersionId"], "IsLatest": entry["IsLatest"], "IsDeleteMarker": is_marker}


def _kind(name: str) -> str:
    if name == "Size":
        return "number"
    return "boolean" if name in _BOOLEANS else "time" if name in _TIMES else "text"


def _snake(name: str) -> str:
    letters = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
    return _SNAKE.get(name, letters)
