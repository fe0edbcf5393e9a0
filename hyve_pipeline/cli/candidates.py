"""What the shell may complete: names of syncs, ids of plans. Read from the home alone, and fast."""

import os
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from hyve_pipeline.core.base.ids import is_id, order_of


def complete_sync(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of the syncs that begin with `incomplete`, for the shell."""
    return [CompletionItem(name) for name in sync_names(context) if name.startswith(incomplete)]


def complete_plan(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids of the plans that begin with `incomplete`, newest first, for the shell."""
    return [CompletionItem(name) for name in plan_ids(context) if name.startswith(incomplete)]


def sync_names(context: click.Context) -> list[str]:
    """The names of the syncs in the configuration, as it is; none when it can't be read."""
    syncs = _settings(context).get("sync")
    return list(syncs) if isinstance(syncs, dict) else []


def plan_ids(context: click.Context) -> list[str]:
    """`latest` and the ids of the plans of the chosen sync, or of all, newest first.

    Nothing is asked over the network: those of a state in a bucket are not known here.
    """
    home = _settings(context).get("home")
    if os.environ.get("HYVE_STATE") or (isinstance(home, dict) and "state" in home):
        return ["latest"]
    chosen = _given(context, "sync_name")
    names = [chosen] if chosen else sync_names(context)
    folders = [_home(context) / "state" / name / "plans" for name in names]
    found = {path.parent.name for folder in folders for path in folder.glob("*/plan.json")}
    return ["latest", *sorted(filter(is_id, found), key=order_of, reverse=True)]


def _given(context: click.Context, name: str) -> Any:
    value = context.params.get(name)
    variables = {"sync_name": "HYVE_SYNC", "home": "HYVE_HOME"}
    return value or os.environ.get(variables[name])


def _home(context: click.Context) -> Path:
    return Path(_given(context, "home") or "~/.hyve").expanduser()


def _settings(context: click.Context) -> dict[str, Any]:
    import tomllib

    from hyve_pipeline.core.runtime.named_files import read_named

    try:
        return tomllib.loads(read_named(_home(context) / "hyve.toml").decode("utf-8-sig"))
    except (OSError, ValueError, RuntimeError):
        return {}
