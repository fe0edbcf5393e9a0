"""A bucket as the settings name it, and as it is once it is known where the requests to it go."""

from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from hyve_pipeline.core.settings.fields import (
    BucketName,
    EndpointUrl,
    Prefix,
    ProfileName,
    Region,
    ResourceName,
    is_host_label,
)

AddressingStyle = Literal["auto", "path", "virtual"]

# The server of all places that are at AWS.
AWS = "aws"

# Where nothing names another server.
DEFAULT_ORIGIN = "default"
SETTINGS_ORIGIN = "settings"

# Of all partitions, for IPv4 alone and for IPv6 too, as botocore's partitions.json names them.
_AWS_HOSTS = (
    *(".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"),
    *(".api.amazonwebservices.com.cn", ".api.amazonwebservices.eu"),
    *(".c2s.ic.gov", ".sc2s.sgov.gov", ".cloud.adc-e.uk", ".csp.hci.ic.gov"),
    *(".api.aws.ic.gov", ".api.aws.scloud", ".api.cloud-aws.adc-e.uk", ".api.aws.hci.ic.gov"),
)
_DEFAULT_PORTS = (None, 80, 443)


class SettingsTable(BaseModel):
    """What all tables of the settings are: frozen, strict, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class BucketSettings(SettingsTable):
    """One side of a sync: a bucket, a prefix in it, and how to reach it.

    Attributes:
        bucket: the bucket's name.
        prefix: only keys below it count; empty means the whole bucket. Always ends with ``/``.
        profile: an AWS profile; without one, the AWS default credential chain is used.
        region: the bucket's region; without one, the profile's or environment's.
        endpoint_url: an S3-compatible server; without one, what the environment or the AWS profile names, else AWS.
        resource: the key of an ``S3Resource`` of the Dagster project that has the credentials, and region and
            endpoint_url where they are not set here; only for the component.
        requester_pays: whoever asks pays for requests to the bucket, and every request says that he agrees.
        accelerate: requests go to AWS's endpoint for Transfer Acceleration, which the bucket must have enabled.
        dual_stack: requests go to AWS's endpoint that is reached by IPv6 as well as by IPv4.
        addressing_style: whether the bucket's name is part of the URL's ``path`` or of its host name (``virtual``);
            ``auto`` means virtual at AWS, where the name allows it, and path elsewhere.
    """

    bucket: BucketName
    prefix: Prefix = ""
    profile: ProfileName | None = None
    region: Region | None = None
    endpoint_url: EndpointUrl | None = None
    resource: ResourceName | None = None
    requester_pays: bool = False
    accelerate: bool = False
    dual_stack: bool = False
    addressing_style: AddressingStyle = "auto"

    @model_validator(mode="after")
    def _check_endpoint(self) -> "BucketSettings":
        for setting in ("accelerate", "dual_stack"):
            if getattr(self, setting) and self.endpoint_url is not None:
                raise contradiction(setting, f"{setting} and endpoint_url are both set: keep one of them")
        if self.accelerate and self.addressing_style == "path":
            raise contradiction("addressing_style", 'accelerate needs the style "virtual"')
        if self.accelerate and not is_host_label(self.bucket):
            raise contradiction(
                "accelerate",
                "needs a bucket whose name can be part of a host name (3 to 63 small letters, digits and hyphens), and "
                f"{self.bucket!r} can not",
            )
        if self.addressing_problem is not None:
            raise contradiction("addressing_style", self.addressing_problem)
        return self

    @property
    def addressing_problem(self) -> str | None:
        """Why requests can't be in the style that is set; None where they can."""
        if self.addressing_style != "virtual":
            return None
        if not is_host_label(self.bucket):
            return (
                '"virtual" needs a bucket whose name can be part of a host name (3 to 63 small letters, digits and '
                f'hyphens), and {self.bucket!r} can not: use "path"'
            )
        if self.endpoint_url is not None and _is_address(urlsplit(self.endpoint_url).hostname or ""):
            return f'"virtual" needs a server that has a name, and {self.endpoint_url} has none: use "path"'
        return None

    @property
    def uri(self) -> str:
        """The side as ``s3://bucket/prefix``."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def server(self) -> str | None:
        """The server the bucket is on, in a form in which equal servers compare equal; None while it is not known.

        All of AWS is one server here, and so are the two default ports of a host: to take two servers
        for one can only refuse a sync of a bucket with its namesake, to take one for two could let a
        sync delete in its own source.
        """
        return None if self.endpoint_url is None else _server_of(self.endpoint_url)

    def overlaps(self, other: "BucketSettings") -> bool:
        """Whether a key of one side can also be a key of the other.

        While it is not known where the requests to both go, only if it must be the same place for both.
        """
        if self.server is None and other.server is None:
            is_one_server = (self.profile, self.resource) == (other.profile, other.resource)
        else:
            is_one_server = self.server == other.server
        if not is_one_server or self.bucket != other.bucket:
            return False
        return self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix)


class Place(BucketSettings):
    """A bucket of which it is known where the requests to it go, whatever the environment says later.

    `endpoint_url` is the server's, whoever names it; None is AWS, at the endpoint that belongs to the region.

    Attributes:
        endpoint_origin: what names the server: ``settings``, an environment variable, a profile such as
            ``profile 'hyve'``, or ``default``. None in manifests of versions that did not keep it.
    """

    endpoint_origin: str | None = None

    @classmethod
    def at(cls, place: BucketSettings, endpoint_url: str | None, origin: str) -> "Place":
        """A bucket of the settings on the server that was found for it.

        Raises:
            ValidationError: requests can't go there, or the settings do not allow it.
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
        """The server for messages, with what names it where that is not the settings."""
        if self.endpoint_url is None:
            return "AWS" if self.endpoint_origin is not None else "a server that was not noted"
        if self.endpoint_origin in (None, SETTINGS_ORIGIN):
            return self.endpoint_url
        return f"{self.endpoint_url} (from {self.endpoint_origin})"


def contradiction(setting: str, problem: str) -> PydanticCustomError:
    """The mistake of settings that do not go together; the context names the one that is to be mended."""
    return PydanticCustomError("contradiction", "{problem}", {"setting": setting, "problem": problem})


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
