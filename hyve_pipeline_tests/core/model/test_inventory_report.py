"""Manifests of reports, as AWS documents them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hyve_pipeline.core.model.inventory_report import (
    NEEDED,
    ReportFormat,
    read_manifest,
    short_name,
)

_SCHEMAS: dict[ReportFormat, str] = {
    "CSV": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, "
    "IsMultipartUploaded, ReplicationStatus, EncryptionStatus, ObjectLockRetainUntilDate, ObjectLockMode, "
    "ObjectLockLegalHoldStatus, IntelligentTieringAccessTier, BucketKeyStatus, ChecksumAlgorithm, "
    "ObjectAccessControlList, ObjectOwner",
    "ORC": "struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,size:bigint,"
    "last_modified_date:timestamp,e_tag:string,storage_class:string,is_multipart_uploaded:boolean,"
    "replication_status:string,encryption_status:string,object_lock_retain_until_date:timestamp,"
    "object_lock_mode:string,object_lock_legal_hold_status:string,intelligent_tiering_access_tier:string,"
    "bucket_key_status:string,checksum_algorithm:string,object_access_control_list:string,object_owner:string>",
    "Parquet": "message s3.inventory { required binary bucket (STRING); required binary key (STRING); optional binary "
    "version_id (STRING); optional boolean is_latest; optional boolean is_delete_marker; optional int64 size; "
    "optional int64 last_modified_date (TIMESTAMP(MILLIS,true)); optional binary e_tag (STRING); optional binary "
    "storage_class (STRING); optional boolean is_multipart_uploaded; optional binary replication_status (STRING); "
    "optional binary encryption_status (STRING); optional int64 object_lock_retain_until_date "
    "(TIMESTAMP(MILLIS,true)); optional binary object_lock_mode (STRING); optional binary "
    "object_lock_legal_hold_status (STRING); optional binary intelligent_tiering_access_tier (STRING); optional "
    "binary bucket_key_status (STRING); optional binary checksum_algorithm (STRING); optional binary "
    "object_access_control_list (STRING); optional binary object_owner (STRING);}",
}


def _document(report_format: ReportFormat, **members: Any) -> bytes:
    document = {
        "sourceBucket": "hyve-rootwork",
        "destinationBucket": "arn:aws:s3:::hyve-reports",
        "version": "2016-11-30",
        "creationTimestamp": "1514944800000",
        "fileFormat": report_format,
        "fileSchema": _SCHEMAS[report_format],
        "files": [
            {"key": "all/data/1", "size": 2147483747, "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc"},
        ],
    }
    return json.dumps(document | members).encode()


@pytest.mark.parametrize("report_format", _SCHEMAS)
def test_the_columns_of_every_format_have_one_name(report_format: ReportFormat) -> None:
    read = read_manifest(_document(report_format), "s3://hyve-reports/x", "hyve-reports", "hyve-rootwork")
    assert read.columns == tuple(short_name(name) for name in _SCHEMAS["CSV"].split(","))
    assert set(NEEDED) <= set(read.columns)
    assert read.has_versions
    assert read.as_of == datetime(2018, 1, 3, 2, 0, tzinfo=UTC)
    assert [(file.key, file.size) for file in read.files] == [("all/data/1", 2147483747)]


def test_what_s3_may_add_to_manifests_is_ignored() -> None:
    document = _document("CSV", creationTimestamp=1514944800000, more={"a": 1})
    assert read_manifest(document, "s3://hyve-reports/x", "hyve-reports", "hyve-rootwork").format == "CSV"
