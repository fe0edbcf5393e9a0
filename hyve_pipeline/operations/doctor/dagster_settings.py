"""Checks the settings of `dagster.yaml` that a sync relies on, without importing Dagster."""

from collections.abc import Iterator
from typing import Any

import yaml

from hyve_pipeline.core.base.errors import ConfigurationError, HyveError
from hyve_pipeline.core.model.automation import MOST_AT_ONCE
from hyve_pipeline.core.model.findings import Finding, Verdict, failed
from hyve_pipeline.operations.context import SyncContext

_CHECK, _PLACE = "dagster", "home"

# Where the number of concurrent runs can be set, newest first.
# https://docs.dagster.io/deployment/oss/dagster-yaml
_LIMITS = (
    ("concurrency", "runs", "max_concurrent_runs"),
    ("run_queue", "max_concurrent_runs"),
    ("run_coordinator", "config", "max_concurrent_runs"),
)


def examine_dagster(sync: SyncContext) -> Iterator[Finding]:
    """Whether runs are queued, and enough of them run at once; nothing if there is no `dagster.yaml`.

    Everything else that a sync requires of Dagster is in its definitions.
    """
    try:
        file = sync.home.dagster_home / "dagster.yaml"
    except HyveError as error:
        yield failed(_CHECK, _PLACE, error)
        return
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        yield failed(_CHECK, _PLACE, ConfigurationError(f"{file}: can't be read: {reason}"))
        return
    if not isinstance(settings, dict):
        settings = {}
    if _at(settings, ("run_coordinator", "class")) == "DefaultRunCoordinator":
        detail = (
            f"{file}: runs are not queued, so the apply sensor can start {MOST_AT_ONCE} at once: use the class "
            "QueuedRunCoordinator as run_coordinator"
        )
        yield Finding(_CHECK, _PLACE, Verdict.WARN, detail)
        return
    limit = next((value for path in _LIMITS if isinstance(value := _at(settings, path), int)), None)
    runs = sync.settings.automation.runs
    if limit is not None and limit < 0:
        limit = None  # no limit, in Dagster's settings
    if limit is not None and limit < runs:
        detail = f"{file}: at most {limit} runs go on at once, and the apply sensor asks for {runs}: raise the limit"
        yield Finding(_CHECK, _PLACE, Verdict.WARN, detail)
        return
    queued = "runs are queued" if limit is None else f"runs are queued, at most {limit} at once"
    yield Finding(_CHECK, _PLACE, Verdict.OK, queued)


def _at(settings: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        settings = settings.get(name) if isinstance(settings, dict) else None
    return settings
