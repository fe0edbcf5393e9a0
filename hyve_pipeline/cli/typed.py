"""Commands as messages name them: with the options of this one without which another home or sync would be meant."""

import shlex

import click
from click.core import ParameterSource


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
