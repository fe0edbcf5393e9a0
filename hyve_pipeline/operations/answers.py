"""The answers of `hyve configure`, each checked by itself. Messages name the question and the option."""

from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.core.settings.fields import SyncName
from hyve_pipeline.core.settings.place_fields import BucketName, EndpointUrl, Prefix, ProfileName, Region, split_uri

# Of each answer: its option, its question, and the type of its value.
_ASKED: dict[str, tuple[str, str, Any]] = {
    "sync": ("--sync", "Sync", SyncName),
    "in_bucket": ("--in-bucket", "In bucket", BucketName),
    "out_bucket": ("--out-bucket", "Out bucket", BucketName),
    "in_prefix": ("--in-prefix", "Prefix of the in bucket", Prefix),
    "out_prefix": ("--out-prefix", "Prefix of the out bucket", Prefix),
    "region": ("--region", "Region", Region),
    "endpoint_url": ("--endpoint-url", "Endpoint URL", EndpointUrl),
    "profile": ("--profile", "Profile", ProfileName),
    "store_region": ("--store-region", "Region of the store", Region),
    "store_endpoint_url": ("--store-endpoint-url", "Endpoint URL of the store", EndpointUrl),
    "store_profile": ("--store-profile", "Profile of the store", ProfileName),
}


def shown_name(name: str) -> str:
    """An answer's question and option, for messages."""
    option, question, _ = _ASKED[name]
    return f"{question} ({option})"


def check_answer(name: str, value: str | None) -> None:
    """Check an answer by itself; an empty one is none.

    Raises:
        ConfigurationError: it is not valid.
    """
    if not value:
        return
    if name in ("in_bucket", "out_bucket") and value.startswith("s3://"):
        try:
            split_uri(value)
        except ValueError as error:
            raise ConfigurationError(f"{shown_name(name)}: {error}") from None
        return
    try:
        TypeAdapter(_ASKED[name][2]).validate_python(value)
    except ValidationError as error:
        context = error.errors(include_url=False)[0].get("ctx", {})
        raise ConfigurationError(f"{shown_name(name)}: {context.get('error', error)}") from None


@dataclass(frozen=True)
class Answers:
    """The changes to a sync. None keeps the value in the configuration, an empty string removes it.

    Attributes:
        in_bucket: the source's bucket, or ``s3://bucket/prefix``.
        out_bucket: the store's bucket, likewise.
        in_prefix: the source's prefix.
        out_prefix: the store's prefix.
        region: the region of both.
        endpoint_url: the S3-compatible server of both.
        profile: the AWS profile of both; without one, the AWS default credentials are used.
        store_region, store_endpoint_url, store_profile: those of the store, where they are others.
    """

    in_bucket: str | None = None
    out_bucket: str | None = None
    in_prefix: str | None = None
    out_prefix: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None
    store_region: str | None = None
    store_endpoint_url: str | None = None
    store_profile: str | None = None

    def checked(self) -> "Answers":
        """The same, each answer checked by itself, and URIs split into bucket and prefix.

        Raises:
            ConfigurationError: one is not valid, or a prefix is given twice.
        """
        for name, value in vars(self).items():
            check_answer(name, value)
        return self._split("in_bucket", "in_prefix")._split("out_bucket", "out_prefix")

    def _split(self, bucket_name: str, prefix_name: str) -> "Answers":
        given, prefix = getattr(self, bucket_name), getattr(self, prefix_name)
        if not given or not given.startswith("s3://"):
            return self
        bucket, own_prefix = split_uri(given)
        if own_prefix and prefix is not None and prefix.rstrip("/") != own_prefix.rstrip("/"):
            raise ConfigurationError(
                f"{shown_name(bucket_name)}: {given!r} has a prefix, and {_ASKED[prefix_name][0]} names another: "
                "leave one of them out"
            )
        return replace(self, **{bucket_name: bucket, prefix_name: own_prefix or prefix or ""})

    def of(self, side: Side) -> dict[str, str | None]:
        """The settings of one side."""
        if side == "source":
            own = {"bucket": self.in_bucket, "prefix": self.in_prefix}
            return own | {name: getattr(self, name) for name in ("region", "endpoint_url", "profile")}
        return {
            "bucket": self.out_bucket,
            "prefix": self.out_prefix,
            **{
                name: getattr(self, name if getattr(self, f"store_{name}") is None else f"store_{name}")
                for name in ("region", "endpoint_url", "profile")
            },
        }

    @property
    def has_own_store(self) -> bool:
        """Whether the store has settings of its own."""
        return any(value is not None for value in (self.store_region, self.store_endpoint_url, self.store_profile))
