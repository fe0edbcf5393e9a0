"""The region that requests to a bucket are signed for, and what names it."""

import os
from typing import TYPE_CHECKING

from hyve_pipeline.core.settings.place_fields import is_region
from hyve_pipeline.core.settings.places import DEFAULT_ORIGIN, SETTINGS_ORIGIN, Place
from hyve_pipeline.s3.connection.servers import problem_of

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
        ConfigurationError: the AWS configuration can't be read, or lacks the profile, or what it or the environment
            names is no region.
    """
    if place.region:
        return place.region, SETTINGS_ORIGIN
    region, origin = _configured(place, session)
    if region is not None and not is_region(region):
        raise problem_of(place, f"{origin}: {region!r} is not a region such as 'eu-central-1'")
    return region, origin


def _configured(place: Place, session: "AwsSession | None") -> tuple[str | None, str]:
    """The region that is named outside of the settings, or the one to take without, and what names it."""
    # Imported late, as all of botocore: it may not be needed.
    from botocore.exceptions import BotoCoreError

    from hyve_pipeline.s3.connection.aws_session import AwsSession

    try:
        session = session or AwsSession(place.profile)
        configured = session.get_config_variable("region")
    except BotoCoreError as error:
        raise problem_of(place, f"the AWS settings cannot be used: {error}") from error
    if configured:
        variable = os.environ.get(REGION_VARIABLE)
        return configured, REGION_VARIABLE if variable else f"profile {session.profile or 'default'!r}"
    if os.environ.get(OTHER_REGION_VARIABLE):
        return os.environ[OTHER_REGION_VARIABLE], OTHER_REGION_VARIABLE
    return (None if place.endpoint_url is None else CUSTOM_REGION), DEFAULT_ORIGIN
