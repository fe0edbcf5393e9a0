"""Dagster's own storage below the home: made once, opened by every command."""

import importlib.resources
import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from filelock import FileLock

from hyve_pipeline.flow.context import Home


def prepare_storage(home: Home) -> None:
    """Make the folder that Dagster keeps its events in, with settings that suit one machine.

    A `DAGSTER_HOME` that the user has set is left as it is.
    """
    folder = home.dagster_home
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists() and not os.environ.get("DAGSTER_HOME"):
        template = importlib.resources.files("hyve_pipeline.dag") / "dagster.yaml"
        settings.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")


@contextmanager
def open_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """Open Dagster's storage, making it first where there is none.

    Two processes that open a new SQLite home at once can both try to create its tables, and one fails; so
    opening is one at a time.
    """
    prepare_storage(home)
    with FileLock(home.dagster_home / ".opening.lock"):
        instance = dg.DagsterInstance.from_config(str(home.dagster_home))
        instance.get_run_records(limit=1)  # makes the tables
        instance.event_log_storage.get_maximum_record_id()
    with instance:
        yield instance
