"""``--profile`` of the commands that do something: where their CPU time goes."""

import sys
from pathlib import Path

import click

from hyve_pipeline.core.base.keys import printable


def profile_option() -> click.Option:
    """The option, for one command."""
    return click.Option(
        ["--profile"],
        metavar="FILE",
        type=click.Path(dir_okay=False, allow_dash=True),
        expose_value=False,
        callback=_begin,
        help="Write where CPU time goes, by room of Hyve's code and by library; - is standard error.",
    )


def _begin(context: click.Context, _parameter: click.Parameter, file: str | None) -> None:
    if file is None or context.resilient_parsing:
        return
    from hyve_pipeline.core.runtime.cpu_profile import begin_profile

    if file != "-":
        try:
            # Now, and not when all is done.
            Path(file).write_text("", encoding="utf-8")
        except OSError as error:
            raise click.BadParameter(f"{file!r} can't be written: {error.strerror or error}") from error
    try:
        profile = begin_profile()
    except NotImplementedError as error:
        raise click.UsageError(f"--profile: {error}", context) from error

    def write() -> None:
        table = profile.end().table()
        if file == "-":
            sys.stderr.write(table)
        else:
            Path(file).write_text(table, encoding="utf-8")
            # For those who meant an AWS profile, too.
            click.echo(f"profile of CPU time: {printable(file)}", err=True)

    # Of the root: the context of a command that turns out to be wrong is never closed.
    context.find_root().call_on_close(write)
