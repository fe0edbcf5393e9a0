"""What a sync reads from an ``S3Resource`` of the Dagster project: its server and its credentials.

The class is recognized by its fields: importing `dagster_aws` takes longer than all other imports of a command.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.access_keys import AccessKeys
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.places import BucketSettings

_FIELDS = (
    *("region_name", "endpoint_url", "profile_name"),
    *("aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
)


@dataclass(frozen=True)
class Borrowed:
    """The values of a resource.

    Attributes:
        profile, region, endpoint_url: as in `BucketSettings`.
        keys: the keys that it holds itself; None where AWS's default chain, or the profile, has them.
    """

    profile: str | None
    region: str | None
    endpoint_url: str | None
    keys: AccessKeys | None

    @classmethod
    def of(cls, key: str, resource: object) -> "Borrowed":
        """Read a resource.

        Args:
            key: its key in the project, for messages.
            resource: what the project has under that key, with its environment variables resolved.

        Raises:
            ConfigurationError: it is no ``S3Resource``, or one that can't be used here.
        """
        if not all(hasattr(resource, name) for name in _FIELDS):
            raise ConfigurationError(
                f"resource {key!r} is a {type(resource).__name__}: a sync needs a dagster_aws.s3.S3Resource"
            )
        given = {name: getattr(resource, name) or None for name in _FIELDS}
        return cls(
            profile=given["profile_name"],
            region=given["region_name"],
            endpoint_url=_endpoint(key, resource, given["endpoint_url"]),
            keys=_keys(key, given),
        )

    def completing(self, place: BucketSettings) -> dict[str, Any]:
        """The settings of a place; values that it does not set come from the resource."""
        return place.model_dump() | {
            "profile": self.profile,
            "region": place.region or self.region,
            "endpoint_url": place.endpoint_url or self.endpoint_url,
        }


def complete_sync(sync: SyncSettings, borrowed: Mapping[str, Borrowed]) -> SyncSettings:
    """The settings in a run: with the values of the resources, and checked again.

    Args:
        sync: the settings as written.
        borrowed: the values of the resources that the two places name; empty outside of runs.

    Raises:
        ConfigurationError: a resource has a value that is not valid here, or makes source, store and trash overlap.
    """
    places = {
        side: borrowed[str(place.resource)].completing(place)
        for side, place in (("source", sync.source), ("store", sync.store))
        if place.resource in borrowed
    }
    if not places:
        return sync
    try:
        return SyncSettings.model_validate({name: getattr(sync, name) for name in SyncSettings.model_fields} | places)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        context = first.get("ctx", {})
        where = ".".join(map(str, first["loc"])) or str(context.get("setting", ""))
        raise ConfigurationError(f"{sync.name}: {where}: {context.get('error', first['msg'])}") from None


def _keys(key: str, given: Mapping[str, Any]) -> AccessKeys | None:
    identity, secret, token = (given[name] for name in _FIELDS[3:])
    if identity is None and secret is None:
        return None
    if identity is None or secret is None:
        missing = "aws_access_key_id" if identity is None else "aws_secret_access_key"
        raise ConfigurationError(f"resource {key!r} has one of the two keys: its {missing} is not set")
    return AccessKeys(identity, secret, token)


def _endpoint(key: str, resource: object, endpoint_url: str | None) -> str | None:
    """The server's address, unless the resource has an option that is never supported."""
    if getattr(resource, "use_unsigned_session", False):
        raise ConfigurationError(
            f"resource {key!r} has use_unsigned_session: write anonymous: true instead of the resource"
        )
    if getattr(resource, "verify", None) is False:
        raise ConfigurationError(
            f"resource {key!r} has verify=False: certificates are always checked; name the one to trust by "
            "AWS_CA_BUNDLE or by ca_bundle in the AWS profile"
        )
    if getattr(resource, "use_ssl", True) is False and endpoint_url is None:
        raise ConfigurationError(f"resource {key!r} has use_ssl=False: name a server by endpoint_url='http://...'")
    return endpoint_url
