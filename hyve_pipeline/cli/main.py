"""The command ``hyve``.

A command's module is imported only when that command runs: `help` must answer at once, no S3 library is loaded for a
command that needs none, and Dagster by `ui` alone.
"""

import importlib
import io
import os
import sys
from collections.abc import Sequence

import click

from hyve_pipeline import __version__
from hyve_pipeline.core.runtime import startup

# In the order of the help.
COMMANDS = {
    "configure": (
        "hyve_pipeline.cli.configure:configure",
        "Ask for keys, region and buckets, try them, and keep them.",
    ),
    "dryrun": ("hyve_pipeline.cli.dryrun:dryrun", "Compare the buckets and make a plan; change nothing."),
    "copy": ("hyve_pipeline.cli.apply:copy", "Copy what the plan lists as new and modified."),
    "sync": ("hyve_pipeline.cli.apply:sync", "Dryrun, copy, delete and verify."),
    "help": ("hyve_pipeline.cli.main:show_help", "Show the commands, or one of them."),
    "delete": ("hyve_pipeline.cli.apply:delete", "Delete what only the store has, after the plan's copies."),
    "work": ("hyve_pipeline.cli.worker:work", "Do what is free of a plan, beside other machines."),
    "verify": ("hyve_pipeline.cli.verify:verify", "List the store again and compare it with the plan."),
    "retry": ("hyve_pipeline.cli.apply:retry", "Run again only the shards of a plan that did not finish."),
    "plans": ("hyve_pipeline.cli.plans:plans", "List the plans and the state of each."),
    "show": ("hyve_pipeline.cli.plans:show", "Show one plan in detail."),
    "report": ("hyve_pipeline.cli.report:report", "Write one plan as an HTML page with pictures."),
    "undo": ("hyve_pipeline.cli.undo:undo", "Put back what a plan overwrote or deleted."),
    "ui": ("hyve_pipeline.cli.ui:ui", "Open the Dagster web UI for this configuration, on loopback."),
    "demo": ("hyve_pipeline.cli.demo:demo", "Try all of it on an embedded S3 server with made-up images."),
    "doctor": ("hyve_pipeline.cli.doctor:doctor", "Check that a sync can work, and say what to fix."),
    "iam-policy": ("hyve_pipeline.cli.iam_policy:iam_policy", "Print the least AWS policy that each side needs."),
}

_EPILOG = "Exit codes: 0 done, 1 some objects failed or changed, 2 wrong usage or configuration, 3 refused by a \
safety rule, 4 a bucket could not be listed or reached, 130 interrupted."


class _Commands(click.Group):
    """The commands, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        return getattr(importlib.import_module(module), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=_Commands,
    epilog=_EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="hyve")
@click.pass_context
def hyve(context: click.Context) -> None:
    """Keep one S3 bucket an exact, provable copy of another."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@click.command("help")
@click.argument("command", required=False)
@click.pass_context
def show_help(context: click.Context, command: str | None) -> None:
    """Show the commands, or one of them."""
    group = context.parent
    if group is None or not isinstance(group.command, click.Group):
        raise click.UsageError("help belongs to hyve")
    if command is None:
        click.echo(group.get_help())
        return
    found = group.command.get_command(group, command)
    if found is None:
        raise click.UsageError(f"no such command {command!r}; 'hyve help' lists them")
    with click.Context(found, info_name=command, parent=group) as shown:
        click.echo(found.get_help(shown))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: what follows ``hyve``; None takes the process's own.

    Returns:
        The exit code. Any failure was reported in one line on standard error.
    """
    # Bad names in messages are shown as they are, escaped by Python's own rule, rather than crash the print.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = hyve.main(args=arguments, prog_name="hyve", standalone_mode=False)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "hyve"
        subject = command.removeprefix("hyve").strip()
        hint = f"; '{command} --help' shows what there is" if isinstance(error, click.NoSuchOption) else ""
        if error.ctx is not None and error.ctx.command is hyve:
            hint = "; 'hyve help' lists the commands"
        return _say(f"{subject + ': ' if subject else ''}{error.format_message().rstrip('.')}{hint}", 2)
    except click.exceptions.Abort:
        return _say("interrupted", 130)
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except BrokenPipeError:
        # The reader of our output has closed the pipe; Python's flush at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort: one line, and the details on request
        from hyve_pipeline.cli.failures import known_error

        known = known_error(error)
        return _say(str(known), known.exit_code)
    return code if isinstance(code, int) else 0


def _say(message: str, code: int) -> int:
    from hyve_pipeline.cli.failures import say_failure

    say_failure(message)
    return code


def _open_missing_streams() -> None:
    """Open the standard streams that are closed: some schedulers start processes without them.

    Otherwise the next opened file would get the number of standard output or error, and messages would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def main() -> None:
    """Run the command of this process and exit with its code."""
    _open_missing_streams()
    # Only the owner may read what this process and its children create: Dagster's databases too.
    os.umask(0o077)
    startup.begin()
    code = run()
    startup.end()
    sys.exit(code)
