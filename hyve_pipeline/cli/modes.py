"""How much a command says, and whether it asks: ``--verbose``, ``--quiet`` and ``--no-input`` of every command."""

import sys
from typing import Any

import click

from hyve_pipeline.cli.commands import COMMANDS

_NAME = "hyve_pipeline.cli.modes"
_QUIET = f"{_NAME}.quiet"
_VERBOSE = f"{_NAME}.verbose"
_NO_INPUT = f"{_NAME}.no_input"


def is_quiet() -> bool:
    """Whether this command shows no progress."""
    return bool(_meta().get(_QUIET))


def is_hushed() -> bool:
    """Whether this command prints no text about what it does on standard output; what only prints is never hushed."""
    context = click.get_current_context(silent=True)
    entry = COMMANDS.get(context.info_name or "") if context is not None else None
    return is_quiet() and entry is not None and entry.is_work


def verbosity() -> int:
    """How often ``--verbose`` was given to this command."""
    return _meta().get(_VERBOSE, 0)


def may_ask() -> bool:
    """Whether this command may ask its user: at a terminal, and unless ``--no-input`` forbids it."""
    at_terminal = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))
    return at_terminal and not _meta().get(_NO_INPUT)


def is_input_forbidden() -> bool:
    """Whether ``--no-input`` was given to this command."""
    return bool(_meta().get(_NO_INPUT))


def mode_options(*, asks: bool) -> list[click.Option]:
    """The options, for one command.

    Args:
        asks: whether the command has a question to ask; otherwise its help shows neither ``--no-input`` nor ``--yes``,
            which it takes all the same.
    """
    yes = click.Option(["-y", "--yes"], is_flag=True, expose_value=False, hidden=True)
    return [
        *([] if asks else [yes]),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=_be_verbose,
            help="Say on standard error what is chosen, sent again and failed; twice: every request.",
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_be_quiet,
            help="No progress, and no text but warnings, errors and what was asked for.",
        ),
        click.Option(
            ["--no-input"],
            is_flag=True,
            expose_value=False,
            callback=_ask_nothing,
            envvar="HYVE_NO_INPUT",
            hidden=not asks,
            help="Never ask.",
        ),
    ]


def _meta() -> dict[str, Any]:
    context = click.get_current_context(silent=True)
    return {} if context is None else context.meta


def _be_quiet(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and context.meta.get(_VERBOSE):
        raise click.UsageError("--quiet and --verbose exclude each other")
    context.meta[_QUIET] = value


def _ask_nothing(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    context.meta[_NO_INPUT] = value


def _be_verbose(context: click.Context, _parameter: click.Parameter, value: int) -> None:
    if value and context.meta.get(_QUIET):
        raise click.UsageError("--quiet and --verbose exclude each other")
    context.meta[_VERBOSE] = value
    if not value or context.resilient_parsing:
        return
    import logging

    from hyve_pipeline.core.runtime.log import show_log

    # Of the root: the context of a command that turns out to be wrong is never closed.
    context.find_root().call_on_close(show_log(logging.INFO if value == 1 else logging.DEBUG))
