"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]


class _Folder(click.Path):
    """The path of a folder; not empty, as that would be the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("must not be empty", param, ctx)
        return super().convert(value, param, ctx)


home_option = click.option(
    "--home",
    type=_Folder(file_okay=False, path_type=Path),
    envvar="HYVE_HOME",
    default="~/.hyve",
    show_default="$HYVE_HOME or ~/.hyve",
    help="The folder that holds the configuration and all state.",
)

sync_option = click.option("--sync", "sync_name", metavar="NAME", help="Which sync; needed when there are several.")

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")

plan_option = click.option(
    "--plan", "plan_id", metavar="ID", help="Which plan, by its id or the beginning of it, instead of the newest."
)

# None is the newest plan, and so is `latest`.
plan_argument = click.argument("plan_id", metavar="[ID]", required=False)


def limit_option(name: str) -> Callable[[Command], Command]:
    """The option that overrides one of the two limits."""
    what = {"max-deletes": "deletes", "max-overwrites": "overwrites"}[name]
    return click.option(
        f"--{name}",
        metavar="N|P%",
        callback=_check_limit,
        help=f"Accept this many {what}, instead of the configured limit.",
    )


def _check_limit(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    from hyve_pipeline.core.settings.limits import Limit

    if value is not None:
        try:
            Limit.parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return value


def sync_options(command: Command) -> Command:
    """The options of every command that works on a sync."""
    return home_option(sync_option(json_option(command)))
