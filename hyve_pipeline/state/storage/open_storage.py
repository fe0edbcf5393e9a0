"""Finds the storage of a home's state: a folder of the home, or a bucket that the environment or the home names."""

import os
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import ValidationError

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.keys import displayed
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
    table = _home_table(settings_file)
    named = os.environ.get(STATE_VARIABLE)
    where = displayed(str(settings_file))
    if named:
        parts = urlsplit(named)
        table |= {name: _BOOLEANS.get(value, value) for name, value in parse_qsl(parts.query)} | {
            "state": parts._replace(query="").geturl()
        }
        where = STATE_VARIABLE
    try:
        return HomeSettings.model_validate(table).place
    except ValidationError as error:
        mistake = from_pydantic(HOME_TABLE, error.errors(include_url=False))[0]
        raise ConfigurationError(f"{where}: {mistake}") from None


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
        table = tomllib.loads(settings_file.read_bytes().decode("utf-8-sig")).get("home", {})
    except (OSError, ValueError, RecursionError):
        return {}
    return dict(table) if isinstance(table, dict) else {}
