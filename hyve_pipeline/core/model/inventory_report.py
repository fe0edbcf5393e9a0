"""The manifest of a report of S3 Inventory: what it is of, as of when, and in which files.

Source of the rules: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.manifest import Frozen

ReportFormat = Literal["CSV", "ORC", "Parquet"]

MANIFEST = "manifest.json"
CHECKSUM = "manifest.checksum"

# The one version of manifests that S3 writes.
_VERSION = "2016-11-30"

# The columns that a plan needs, by the names of the configuration of a report, and in short.
NEEDED = {
    "bucket": "Bucket",
    "key": "Key",
    "size": "Size",
    "lastmodifieddate": "LastModifiedDate",
    "etag": "ETag",
    "storageclass": "StorageClass",
}

# A report of all versions has these and VersionId, and one of current versions none of them.
IS_LATEST, IS_DELETE_MARKER = "islatest", "isdeletemarker"
_OF_VERSIONS = {IS_LATEST: "IsLatest", IS_DELETE_MARKER: "IsDeleteMarker"}
_VERSION_ID = "versionid"

_MD5 = re.compile(r"[0-9a-f]{32}")


class ReportOrigin(Frozen):
    """The report that an inventory was read from.

    Attributes:
        uri: its manifest, as ``s3://bucket/key``.
        as_of: when S3 began to scan the bucket: what was written later may be missing.
        format: the format of its files.
        files: how many there are.
        rows: how many rows they have, those of old versions, delete markers and other prefixes included.
        taken: when the report was read.
        seconds: how long that took.
        details: how many objects have which value, by column, such as ``EncryptionStatus``: of the columns that the
            report has and that say what a listing does not.
    """

    uri: str
    as_of: datetime
    format: ReportFormat
    files: int
    rows: int
    taken: datetime
    seconds: float
    details: dict[str, dict[str, int]] = Field(default_factory=dict)

    @property
    def described(self) -> str:
        """One line for people."""
        return f"S3 Inventory as of {self.as_of:%Y-%m-%d %H:%M} UTC ({displayed(self.uri)})"


class ReportFile(Frozen):
    """A file of a report.

    Attributes:
        key: its whole key, in the bucket of the report.
        size: its bytes.
        md5: the MD5 of its content, in hexadecimal.
    """

    key: str
    size: int
    md5: str


class ReportManifest(Frozen):
    """What a manifest says.

    Attributes:
        source_bucket: the bucket that the report is of.
        as_of: when S3 began to scan it.
        format: the format of the files.
        columns: the columns of the files in order, see `short_name`.
        files: the files.
    """

    source_bucket: str
    as_of: datetime
    format: ReportFormat
    columns: tuple[str, ...]
    files: tuple[ReportFile, ...]

    @property
    def has_versions(self) -> bool:
        """Whether the report has all versions, so that rows of old ones and delete markers are to be left out."""
        return IS_LATEST in self.columns


class _File(BaseModel):
    key: str = Field(min_length=1)
    size: int = Field(ge=0)
    md5: str = Field(alias="MD5checksum")


class _Document(BaseModel):
    """The JSON document; members that are not known are ignored, as S3 may add some."""

    model_config = ConfigDict(extra="ignore")

    source_bucket: str = Field(alias="sourceBucket")
    destination_bucket: str = Field(alias="destinationBucket")
    version: str
    creation_timestamp: int = Field(alias="creationTimestamp")
    file_format: ReportFormat = Field(alias="fileFormat")
    file_schema: str = Field(alias="fileSchema")
    files: list[_File]


def short_name(column: str) -> str:
    """The name of a column as all formats have it: ``LastModifiedDate`` and ``last_modified_date`` are the same."""
    return column.strip().replace("_", "").lower()


def read_manifest(content: bytes, uri: str, report_bucket: str, source_bucket: str) -> ReportManifest:
    """Read and check a manifest.

    Args:
        content: the manifest.
        uri: where it is, for messages.
        report_bucket: the bucket that it was read from.
        source_bucket: the bucket that it should be of.

    Raises:
        IncompleteInventoryError: it is damaged, is of another bucket, lacks a column, or names a file twice.
    """
    refuse = refuser(uri)
    try:
        document = _Document.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise refuse(f"it is no manifest of S3 Inventory: {where + ': ' if where else ''}{first['msg']}") from error
    if document.version != _VERSION:
        raise refuse(f"its version is {document.version!r}, and Hyve knows {_VERSION!r}")
    if document.source_bucket != source_bucket:
        raise refuse(f"it is of bucket {document.source_bucket!r}, not of {source_bucket!r}: correct inventory")
    if document.destination_bucket.rpartition(":")[2] != report_bucket:
        raise refuse(f"it says that it is in bucket {document.destination_bucket!r}, and was found in another")
    files = tuple(ReportFile(key=file.key, size=file.size, md5=file.md5.strip().lower()) for file in document.files)
    if any(not _MD5.fullmatch(file.md5) for file in files):
        raise refuse("it has a file without a valid MD5checksum")
    if len({file.key for file in files}) < len(files):
        raise refuse("it names a file twice")
    try:
        as_of = datetime.fromtimestamp(document.creation_timestamp / 1000, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise refuse(f"its creationTimestamp {document.creation_timestamp} is no time in milliseconds") from error
    columns = _columns(document.file_format, document.file_schema)
    _check_columns(columns, refuse)
    return ReportManifest(
        source_bucket=document.source_bucket,
        as_of=as_of,
        format=document.file_format,
        columns=columns,
        files=files,
    )


def refuser(uri: str) -> Callable[[str], IncompleteInventoryError]:
    """Makes the error for a report that can't be used, of the reason and what to do."""

    def refuse(reason: str) -> IncompleteInventoryError:
        return IncompleteInventoryError(f"the S3 Inventory report {displayed(uri)} can't be used: {reason}")

    return refuse


def _columns(report_format: ReportFormat, schema: str) -> tuple[str, ...]:
    if report_format == "CSV":
        names = schema.split(",")
    elif report_format == "ORC":
        names = re.findall(r"(\w+)\s*:", schema)
    else:
        names = re.findall(r"(?:required|optional)\s+\w+(?:\(\d+\))?\s+(\w+)", schema)
    return tuple(map(short_name, names))


def _check_columns(columns: tuple[str, ...], refuse: Callable[[str], IncompleteInventoryError]) -> None:
    if len(set(columns)) < len(columns):
        raise refuse("its fileSchema names a column twice")
    missing = [name for short, name in NEEDED.items() if short not in columns]
    if {_VERSION_ID, *_OF_VERSIONS} & set(columns):
        missing += [name for short, name in _OF_VERSIONS.items() if short not in columns]
    if missing:
        raise refuse(
            f"it lacks the field {' and '.join(missing)}: add it to the report's configuration, and wait for the next"
        )
