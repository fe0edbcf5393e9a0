"""Commands as messages name them: with the options of this one without which another home or sync would be meant."""

import re
import shlex
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from click.core import ParameterSource

from hyve_pipeline.core.base.errors import HyveError

_NAMED = re.compile(r"(['`])hyve ([^'`]+)\1")


def typed(command: str) -> str:
    """A command line for the user to type.

    Args:
        command: the command with its arguments, without ``hyve``.

    Returns:
        It, with the home and the sync that this command was given as options.
    """
    context = click.get_current_context(silent=True)
    line = f"hyve {command}"
    for parameter, option in (("home", "--home"), ("sync_name", "--sync")):
        if context is not None and context.get_parameter_source(parameter) is ParameterSource.COMMANDLINE:
            line += f" {option} {shlex.quote(str(context.params[parameter]))}"
    return line


def retyped(message: str) -> str:
    """A message of a layer below, which does not know these options, with its commands as the user is to type them."""

    def again(named: re.Match[str]) -> str:
        has_options = "--home " in named[2] or "--sync " in named[2]
        return named[0] if has_options else f"{named[1]}{typed(named[2])}{named[1]}"

    return _NAMED.sub(again, message)


def naming_commands(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, whose failures name other commands as the user is to type them."""

    @wraps(command)
    def named(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except HyveError as error:
            error.args = (retyped(str(error)),)
            raise

    return named
