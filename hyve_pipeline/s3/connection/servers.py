"""Where the requests to a bucket go: as the settings say, else the environment or the AWS profile, else to AWS."""

import os

from pydantic import ValidationError

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.places import DEFAULT_ORIGIN, SETTINGS_ORIGIN, BucketSettings, Place

# In the order in which botocore asks for them.
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


def locate(place: BucketSettings) -> Place:
    """Find out where the requests to a bucket go, by botocore's own rules.

    Args:
        place: the bucket as the settings name it; a `Place` stays as it is.

    Raises:
        ConfigurationError: the AWS profile is missing or can't be read, the server that the environment or the profile
            names is not one that requests can go to, or it does not go together with the settings.
    """
    if isinstance(place, Place):
        return place
    if place.endpoint_url is not None:
        return _placed(place, place.endpoint_url, SETTINGS_ORIGIN)
    # Imported late: where the settings name the server, botocore may not be needed at all.
    from botocore.exceptions import BotoCoreError, ProfileNotFound

    try:
        endpoint_url, origin = _configured(place.profile)
    except ProfileNotFound as error:
        raise problem_of(place, f"{error}: run `hyve configure`, or name another profile") from error
    except BotoCoreError as error:
        raise problem_of(place, f"the AWS settings cannot be used: {error}") from error
    if endpoint_url is None:
        return _placed(place, None, DEFAULT_ORIGIN)
    for setting in ("accelerate", "dual_stack"):
        if getattr(place, setting):
            raise problem_of(
                place, f"{setting} is for AWS, and {origin} names the server {endpoint_url!r}: leave one of them out"
            )
    return _placed(place, endpoint_url, origin)


def problem_of(place: BucketSettings, text: str) -> ConfigurationError:
    """The error of a bucket that can't be used as it is configured, in one line."""
    return ConfigurationError(f"{place.uri}: {' '.join(text.split())}")


def _configured(profile: str | None) -> tuple[str | None, str]:
    """The server that is named outside of the settings, or None, and what names it.

    Raises:
        BotoCoreError: the AWS configuration can't be read, or names a section that it does not have.
    """
    from botocore.configprovider import ConfiguredEndpointProvider

    from hyve_pipeline.s3.connection.aws_session import AwsSession

    session = AwsSession(profile=profile)
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None, DEFAULT_ORIGIN
    # The environment goes before the profile; each is asked for alone, so that it is known which of them it is.
    endpoint_url = ConfiguredEndpointProvider(full_config={}, scoped_config={}, client_name="s3").provide()
    if endpoint_url:
        return endpoint_url, next(name for name in ENDPOINT_VARIABLES if os.environ.get(name))
    endpoint_url = ConfiguredEndpointProvider(
        full_config=session.full_config, scoped_config=session.get_scoped_config(), client_name="s3", environ={}
    ).provide()
    return endpoint_url or None, f"profile {session.profile or 'default'!r}"


def _placed(place: BucketSettings, endpoint_url: str | None, origin: str) -> Place:
    try:
        return Place.at(place, endpoint_url, origin)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise problem_of(place, f"{origin}: {first.get('ctx', {}).get('error') or first['msg']}") from None
