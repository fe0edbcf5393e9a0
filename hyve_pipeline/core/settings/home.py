"""The settings of the place of the state."""

from pydantic import Field, model_validator

from hyve_pipeline.core.settings.place_fields import (
    EndpointUrl,
    ExternalId,
    ProfileName,
    Region,
    RoleArn,
    StateUri,
    split_uri,
)
from hyve_pipeline.core.settings.places import AddressingStyle, BucketSettings, check_credentials
from hyve_pipeline.core.settings.table import SettingsTable, contradiction

_AS_FOR_A_SIDE = "How to reach it, as for a side of a sync."


class HomeSettings(SettingsTable):
    """The table ``[home]``: where the state is, if that is a bucket."""

    state: StateUri | None = Field(
        default=None,
        description="`s3://bucket/prefix/` that holds the state; left out, a folder of the home holds it.",
    )
    profile: ProfileName | None = Field(default=None, description=_AS_FOR_A_SIDE)
    role_arn: RoleArn | None = Field(default=None, description=_AS_FOR_A_SIDE)
    external_id: ExternalId | None = Field(default=None, description=_AS_FOR_A_SIDE)
    anonymous: bool = Field(default=False, description=_AS_FOR_A_SIDE)
    region: Region | None = Field(default=None, description=_AS_FOR_A_SIDE)
    endpoint_url: EndpointUrl | None = Field(default=None, description=_AS_FOR_A_SIDE)
    addressing_style: AddressingStyle = Field(default="auto", description=_AS_FOR_A_SIDE)

    @model_validator(mode="after")
    def _check_state(self) -> "HomeSettings":
        for setting in ("profile", "role_arn", "external_id", "anonymous", "region", "endpoint_url"):
            if self.state is None and getattr(self, setting):
                raise contradiction(setting, 'requires state = "s3://bucket/prefix/"')
        check_credentials(self, ("profile", "role_arn", "external_id"))
        return self

    @property
    def place(self) -> BucketSettings | None:
        """The bucket and prefix of the state; None where it is a folder of the home."""
        if self.state is None:
            return None
        bucket, prefix = split_uri(self.state)
        others = self.model_dump(exclude={"state"})
        return BucketSettings(bucket=bucket, prefix=prefix, **others)
