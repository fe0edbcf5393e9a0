"""The region that requests to a bucket are signed for, and what names it."""

import os
from typing import TYPE_CHECKING

from hyve_pipeline.core.settings.places import DEFAULT_ORIGIN, SETTINGS_ORIGIN, Place

if TYPE_CHECKING:
    from hyve_pipeline.s3.connection.aws_session import AwsSession

# Custom servers mostly ignore the region, but a signature needs one; this is what the others take too.
CUSTOM_REGION = "us-east-1"

# What botocore reads before the profile, and what all other AWS tools read.
REGION_VARIABLE, OTHER_REGION_VARIABLE = "AWS_DEFAULT_REGION", "AWS_REGION"

NO_REGION = "the bucket's region is not known: set its region, or one for the profile"


def find_region(place: Place, session: "AwsSession | None" = None) -> tuple[str | None, str]:
    """The region of a bucket, or None where none is set and the server is AWS, and what names it.

    Args:
        place: the bucket, and the server that it is on.
        session: the AWS session of its profile; None makes one where it is needed.

    Raises:
        BotoCoreError: the AWS configuration can't be read.
    """
    if place.region:
        return place.region, SETTINGS_ORIGIN
    if session is None:
        from hyve_pipeline.s3.connection.aws_session import AwsSession

        session = AwsSession(place.profile)
    configured = session.get_config_variable("region")
    if configured:
        variable = os.environ.get(REGION_VARIABLE)
        return configured, REGION_VARIABLE if variable else f"profile {session.profile or 'default'!r}"
    if os.environ.get(OTHER_REGION_VARIABLE):
        return os.environ[OTHER_REGION_VARIABLE], OTHER_REGION_VARIABLE
    return (None if place.endpoint_url is None else CUSTOM_REGION), DEFAULT_ORIGIN
