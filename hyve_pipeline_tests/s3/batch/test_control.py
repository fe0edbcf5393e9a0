"""The parameters of a job are what botocore's model of the service takes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from hyve_pipeline.core.settings.batch import BatchSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.batch.control import job_parameters
from hyve_pipeline_tests.batching import ACCOUNT, ROLE

_COPY = "S3PutObjectCopy"


@pytest.mark.parametrize(
    ("options", "target", "more"),
    [
        ({}, None, {}),
        ({"acl": "bucket-owner-full-control"}, None, {"CannedAccessControlList": "bucket-owner-full-control"}),
        ({"annotations": "exclude"}, "folder", {"AnnotationDirective": "EXCLUDE", "TargetKeyPrefix": "folder"}),
    ],
)
def test_parameters_are_those_of_the_model(options: dict[str, Any], target: str | None, more: dict[str, str]) -> None:
    settings = BatchSettings(
        account_id=ACCOUNT, role_arn=ROLE.replace("arn:aws:", "arn:aws-cn:"), location="s3://jobs/"
    )
    parameters = job_parameters(
        settings,
        Options(**options),
        BucketSettings(bucket="jobs", prefix="hyve/"),
        store="out-bucket",
        target_prefix=target,
        storage_class="GLACIER_IR",
        unmodified_since=datetime(2026, 11, 29, 1, 45, tzinfo=UTC),
        manifest="hyve/manifests/1.csv",
        manifest_etag="0" * 32,
        token="000042-20260131T020000000Z-1a2b3c4d-0001-INTELLIGENT_TIERING",
        description="hyve",
    )
    shape: Any = Session().get_service_model("s3control").operation_model("CreateJob").input_shape
    assert ParamValidator().validate(parameters, shape).generate_report() == ""
    copies = parameters["Operation"][_COPY]
    assert copies == more | {
        "TargetResource": "arn:aws-cn:s3:::out-bucket",
        "MetadataDirective": "COPY",
        "StorageClass": "GLACIER_IR",
        "UnModifiedSinceConstraint": "2026-11-29T01:45:00+00:00",
    }
    # The validator does not look at values of enumerations.
    members = shape.members["Operation"].members[_COPY].members
    for name, value in copies.items():
        known = getattr(members[name], "enum", None)
        assert not known or value in known
    assert parameters["Report"]["Bucket"] == "arn:aws-cn:s3:::jobs"
    assert parameters["Report"]["Prefix"] == "hyve/reports"
    assert parameters["Manifest"]["Location"]["ObjectArn"] == "arn:aws-cn:s3:::jobs/hyve/manifests/1.csv"
