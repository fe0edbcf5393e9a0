"""Prints a failure: one line on standard error for every exception."""

import os
import traceback

import click

from hyve_pipeline.core.base.errors import HyveError, InterruptedRunError, error_of_system
from hyve_pipeline.core.base.keys import printable

# The limit of a message; the paths, keys and sentences of a long one fit within it.
_MOST_CHARACTERS = 8_000


def say_failure(message: str) -> None:
    """Print one line on standard error."""
    line = " ".join(message.split())
    # A server's message, or an argument, may be too long to read.
    line = line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]}… ({len(line):,} characters)"
    click.echo(f"hyve: {printable(line)}".replace("hyve: hyve ", "hyve "), err=True)


def known_error(error: Exception | KeyboardInterrupt) -> HyveError:
    """The error with its message and exit code, also where nothing closer to its cause has handled it."""
    if isinstance(error, HyveError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return InterruptedRunError("interrupted; what was done is in the journal")
    if os.environ.get("HYVE_TRACEBACK"):
        traceback.print_exception(error)
    if isinstance(error, OSError):
        return error_of_system(error)
    if isinstance(error, MemoryError):
        detail = f" ({error})" if str(error) else ""
        return HyveError(f"not enough memory: allow this process more, or set a smaller options.concurrency{detail}")
    return HyveError(f"unexpected {type(error).__name__}: {error} (HYVE_TRACEBACK=1 shows where)")
