"""Finds the storage of a home's state: a folder of the home, or a bucket that the environment or the home names."""

import os
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.runtime.named_files import read_named
from hyve_pipeline.core.settings.home import HomeSettings
from hyve_pipeline.core.settings.mistakes import HOME_TABLE, from_pydantic
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.state.storage.bucket_storage import BucketStorage
from hyve_pipeline.state.storage.local_storage import LocalStorage
from hyve_pipeline.state.storage.storage import Storage

STATE_VARIABLE = "HYVE_STATE"

_BOOLEANS: dict[str, str | bool] = {"true": True, "false": False}


def state_bucket(settings_file: Path) -> BucketSettings | None:
    """The bucket and prefix that hold the state; None where it is a folder of the home.

    ``HYVE_STATE`` takes precedence over ``[home] state``. It may have the other settings of ``[home]`` as a query, such
    as ``s3://bucket/prefix/?endpoint_url=http://127.0.0.1:9000``; those that it lacks are taken from ``[home]``.

    Args:
        settings_file: the home's configuration, which need not exist.

    Raises:
        ConfigurationError: one of them is not valid.
    """
    of_variable = variable_settings()
    where = STATE_VARIABLE if of_variable else displayed(str(settings_file))
    try:
        return HomeSettings.model_validate(_home_table(settings_file) | of_variable).place
    except ValidationError as error:
        mistake = from_pydantic(HOME_TABLE, error.errors(include_url=False))[0]
        raise ConfigurationError(f"{where}: {mistake}") from None


def variable_settings() -> dict[str, str | bool]:
    """The settings of ``[home]`` that ``HYVE_STATE`` has, by name; empty where it is not set.

    Raises:
        ConfigurationError: what follows the first ``?`` is no settings.
    """
    uri, _, query = os.environ.get(STATE_VARIABLE, "").partition("?")
    try:
        settings = parse_qsl(query, strict_parsing=True) if query else []
    except ValueError:
        raise ConfigurationError(
            f"{STATE_VARIABLE}: after '?' come settings, such as profile=hyve&region=eu-central-1; a prefix with '?' "
            "can only be set by state in [home] of hyve.toml"
        ) from None
    if not (uri or query):
        return {}
    return {name: _BOOLEANS.get(value, value) for name, value in settings} | {"state": uri}


def open_storage(folder: Path, settings_file: Path) -> Storage:
    """The storage of a home's state.

    Args:
        folder: the folder that holds it unless a bucket is named.
        settings_file: the home's configuration.

    Raises:
        ConfigurationError: see `state_bucket`.
    """
    place = state_bucket(settings_file)
    return LocalStorage(folder) if place is None else BucketStorage(place)


def _home_table(settings_file: Path) -> dict[str, Any]:
    """The table ``[home]``; empty where the file can't be read, which is reported when all of it is needed."""
    try:
        table = tomllib.loads(read_named(settings_file).decode("utf-8-sig")).get("home", {})
    except (OSError, ValueError, RecursionError):
        return {}
    return dict(table) if isinstance(table, dict) else {}
