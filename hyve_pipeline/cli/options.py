"""Options that several commands share."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from hyve_pipeline.cli.candidates import complete_plan, complete_sync
from hyve_pipeline.cli.first_sign import with_sign
from hyve_pipeline.cli.typed import naming_commands

Command = Callable[..., Any]

# Click would put the words of a default into parentheses.
_HOME_HELP = "The folder that holds the configuration and all state.  [default: $HYVE_HOME or ~/.hyve]"
_SYNC_HELP = "Which sync; needed when there are several."
_JSON_HELP = "Print one JSON document on standard output."


class Folder(click.Path):
    """The path of a folder; not empty, as that would be the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, as click checks it."""
        if value == "":
            self.fail("must not be empty", param, ctx)
        return super().convert(value, param, ctx)


class Choice(click.Choice[str]):
    """One of some words; the message for another one names the word that was probably meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, as click checks it."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            from hyve_pipeline.core.base.suggestions import hint_for

            hint = hint_for(str(value), [str(choice) for choice in self.choices])
            self.fail(error.message.rstrip(".") + hint, param, ctx)


home_option = click.option(
    "--home",
    type=Folder(file_okay=False, path_type=Path),
    envvar="HYVE_HOME",
    default="~/.hyve",
    help=_HOME_HELP,
)

sync_option = click.option(
    "--sync", "sync_name", metavar="NAME", envvar="HYVE_SYNC", help=_SYNC_HELP, shell_complete=complete_sync
)

json_option = click.option("--json", "as_json", is_flag=True, envvar="HYVE_JSON", help=_JSON_HELP)

plan_option = click.option(
    "--plan",
    "plan_id",
    metavar="ID",
    shell_complete=complete_plan,
    help="Which plan, by its id or the beginning of it, instead of the newest.",
)

# None is the newest plan, and so is `latest`.
plan_argument = click.argument("plan_id", metavar="[ID]", required=False, shell_complete=complete_plan)


def global_options() -> list[click.Option]:
    """The options that may stand before the command, too; each is passed on to the command, which checks its value."""
    return [
        click.Option(["--home"], type=click.UNPROCESSED, metavar="DIRECTORY", help=_HOME_HELP),
        click.Option(["--sync"], metavar="NAME", help=_SYNC_HELP, shell_complete=complete_sync),
        click.Option(["--json"], is_flag=True, help=_JSON_HELP),
        click.Option(["-v", "--verbose"], count=True, help="Say what is chosen and sent again; twice: every request."),
        click.Option(["-q", "--quiet"], is_flag=True, help="No progress, and no text but what was asked for."),
        click.Option(["-y", "--yes"], is_flag=True, help="Answer questions with yes."),
        click.Option(["--no-input"], is_flag=True, help="Never ask."),
    ]


# Of `--keys`: more than a plan can have.
ALL_KEYS = sys.maxsize

# The name of a file that stands for the standard input.
STANDARD_INPUT = "-"


class _Keys(click.ParamType):
    """How many keys of each set are shown."""

    name = "N|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, int):
            return value
        if value == "all":
            return ALL_KEYS
        if not str(value).isdecimal():
            self.fail(f"{value!r} is neither a number of keys nor 'all'", param, ctx)
        return min(int(value), ALL_KEYS)


class _KeysOrList(_Keys):
    """The same, or the list of the keys that a plan is restricted to: ``-``, or a file whose name is no number."""

    name = "N|all|FILE|-"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, int) or value == "all" or str(value).isdecimal():
            return super().convert(value, param, ctx)
        if value != STANDARD_INPUT and not (value and Path(value).exists()):
            self.fail(f"{value!r} is neither a number of keys, nor 'all', nor a file", param, ctx)
        if value != STANDARD_INPUT and Path(value).is_dir():
            self.fail(f"{value!r} is a folder, not a list of keys", param, ctx)
        return str(value)


class KeyChoices(NamedTuple):
    """The values of ``--keys``: how many keys of each set are shown, and the list that a plan is restricted to."""

    shown: int
    file: str | None


_SHOWN_KEYS = 10

keys_option = click.option(
    "--keys",
    type=_Keys(),
    metavar="N|all",
    default=_SHOWN_KEYS,
    show_default=True,
    help="Show so many keys of each set.",
)


def _key_choices(_context: click.Context, _parameter: click.Parameter, values: tuple[int | str, ...]) -> KeyChoices:
    shown = [value for value in values if isinstance(value, int)]
    files = [value for value in values if isinstance(value, str)]
    if len(shown) > 1 or len(files) > 1:
        raise click.BadParameter("is given twice with the same meaning: one number of keys, and one list")
    return KeyChoices(shown=shown[0] if shown else _SHOWN_KEYS, file=files[0] if files else None)


keys_or_list_option = click.option(
    "--keys",
    type=_KeysOrList(),
    metavar="N|all|FILE|-",
    multiple=True,
    callback=_key_choices,
    help="Show so many keys of each set, 10 by default; or plan only the keys of a list: a file, or - for the "
    "standard input. May be given twice, for both.",
)


def _only_list(context: click.Context, parameter: click.Parameter, values: tuple[int | str, ...]) -> str | None:
    number = next((value for value in values if isinstance(value, int)), None)
    if number is not None:
        raise click.BadParameter("takes a list of keys here, a file or -; a file whose name is a number is ./NAME")
    return _key_choices(context, parameter, values).file


list_option = click.option(
    "--keys",
    type=_KeysOrList(),
    metavar="FILE|-",
    multiple=True,
    callback=_only_list,
    help="Plan only the keys of a list: a file, or - for the standard input.",
)

date_option = click.option(
    "--inventory-date",
    metavar="DATE",
    callback=lambda _context, _parameter, value: _check_date(value),
    help="Read the S3 Inventory report of this date, such as 2026-11-28, instead of the newest.",
)


def _check_date(value: str | None) -> str | None:
    if value is not None:
        from hyve_pipeline.core.base.report_names import is_report_date

        if not is_report_date(value):
            raise click.BadParameter(f"{value!r} is not the date of a report such as 2026-11-28 or 2026-11-28T01-00Z")
    return value


yes_option = click.option("--yes", "-y", is_flag=True, help="Delete without asking.")


def is_given(name: str) -> bool:
    """Whether the option with this parameter's name is among the arguments, rather than in the environment."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


# What each limit of a plan is given as, and what it accepts.
_LIMITS = {
    "max-deletes": ("N|P%", "Accept this many deletes, instead of the configured limit."),
    "max-overwrites": ("N|P%", "Accept this many overwrites, instead of the configured limit."),
    "max-cost": ("DOLLARS", "Accept a plan that is estimated to cost so much, instead of the configured limit."),
    "max-duration": ("DURATION", "Accept a plan that is estimated to take so long, instead of the configured limit."),
}


def limit_option(name: str) -> Callable[[Command], Command]:
    """The option that overrides one of the limits of a plan."""
    metavar, help_text = _LIMITS[name]
    return click.option(f"--{name}", metavar=metavar, callback=_check_limit, help=help_text)


def limit_options(*names: str) -> Callable[[Command], Command]:
    """The options that override these limits, and those on cost and duration; a command takes them as keywords."""

    def add(command: Command) -> Command:
        for name in reversed((*names, "max-cost", "max-duration")):
            command = limit_option(name)(command)
        return command

    return add


def _check_limit(_context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        from hyve_pipeline.core.base.durations import parse_duration
        from hyve_pipeline.core.base.money import parse_dollars
        from hyve_pipeline.core.settings.limits import Limit

        parse = {"max_cost": parse_dollars, "max_duration": parse_duration}.get(parameter.name or "", Limit.parse)
        try:
            parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return value


def sync_options(command: Command) -> Command:
    """The options of every command that works on a sync."""
    return home_option(sync_option(json_option(naming_commands(with_sign(command)))))
