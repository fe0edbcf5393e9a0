"""Sets up a sync: merges the answers with the configuration, lists both buckets, and saves the result.

Nothing is saved before both buckets have been listed with the credentials that will be saved. Nothing is ever
written to a bucket.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.runtime.atomic_write import make_folder
from hyve_pipeline.core.settings.load import load_settings, make_sync, select_sync
from hyve_pipeline.core.settings.model import Settings, SyncSettings
from hyve_pipeline.core.settings.places import BucketSettings, Place
from hyve_pipeline.core.settings.write import write_sync
from hyve_pipeline.operations.places import check_overlap
from hyve_pipeline.state.credentials import access_key_id, check_profiles, profile_names, write_profile
from hyve_pipeline.state.home import Home

if TYPE_CHECKING:
    from hyve_pipeline.s3.connection.connection import Connection

# The command line offers the names of the existing profiles.
__all__ = ["DEFAULT_PROFILE", "DEFAULT_SYNC", "Answers", "Draft", "Keys", "profile_names"]

# The default name of the first sync of a home.
DEFAULT_SYNC = "images"

# The profile for keys when neither the options nor the configuration name one.
DEFAULT_PROFILE = "hyve"

# Variables that botocore reads before or together with a pair of keys in the environment.
_CREDENTIAL_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
)


@dataclass(frozen=True)
class Keys:
    """A pair of AWS access keys from user input. Its repr shows neither.

    Attributes:
        profile: the AWS profile that they will be saved in.
        access_key_id: the public half.
        secret_access_key: the secret half.
    """

    profile: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)

    def __post_init__(self) -> None:
        for name, value in (("access key id", self.access_key_id), ("secret access key", self.secret_access_key)):
            if not value or not value.isascii() or not value.isprintable() or " " in value:
                raise ConfigurationError(f"the {name} must be printable ASCII characters without spaces")

    @property
    def would_replace_others(self) -> bool:
        """Whether the profile exists now with another access key id, or with none."""
        return self.profile in profile_names() and access_key_id(self.profile) != self.access_key_id


@dataclass(frozen=True)
class Answers:
    """The changes to a sync. None keeps the value in the configuration, an empty string removes it.

    Attributes:
        in_bucket: the source's bucket.
        out_bucket: the store's bucket.
        in_prefix: the source's prefix.
        out_prefix: the store's prefix.
        region: the region of both.
        endpoint_url: the S3-compatible server of both.
        profile: the AWS profile of both; without one, the AWS default credentials are used.
    """

    in_bucket: str | None = None
    out_bucket: str | None = None
    in_prefix: str | None = None
    out_prefix: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None


class Draft:
    """A sync that is being set up, and its present configuration.

    Attributes:
        home: the home with the configuration.
        name: the sync's name.
        current: the sync as the configuration has it, or None for a new one.
    """

    def __init__(self, home: Home, sync_name: str | None) -> None:
        """Read the configuration and choose the sync: the named one, else the only one, else a new one.

        Raises:
            ConfigurationError: the configuration is wrong, or has several syncs and none was named.
        """
        self.home = home
        path = home.settings_file
        settings = load_settings(path) if path.exists() else Settings()
        if sync_name is None:
            sync_name = select_sync(settings, None, path).name if settings.sync else DEFAULT_SYNC
        self.name = sync_name
        self.current = settings.sync.get(sync_name)

    @property
    def places(self) -> tuple[BucketSettings, ...]:
        """Source and store as the configuration has them; empty for a new sync."""
        return () if self.current is None else (self.current.source, self.current.store)

    @property
    def profiles(self) -> tuple[str | None, ...]:
        """The profiles of the two sides in the configuration; None means the AWS default credentials."""
        return tuple(dict.fromkeys(place.profile for place in self.places)) or (None,)

    @property
    def profile(self) -> str | None:
        """The profile of both sides in the configuration, if it is the same one."""
        return self.profiles[0] if len(self.profiles) == 1 else None

    def merged(self, answers: Answers) -> SyncSettings:
        """The sync with these answers applied.

        Raises:
            ConfigurationError: the result is not valid, such as a store inside the source.
        """
        both = {"region": answers.region, "endpoint_url": answers.endpoint_url, "profile": answers.profile}
        source, store = self.places or (None, None)
        kept: dict[str, Any] = {}
        if self.current is not None:
            # Only what the file sets, so that no defaults are written to it.
            kept = self.current.model_dump(mode="json", exclude_unset=True, exclude={"name", "source", "store"})
        table = kept | {
            "source": _changed(source, {"bucket": answers.in_bucket, "prefix": answers.in_prefix, **both}),
            "store": _changed(store, {"bucket": answers.out_bucket, "prefix": answers.out_prefix, **both}),
        }
        return make_sync(self.name, table, self.home.settings_file)

    def tried(self, sync: SyncSettings, keys: Keys | None) -> SyncSettings:
        """Check that both buckets can be listed.

        Args:
            sync: the sync as `merged` gives it.
            keys: the keys that will be saved in its profile, and are in no file yet; None uses the profile, or the AWS
                default credentials, as they are.

        Returns:
            The sync, with the region of a bucket corrected if the server names another.

        Raises:
            BucketError: a bucket can't be listed; the message says why and what to do.
            ConfigurationError: the profile is unknown, its credentials or region can't be used, or source, store and
                trash overlap on the servers that requests go to.
        """
        if keys is None:
            check_profiles(Settings(sync={sync.name: sync}), self.home.settings_file)
        tried = {side: _tried_place(sync, place, keys) for side, place in _sides(sync).items()}
        check_overlap(sync.model_copy(update={side: located for side, (_, located) in tried.items()}))
        return sync.model_copy(update={side: place for side, (place, _) in tried.items()})

    def save(self, sync: SyncSettings, keys: Keys | None) -> Path | None:
        """Save the keys, if any, in their profile, and the sync in the configuration.

        Returns:
            The AWS credentials file, if keys were written to it.

        Raises:
            ConfigurationError: one of the two files can't be written or changed; that file is unchanged.
        """
        path = self.home.settings_file
        try:
            make_folder(path.parent)
        except OSError as error:
            raise ConfigurationError(f"{displayed(str(path.parent))}: can't be created: {error.strerror}") from None
        # Keys first: a configuration that names a missing profile stops every command.
        written = None
        if keys is not None:
            written = write_profile(keys.profile, keys.access_key_id, keys.secret_access_key)
        write_sync(path, sync)
        return written


def _changed(place: BucketSettings | None, answers: Mapping[str, str | None]) -> dict[str, str]:
    values: dict[str, str] = {} if place is None else place.model_dump(exclude_defaults=True)
    values |= {name: value for name, value in answers.items() if value is not None}
    return {name: value for name, value in values.items() if value}


def _sides(sync: SyncSettings) -> dict[str, BucketSettings]:
    return {"source": sync.source, "store": sync.store}


def _tried_place(sync: SyncSettings, place: BucketSettings, keys: Keys | None) -> tuple[BucketSettings, Place]:
    """A bucket's settings, with its region corrected if needed, and the server that its requests went to."""
    from hyve_pipeline.s3.wire.errors import S3RequestError

    try:
        return place, _probe(sync, place, keys)
    except BucketError as error:
        cause = error.__cause__
        region = cause.bucket_region if isinstance(cause, S3RequestError) else None
        if region is None or region == place.region:
            raise
        # Source and store may be in two regions, but the answers have only one.
        place = BucketSettings.model_validate(place.model_dump() | {"region": region})
        return place, _probe(sync, place, keys)


def _probe(sync: SyncSettings, place: BucketSettings, keys: Keys | None) -> Place:
    # Imported late, so that the first question does not wait for an S3 library to load.
    from hyve_pipeline.s3.listing.probe import probe_bucket
    from hyve_pipeline.s3.wire.errors import S3RequestError, bucket_error

    with _opened(sync, place, keys) as connection:
        # With the profile that the keys will be saved in; the probe takes them from the environment.
        located = connection.place.model_copy(update={"profile": place.profile})
        try:
            probe_bucket(connection)
        except BucketError as error:
            if isinstance(error.__cause__, S3RequestError):
                raise bucket_error(error.__cause__, located) from error.__cause__
            raise
    return located


def _opened(sync: SyncSettings, place: BucketSettings, keys: Keys | None) -> "Connection":
    from hyve_pipeline.s3.connection.connection import open_connection

    if keys is None:
        return open_connection(place, concurrency=1, transport=sync.options.transport)
    with _in_environment(keys):
        unnamed = place.model_copy(update={"profile": None})
        return open_connection(unnamed, concurrency=1, transport=sync.options.transport)


@contextmanager
def _in_environment(keys: Keys) -> Iterator[None]:
    """Make these keys, which are in no file yet, the AWS default credentials of this process."""
    # The profile's other settings will apply later, so they apply now too.
    own = {"AWS_PROFILE": keys.profile} if keys.profile in profile_names() else {}
    before = {name: os.environ.pop(name) for name in _CREDENTIAL_VARIABLES if name in os.environ}
    os.environ.update(AWS_ACCESS_KEY_ID=keys.access_key_id, AWS_SECRET_ACCESS_KEY=keys.secret_access_key, **own)
    try:
        yield
    finally:
        for name in _CREDENTIAL_VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(before)
