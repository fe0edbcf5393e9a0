"""Dagster's own storage below the home: created once, opened by `hyve ui` and by tests."""

import importlib.resources
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from filelock import FileLock
from sqlalchemy.exc import DBAPIError

from hyve_pipeline.core.base.errors import ConfigurationError, StateError
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, make_folder, replace_file
from hyve_pipeline.operations.context import Home

_SETTINGS = "dagster.yaml"
_LOCK = ".opening.lock"
# Part of Dagster's message about a variable that the settings name.
_UNSET = re.compile(r'environment variable "(\w+)" which is not set')
# The limit of Dagster's message about its settings, which it quotes.
_MOST_CHARACTERS = 400
_DATABASE_ERRORS = (DBAPIError, sqlite3.Error)


def prepare_storage(home: Home) -> None:
    """Create the folder that Dagster keeps its events in, with settings that suit one machine.

    A folder that is used already is left as it is.

    Raises:
        ConfigurationError: the folder can't be made, or Dagster can't use one of that name.
    """
    folder = home.dagster_home
    if set("?%") & set(str(folder)):
        # Dagster names its databases by URLs and does not quote the path.
        raise ConfigurationError(f"{folder}: the path of Dagster's storage must not hold '?' or '%'")
    try:
        make_folder(folder)
        if not any(path.name != _LOCK for path in folder.iterdir()):
            template = importlib.resources.files("hyve_pipeline.orchestration") / _SETTINGS
            replace_file(folder / _SETTINGS, template.read_bytes(), FILE_MODE)
    except OSError as error:
        raise ConfigurationError(f"{folder}: can't hold Dagster's storage: {error.strerror}") from error


@contextmanager
def open_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """Open Dagster's storage, making it first where there is none.

    Two processes that open a new SQLite home at once can both try to create its tables, and one fails; so
    opening is one at a time.

    Raises:
        ConfigurationError: the folder or its ``dagster.yaml`` can't be used.
        StateError: the database in it can't be read or written, now or until the block ends.
    """
    prepare_storage(home)
    with _naming_failures(home.dagster_home), _opened(home) as instance:
        yield instance


@contextmanager
def _naming_failures(folder: Path) -> Iterator[None]:
    """Name the database's folder in any error that it raises in the block."""
    try:
        yield
    except Exception as error:
        # If a database does not answer, Dagster's message gives the number of attempts, and its cause the reason.
        failure = error if isinstance(error, _DATABASE_ERRORS) else error.__cause__
        if not isinstance(failure, _DATABASE_ERRORS):
            raise
        reason = " ".join(str(failure.orig if isinstance(failure, DBAPIError) else failure).split())
        raise StateError(f"{folder}: Dagster's storage can't be read or written: {reason}") from error


def _opened(home: Home) -> dg.DagsterInstance:
    with FileLock(home.dagster_home / _LOCK, mode=FILE_MODE):
        try:
            instance = dg.DagsterInstance.from_config(str(home.dagster_home))
        except (*_DATABASE_ERRORS, OSError):
            raise
        except Exception as error:
            unset = _UNSET.search(str(error))
            reason = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
            reason = f"needs the environment variable {unset[1]}, which is not set" if unset else reason
            reason = " ".join(reason.split())[:_MOST_CHARACTERS]
            raise ConfigurationError(f"{home.dagster_home / _SETTINGS}: {reason}") from error
        instance.get_run_records(limit=1)  # creates the tables
        instance.event_log_storage.get_maximum_record_id()
    return instance
