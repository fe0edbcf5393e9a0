"""Sets up a sync: merges the answers with the configuration, lists both buckets, and saves the result.

Nothing is saved before both buckets have been listed with the credentials that will be saved. Nothing is ever
written to a bucket.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError, HyveError, naming_file
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.runtime.atomic_write import make_folder, replace_file
from hyve_pipeline.core.settings.json_schema import settings_schema
from hyve_pipeline.core.settings.load import load_settings, parse_sync, select_sync
from hyve_pipeline.core.settings.mistakes import Mistake, from_pydantic
from hyve_pipeline.core.settings.model import Settings, SyncSettings
from hyve_pipeline.core.settings.new_sync import SCHEMA_FILE
from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline.core.settings.places import BucketSettings, Place
from hyve_pipeline.core.settings.write import write_sync
from hyve_pipeline.operations.answers import Answers, shown_name
from hyve_pipeline.operations.places import check_overlap
from hyve_pipeline.state.credentials import access_key_id, profile_names, unknown_profiles, write_profile
from hyve_pipeline.state.home import Home

if TYPE_CHECKING:
    from hyve_pipeline.s3.connection.connection import Connection

# The command line offers the names of the existing profiles.
__all__ = ["DEFAULT_PROFILE", "DEFAULT_SYNC", "Answers", "Draft", "Keys", "profile_names"]

# The answers that a mistake in a sync's table is about, by table and key.
_ANSWERS: dict[tuple[str, ...], str] = {
    ("",): "sync",
    ("store",): "out_bucket",
    ("source", "bucket"): "in_bucket",
    ("source", "prefix"): "in_prefix",
    ("store", "bucket"): "out_bucket",
    ("store", "prefix"): "out_prefix",
    ("source", "profile"): "profile",
    ("store", "profile"): "store_profile",
}

# The default name of the first sync of a home.
DEFAULT_SYNC = "images"

# The profile for keys when neither the options nor the configuration name one.
DEFAULT_PROFILE = "hyve"

# The profile for keys of the store, where it has keys of its own.
DEFAULT_STORE_PROFILE = "hyve-store"

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


def check_printable(value: str, name: str = "a key") -> None:
    """Check that files and HTTP headers can hold a key.

    Raises:
        ConfigurationError: they can't.
    """
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(f"{name} must be printable ASCII characters without spaces")


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
            check_printable(value, f"the {name}")

    @property
    def would_replace_others(self) -> bool:
        """Whether the profile exists now with another access key id, or with none."""
        return self.profile in profile_names() and access_key_id(self.profile) != self.access_key_id


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
            ConfigurationError: an answer, or the result, is not valid, such as a store inside the source.
        """
        answers = answers.checked()
        source, store = self.places or (None, None)
        kept: dict[str, Any] = {}
        if self.current is not None:
            # Only what the file sets, so that no defaults are written to it.
            kept = self.current.model_dump(mode="json", exclude_unset=True, exclude={"name", "source", "store"})
        table = kept | {"source": _changed(source, answers.of("source")), "store": _changed(store, answers.of("store"))}
        found = parse_sync(self.name, table)
        if isinstance(found, SyncSettings):
            return found
        raise ConfigurationError(self._said(found[0]))

    def _said(self, mistake: Mistake) -> str:
        """A mistake that the answers make: by question and option, or where that is not one of theirs, by file."""
        name = _ANSWERS.get((*mistake.table[2:], mistake.key or ""))
        if name is None:
            return f"{displayed(str(self.home.settings_file))}: {mistake}"
        return f"{shown_name(name)}: {mistake.problem}"

    def source_place(self, answers: Answers) -> BucketSettings:
        """The source with these answers applied, while the store is not known yet.

        Raises:
            ConfigurationError: an answer, or the result, is not valid.
        """
        answers = answers.checked()
        current = self.places[0] if self.places else None
        try:
            return BucketSettings.model_validate(_changed(current, answers.of("source")))
        except ValidationError as error:
            (mistake, *_) = from_pydantic(("sync", self.name, "source"), error.errors(include_url=False))
            raise ConfigurationError(self._said(mistake)) from None

    def try_source(self, answers: Answers, *keys: Keys) -> None:
        """Check that the source can be listed.

        Args:
            answers: the answers so far.
            keys: keys that are in no file yet.

        Raises:
            BucketError: it can't be; the message says why and what to do.
            ConfigurationError: its credentials or region can't be used.
        """
        transport = "auto" if self.current is None else self.current.options.transport
        _tried_place(self.source_place(answers), keys, transport)

    def tried(self, sync: SyncSettings, *keys: Keys) -> SyncSettings:
        """Check that both buckets can be listed.

        Args:
            sync: the sync as `merged` gives it.
            keys: the keys that will be saved in its profiles, and are in no file yet; where there are none, the
                profile, or the AWS default credentials, are used as they are.

        Returns:
            The sync, with the region of a bucket corrected if the server names another.

        Raises:
            BucketError: a bucket can't be listed; the message says why and what to do.
            ConfigurationError: a profile is unknown, its credentials or region can't be used, or source, store and
                trash overlap on the servers that requests go to.
        """
        typed = {each.profile for each in keys}
        sides = {"source": sync.source, "store": sync.store}
        named = [(("sync", sync.name, side), place.profile) for side, place in sides.items()]
        for mistake in unknown_profiles([(table, profile) for table, profile in named if profile not in typed]):
            raise ConfigurationError(self._said(mistake))
        tried = {side: _tried_place(place, keys, sync.options.transport) for side, place in sides.items()}
        check_overlap(sync.model_copy(update={side: located for side, (_, located) in tried.items()}))
        return sync.model_copy(update={side: place for side, (place, _) in tried.items()})

    def save(self, sync: SyncSettings, *keys: Keys) -> Path | None:
        """Save the keys, if any, in their profiles, and the sync in the configuration, with its schema beside it.

        Returns:
            The AWS credentials file, if keys were written to it.

        Raises:
            ConfigurationError: one of the files can't be written or changed; that file is unchanged.
        """
        path = self.home.settings_file
        with naming_file(path.parent, "created"):
            make_folder(path.parent)
        # Keys first: a configuration that names a missing profile stops every command.
        written = None
        for each in keys:
            written = write_profile(each.profile, each.access_key_id, each.secret_access_key)
        write_sync(path, sync)
        with suppress(OSError):  # only editors read it
            replace_file(path.with_name(SCHEMA_FILE), f"{json.dumps(settings_schema(), indent=2)}\n".encode())
        return written


def _changed(place: BucketSettings | None, answers: Mapping[str, str | None]) -> dict[str, Any]:
    values: dict[str, Any] = {} if place is None else place.model_dump(exclude_defaults=True)
    values |= {name: value for name, value in answers.items() if value is not None}
    return {name: value for name, value in values.items() if value}


def _tried_place(place: BucketSettings, keys: Sequence[Keys], transport: TransportName) -> tuple[BucketSettings, Place]:
    """A bucket's settings, with its region corrected if needed, and the server that its requests went to."""
    from hyve_pipeline.s3.wire.errors import S3RequestError

    own = next((each for each in keys if each.profile == place.profile), None)
    try:
        return place, _probe(place, own, transport)
    except BucketError as error:
        cause = error.__cause__
        region = cause.bucket_region if isinstance(cause, S3RequestError) else None
        if region is None or region == place.region:
            raise
        # Source and store may be in two regions, but the answers have only one.
        place = BucketSettings.model_validate(place.model_dump() | {"region": region})
        return place, _probe(place, own, transport)


def _probe(place: BucketSettings, keys: Keys | None, transport: TransportName) -> Place:
    # Imported late, so that the first question does not wait for an S3 library to load.
    from hyve_pipeline.s3.listing.probe import probe_bucket
    from hyve_pipeline.s3.wire.errors import S3RequestError, bucket_error

    with _opened(place, keys, transport) as connection:
        # With the profile that the keys will be saved in; the probe takes them from the environment.
        located = connection.place.model_copy(update={"profile": place.profile})
        try:
            probe_bucket(connection)
        except BucketError as error:
            if isinstance(error.__cause__, S3RequestError):
                raise bucket_error(error.__cause__, located) from error.__cause__
            raise
    return located


def _opened(place: BucketSettings, keys: Keys | None, transport: TransportName) -> "Connection":
    from hyve_pipeline.s3.connection.open_connection import open_connection

    if keys is None:
        return open_connection(place, concurrency=1, transport=transport)
    with _in_environment(keys):
        unnamed = place.model_copy(update={"profile": None})
        return open_connection(unnamed, concurrency=1, transport=transport)


def faulty_answer(error: HyveError) -> Literal["keys", "region", "endpoint_url", "bucket"]:
    """The answer to ask for again, after a bucket could not be listed."""
    from hyve_pipeline.s3.wire.errors import S3RequestError, faulty_setting

    return faulty_setting(error.__cause__) if isinstance(error.__cause__, S3RequestError) else "bucket"


def check_endpoint(endpoint_url: str) -> None:
    """Check that something listens at a server's address.

    Raises:
        ConfigurationError: nothing does.
    """
    from hyve_pipeline.s3.connection.reach import check_reachable

    check_reachable(endpoint_url)


def check_credentials(place: BucketSettings) -> None:
    """Check that there are credentials for a place, as it is; whether they are accepted is not tried.

    Raises:
        ConfigurationError: there are none, or they can't be used.
    """
    from hyve_pipeline.s3.connection.session import Session

    Session(place, None)


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
