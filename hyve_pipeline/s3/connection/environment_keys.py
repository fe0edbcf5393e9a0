"""Keys that the environment holds."""

import os

from hyve_pipeline.core.settings.access_keys import AccessKeys
from hyve_pipeline.core.settings.places import BucketSettings

# What AWS's tools take these keys from, in their order where there are several.
KEY_VARIABLE = "AWS_ACCESS_KEY_ID"
_SECRET, _TOKENS = "AWS_SECRET_ACCESS_KEY", ("AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")

# With any of these, botocore has to read more than the keys.
_MORE_TO_READ = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CREDENTIAL_EXPIRATION")


def environment_keys(place: BucketSettings) -> AccessKeys | None:
    """The keys of the environment, where AWS's default chain comes to them and needs to read nothing else.

    They are the first in the chain where neither the settings nor the environment name a profile.
    """
    key_id, secret = os.environ.get(KEY_VARIABLE), os.environ.get(_SECRET)
    if place.profile is not None or not key_id or not secret or any(map(os.environ.get, _MORE_TO_READ)):
        return None
    token = next(filter(None, map(os.environ.get, _TOKENS)), None)
    return AccessKeys(key_id, secret, token)
