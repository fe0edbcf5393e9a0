"""What buckets that keep versions have of each key."""

from typing import Any

from hyve_pipeline_tests.syncs import Bucket

# Of each key its versions and delete markers, oldest first, as (version id, content); None for a delete marker.
Histories = dict[str, list[tuple[str, bytes | None]]]


def histories(bucket: Bucket, prefix: str = "") -> Histories:
    found: dict[str, list[tuple[Any, str, bytes | None]]] = {}
    for page in bucket.client.get_paginator("list_object_versions").paginate(Bucket=bucket.name, Prefix=prefix):
        for one in page.get("Versions", []):
            where = {"Bucket": bucket.name, "Key": one["Key"], "VersionId": one["VersionId"]}
            content = bucket.client.get_object(**where)["Body"].read()
            found.setdefault(one["Key"], []).append((one["LastModified"], one["VersionId"], content))
        for one in page.get("DeleteMarkers", []):
            found.setdefault(one["Key"], []).append((one["LastModified"], one["VersionId"], None))
    return {key: [(name, content) for _, name, content in sorted(found[key])] for key in sorted(found)}


def contents(bucket: Bucket) -> dict[str, list[bytes | None]]:
    return {key: [content for _, content in history] for key, history in histories(bucket).items()}


def put_in_a_part(bucket: Bucket, key: str, content: bytes) -> None:
    """Put an object whose ETag is no MD5 of its content."""
    where = {"Bucket": bucket.name, "Key": key}
    upload = {**where, "UploadId": bucket.client.create_multipart_upload(**where)["UploadId"]}
    etag = bucket.client.upload_part(**upload, PartNumber=1, Body=content)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    bucket.client.complete_multipart_upload(**upload, MultipartUpload=parts)
