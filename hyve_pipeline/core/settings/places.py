"""A bucket as the settings name it, and the same bucket with the server that it is on."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, model_validator

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.settings.fields import ResourceName
from hyve_pipeline.core.settings.mapping import MappingRule, key_mapping
from hyve_pipeline.core.settings.place_fields import (
    BucketName,
    EndpointUrl,
    ExternalId,
    Prefix,
    ProfileName,
    Region,
    ReportUri,
    RoleArn,
    is_host_label,
    split_uri,
)
from hyve_pipeline.core.settings.table import SettingsTable, contradiction

AddressingStyle = Literal["auto", "path", "virtual"]

# The server of all places on AWS.
AWS = "aws"

# The origin of a server that nothing names: AWS.
DEFAULT_ORIGIN = "default"
SETTINGS_ORIGIN = "settings"

# DNS suffixes of all partitions, IPv4 only and dual stack, from botocore's partitions.json.
_AWS_HOSTS = (
    *(".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"),
    *(".api.amazonwebservices.com.cn", ".api.amazonwebservices.eu"),
    *(".c2s.ic.gov", ".sc2s.sgov.gov", ".cloud.adc-e.uk", ".csp.hci.ic.gov"),
    *(".api.aws.ic.gov", ".api.aws.scloud", ".api.cloud-aws.adc-e.uk", ".api.aws.hci.ic.gov"),
)
_DEFAULT_PORTS = (None, 80, 443)


class BucketSettings(SettingsTable):
    """One side of a sync: a bucket, a prefix in it, and how to reach it."""

    bucket: BucketName = Field(description="The bucket's name.")
    prefix: Prefix = Field(
        default="",
        description="Only keys below it count; empty means the whole bucket. Always ends with `/`.",
    )
    profile: ProfileName | None = Field(
        default=None,
        description="An AWS profile; without one, the AWS default credential chain is used.",
    )
    role_arn: RoleArn | None = Field(
        default=None,
        description=(
            "The ARN of a role that is assumed with these credentials; requests are signed as it, and it is "
            "assumed again before its temporary keys expire."
        ),
    )
    external_id: ExternalId | None = Field(
        default=None,
        description="What the role's trust policy requires besides; not a secret.",
    )
    anonymous: bool = Field(
        default=False, description="Whether requests are not signed at all, as for a public bucket."
    )
    region: Region | None = Field(
        default=None,
        description="The bucket's region; without one, the profile's or the environment's.",
    )
    endpoint_url: EndpointUrl | None = Field(
        default=None,
        description="An S3-compatible server; without one, that of the environment or the AWS profile, else AWS.",
    )
    resource: ResourceName | None = Field(
        default=None,
        description=(
            "The key of an `S3Resource` of the Dagster project that has the credentials, and region and "
            "endpoint_url where they are not set here; only for the component."
        ),
    )
    requester_pays: bool = Field(
        default=False,
        description="Whether the bucket is a Requester Pays bucket and the requester accepts the cost.",
    )
    accelerate: bool = Field(
        default=False,
        description="Whether requests use AWS's Transfer Acceleration endpoint, which must be enabled for the bucket.",
    )
    dual_stack: bool = Field(
        default=False, description="Whether requests use AWS's dual-stack endpoint, for IPv6 and IPv4."
    )
    addressing_style: AddressingStyle = Field(
        default="auto",
        description=(
            "Whether the bucket's name is part of the URL's `path` or of its host name (`virtual`); `auto` means "
            "virtual on AWS, where the name allows it, and path elsewhere."
        ),
    )
    inventory: ReportUri | None = Field(
        default=None,
        description=(
            "`s3://bucket/prefix/` of the reports that S3 Inventory writes of this side, which dryruns read "
            "instead of listing it; left out, it is listed. It is reached like the side."
        ),
    )

    @model_validator(mode="after")
    def _check_credentials(self) -> "BucketSettings":
        check_credentials(self, ("profile", "role_arn", "external_id", "resource", "requester_pays"))
        return self

    @model_validator(mode="after")
    def _check_endpoint(self) -> "BucketSettings":
        for setting in ("accelerate", "dual_stack"):
            if getattr(self, setting) and self.endpoint_url is not None:
                raise contradiction(setting, f"{setting} and endpoint_url are both set: keep one of them")
        if self.accelerate and self.addressing_style == "path":
            raise contradiction("addressing_style", 'accelerate requires the style "virtual"')
        if self.accelerate and not is_host_label(self.bucket):
            raise contradiction(
                "accelerate",
                "requires a bucket name of 3 to 63 lowercase letters, digits and hyphens, as it becomes part of a host "
                f"name; {self.bucket!r} is not one",
            )
        if self.addressing_problem is not None:
            raise contradiction("addressing_style", self.addressing_problem)
        return self

    @property
    def addressing_problem(self) -> str | None:
        """Why the addressing style that is set is impossible; None if it is possible."""
        if self.addressing_style != "virtual":
            return None
        if not is_host_label(self.bucket):
            return (
                '"virtual" requires a bucket name of 3 to 63 lowercase letters, digits and hyphens, as it becomes part '
                f'of a host name; {self.bucket!r} is not one: use "path"'
            )
        if self.endpoint_url is not None and _is_address(urlsplit(self.endpoint_url).hostname or ""):
            return f'"virtual" requires a host name, and {self.endpoint_url} has an IP address: use "path"'
        return None

    @property
    def reports(self) -> "BucketSettings | None":
        """Where the S3 Inventory reports of the side are, reached with its settings; None if it is listed."""
        if self.inventory is None:
            return None
        return self.beside(*split_uri(self.inventory))

    def beside(self, bucket: str, prefix: str) -> "BucketSettings":
        """Another bucket and prefix that is reached with the side's settings; never accelerated, and listed."""
        return self.model_copy(update={"bucket": bucket, "prefix": prefix, "accelerate": False, "inventory": None})

    @property
    def signer(self) -> str:
        """Who the requests are signed by, for messages."""
        if self.anonymous:
            return "anonymous requests"
        if self.role_arn is not None:
            return f"role {self.role_arn!r}"
        return self.caller

    @property
    def caller(self) -> str:
        """Whose keys are used, to sign with or to assume the role with, for messages."""
        if self.resource is not None:
            return f"resource {self.resource!r}"
        return f"profile {self.profile!r}" if self.profile else "the AWS default credentials"

    @property
    def uri(self) -> str:
        """The side as ``s3://bucket/prefix``."""
        return f"s3://{self.bucket}/{self.prefix}"

    def key_of(self, key: str) -> str:
        """The whole key that an object has in this bucket, by its key in plans, which is without prefix."""
        return self.prefix + key

    def uri_of(self, key: str) -> str:
        """The object as ``s3://bucket/key``, by its key in plans."""
        return f"s3://{self.bucket}/{self.key_of(key)}"

    @property
    def server(self) -> str | None:
        """The server the bucket is on, in a form in which equal servers compare equal; None while unknown.

        All of AWS is one server here, and so are the two default ports of a host. To mistake two servers for one can
        only refuse a sync between buckets of the same name; to mistake one for two could let a sync delete in its own
        source.
        """
        return None if self.endpoint_url is None else _server_of(self.endpoint_url)

    def is_same_place(self, other: "BucketSettings") -> bool:
        """Whether both are the same bucket and prefix on the same server."""
        return (self.uri, self.server) == (other.uri, other.server)

    def overlaps(self, other: "BucketSettings") -> bool:
        """Whether a key of one side can also be a key of the other.

        While neither server is known, true only if both must be on the same one.
        """
        if self.server is None and other.server is None:
            is_one_server = (self.profile, self.resource) == (other.profile, other.resource)
        else:
            is_one_server = self.server == other.server
        if not is_one_server or self.bucket != other.bucket:
            return False
        return self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix)


class Place(BucketSettings):
    """A bucket with its server, whatever the environment says later.

    `endpoint_url` is the server's, wherever it was configured; None is AWS, at the endpoint of the region.
    """

    endpoint_origin: str | None = Field(
        default=None,
        description=(
            "Where the server was configured: `settings`, an environment variable, a profile such as `profile "
            "'hyve'`, or `default`. None in manifests of versions that did not record it."
        ),
    )

    mapping: tuple[MappingRule, ...] = Field(
        default=(),
        strict=False,
        description="Of a source, the rules by which its keys become those of the store, which plans have.",
    )

    def key_of(self, key: str) -> str:
        """As for `BucketSettings`; of a source with a mapping, the whole key that the object has there.

        Raises:
            StateError: no key of the source becomes this one.
        """
        if not self.mapping:
            return super().key_of(key)
        found = key_mapping(self.mapping).to_source(key)
        if found is None:
            raise StateError(f"{self.uri}: by the mapping no key becomes {displayed(key)!r}, which a plan has: damaged")
        return self.prefix + found

    @classmethod
    def at(cls, place: BucketSettings, endpoint_url: str | None, origin: str) -> "Place":
        """A bucket of the settings on the server that was found for it.

        Raises:
            ValidationError: the server is impossible, or contradicts the settings.
        """
        values = place.model_dump(exclude_unset=True)
        return cls(**values | {"endpoint_url": endpoint_url, "endpoint_origin": origin})

    @property
    def server(self) -> str:
        """As for `BucketSettings`; never None."""
        if self.endpoint_url is not None:
            return _server_of(self.endpoint_url)
        return "unknown" if self.endpoint_origin is None else AWS

    @property
    def shown_server(self) -> str:
        """The server for messages, with where it was configured if that is not the settings."""
        if self.endpoint_url is None:
            return "AWS" if self.endpoint_origin is not None else "a server that was not recorded"
        if self.endpoint_origin in (None, SETTINGS_ORIGIN):
            return self.endpoint_url
        return f"{self.endpoint_url} (from {self.endpoint_origin})"


def check_credentials(table: BaseModel, signed: Iterable[str]) -> None:
    """Check that the settings of credentials do not contradict each other.

    Args:
        table: has ``role_arn``, ``external_id`` and ``anonymous``.
        signed: those of its settings that are for signed requests only.

    Raises:
        PydanticCustomError: they do.
    """
    if getattr(table, "anonymous", False):
        for setting in signed:
            if getattr(table, setting):
                raise contradiction(
                    "anonymous", f"anonymous requests are not signed: leave out {setting}, or anonymous"
                )
    elif getattr(table, "external_id", None) is not None and getattr(table, "role_arn", None) is None:
        raise contradiction("external_id", "requires role_arn: it is sent when that role is assumed")


@lru_cache(maxsize=256)  # asked for each object, and parsing takes a tenth of what a whole copy does
def _server_of(endpoint_url: str) -> str:
    parts = urlsplit(endpoint_url)
    host = (parts.hostname or "").rstrip(".")
    if host.endswith(_AWS_HOSTS):
        return AWS
    if _is_loopback(host):
        host = "localhost"
    return host if parts.port in _DEFAULT_PORTS else f"{host}:{parts.port}"


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    # A connection to the unspecified address, 0.0.0.0, reaches this machine.
    return address.is_loopback or address.is_unspecified


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
