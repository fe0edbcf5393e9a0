"""The settings by which S3 Batch Operations makes copies."""

from pydantic import Field

from hyve_pipeline.core.settings.place_fields import AccountId, EndpointUrl, Region, RoleArn, TrashUri
from hyve_pipeline.core.settings.table import SettingsTable


class BatchSettings(SettingsTable):
    """How ``hyve copy --by batch`` lets S3 Batch Operations copy."""

    account_id: AccountId = Field(description="The AWS account whose jobs they are, 12 digits.")
    role_arn: RoleArn = Field(description="The ARN of the role that S3 Batch Operations copies with.")
    location: TrashUri = Field(
        description=(
            "`s3://bucket/prefix/` that gets the manifests and the completion reports of jobs, reached like the store."
        ),
    )
    priority: int = Field(
        default=10,
        ge=0,
        le=2**31 - 1,
        description="The priority of jobs among those of the account; a greater number goes first.",
    )
    region: Region | None = Field(
        default=None,
        description="The region in which jobs are created; left out, the store's, where S3 expects them.",
    )
    endpoint_url: EndpointUrl | None = Field(
        default=None,
        description="Another server for the requests about jobs; left out, S3's own.",
    )
