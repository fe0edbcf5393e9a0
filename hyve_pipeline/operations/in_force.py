"""What is configured: each setting with its value, and what it comes from. Sends nothing, and shows no secret."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.home import HomeSettings
from hyve_pipeline.core.settings.lines import Keys, key_lines
from hyve_pipeline.core.settings.load import parse_settings, parse_toml, read_text, select_sync
from hyve_pipeline.core.settings.mistakes import HOME_TABLE, settings_names
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.places import DEFAULT_ORIGIN, SETTINGS_ORIGIN, BucketSettings
from hyve_pipeline.state.credentials import profile_file
from hyve_pipeline.state.home import DAGSTER_VARIABLE, Home
from hyve_pipeline.state.storage.file_cache import CACHE_VARIABLE, FileCache
from hyve_pipeline.state.storage.open_storage import STATE_VARIABLE, variable_settings

FILE_ORIGIN = "hyve.toml"
_PROFILE_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: its name in its table.
        value: what is in force, as JSON has it; None where nothing is.
        origin: ``hyve.toml``, ``default``, the name of a variable or option, or the AWS profile or file.
        line: its line in the configuration file, if it is from there.
    """

    name: str
    value: Any
    origin: str
    line: int | None = None


@dataclass(frozen=True)
class SettingsInForce:
    """A table of settings.

    Attributes:
        path: its path in the configuration, such as ``("sync", "images", "source")``; of the home ``("home",)``.
        settings: what it has, defaults too.
    """

    path: Keys
    settings: tuple[Setting, ...]


def in_force(home: Home, home_origin: str, sync_name: str | None) -> list[SettingsInForce]:
    """All settings, of the home and of the syncs.

    Args:
        home: the home.
        home_origin: what named it.
        sync_name: only this sync; None takes all.

    Raises:
        ConfigurationError: the configuration is missing or has mistakes, or there is no such sync.
    """
    path = home.settings_file
    text = read_text(path)
    settings = parse_settings(text, path)
    if sync_name is not None or not settings.sync:
        select_sync(settings, sync_name, path)
    file = _File(path, parse_toml(text, path), key_lines(text))
    tables = [SettingsInForce(HOME_TABLE, tuple(_of_home(home, home_origin, file)))]
    for sync in settings.sync.values():
        if sync_name in (None, sync.name):
            tables += _of_sync(sync, file)
    return tables


@dataclass(frozen=True)
class _File:
    """The configuration file as it is written."""

    path: Path
    document: dict[str, Any]
    lines: dict[Keys, int]

    def setting(self, table: Keys, name: str, value: object) -> Setting:
        """A setting that comes from the file, or from nowhere."""
        if not self.has(table, name):
            return Setting(name, value, DEFAULT_ORIGIN)
        return Setting(name, value, FILE_ORIGIN, self.lines.get((*table, name)))

    def has(self, table: Keys, name: str) -> bool:
        inner: Any = self.document
        for key in table:
            inner = inner.get(key, {})
        return name in inner


def _of_home(home: Home, home_origin: str, file: _File) -> Iterator[Setting]:
    yield Setting("home", str(home.path), home_origin)
    yield Setting("configuration", str(file.path), home_origin)
    of_variable = variable_settings()
    place = home.state_place
    if place is None:
        yield Setting("state", str(home.path / "state"), DEFAULT_ORIGIN)
    else:
        values = place.model_dump(mode="json") | {"state": place.uri}
        for name in settings_names(HomeSettings):
            is_of_variable = name in of_variable
            from_file = file.setting(HOME_TABLE, name, values[name])
            yield Setting(name, values[name], STATE_VARIABLE) if is_of_variable else from_file
        cache = FileCache.from_environment().folder
        yield Setting("cache", None if cache is None else str(cache), _origin_of(CACHE_VARIABLE))
    yield Setting("dagster", str(home.dagster_home), _origin_of(DAGSTER_VARIABLE))


def _origin_of(variable: str) -> str:
    return variable if os.environ.get(variable) else DEFAULT_ORIGIN


def _of_sync(sync: SyncSettings, file: _File) -> Iterator[SettingsInForce]:
    path = ("sync", sync.name)
    inner = ("source", "store", "options", "automation", "batch", "events")
    yield SettingsInForce(path, tuple(_of_model(sync, path, file, without=inner)))
    for side, place in (("source", sync.source), ("store", sync.store)):
        yield SettingsInForce((*path, side), tuple(_of_place(place, (*path, side), file)))
    for name in ("options", "automation", "batch", "events"):
        table = getattr(sync, name)
        if table is not None:
            yield SettingsInForce((*path, name), tuple(_of_model(table, (*path, name), file)))


def _of_model(model: BaseModel, table: Keys, file: _File, without: Collection[str] = ()) -> Iterator[Setting]:
    values = model.model_dump(mode="json")
    for name in settings_names(type(model)):
        if name not in without:
            value = _without_path(values[name]) if name == "webhook" else values[name]
            yield file.setting(table, name, value)


def _without_path(url: str | None) -> str | None:
    """A webhook without its path, in which some services have a secret."""
    if url is None:
        return None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/…" if parts.path.strip("/") or parts.query else url


def _of_place(place: BucketSettings, table: Keys, file: _File) -> Iterator[Setting]:
    # Imported late: botocore takes long, and only a place of which the file does not say all needs it.
    from hyve_pipeline.s3.connection.regions import find_region
    from hyve_pipeline.s3.connection.servers import locate

    located = locate(place)
    found = {"endpoint_url": (located.endpoint_url, located.endpoint_origin), "region": find_region(located)}
    if place.profile is None and not place.anonymous:
        found["profile"] = _profile_of_environment()
    for setting in _of_model(place, table, file):
        value, origin = found.get(setting.name, (setting.value, SETTINGS_ORIGIN))
        yield setting if origin == SETTINGS_ORIGIN else Setting(setting.name, value, str(origin))
        if setting.name == "anonymous":
            yield _credentials(place, found.get("profile", (place.profile, ""))[0])


def _profile_of_environment() -> tuple[str | None, str]:
    named = next((name for name in _PROFILE_VARIABLES if os.environ.get(name)), None)
    return (None, DEFAULT_ORIGIN) if named is None else (os.environ[named], named)


def _credentials(place: BucketSettings, profile: str | None) -> Setting:
    """Who signs, and where the keys are; they are neither read nor shown."""
    from hyve_pipeline.s3.connection.environment_keys import KEY_VARIABLE, environment_keys

    if place.anonymous or environment_keys(place) is not None:
        origin = SETTINGS_ORIGIN if place.anonymous else KEY_VARIABLE
        return Setting("credentials", place.signer, origin)
    file = profile_file(profile or "default")
    signer = place.signer if place.profile or place.role_arn or profile is None else f"profile {profile!r}"
    if file is None and profile is not None:
        raise ConfigurationError(f"{place.uri}: the AWS files have no profile {profile!r}: run `hyve configure`")
    return Setting("credentials", signer, DEFAULT_ORIGIN if file is None else str(file))
