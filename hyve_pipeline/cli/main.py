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
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from hyve_pipeline import __version__
from hyve_pipeline.cli.commands import COMMANDS, SECTIONS
from hyve_pipeline.cli.options import global_options
from hyve_pipeline.cli.streams import ReaderGoneError, end_with_reader, open_streams
from hyve_pipeline.core.runtime import startup

__all__ = ["COMMANDS", "hyve", "main", "run"]

_EPILOG = "Exit codes: 0 done, 1 some objects failed or changed, 2 wrong usage or configuration, 3 refused by a \
safety rule, 4 a bucket could not be listed or reached, 130 interrupted."


class _Commands(click.Group):
    """The commands, each imported when it is asked for. Options of theirs may stand before the command, too."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        from hyve_pipeline.cli.modes import mode_options
        from hyve_pipeline.cli.profile import profile_option

        entry = COMMANDS[cmd_name]
        module, _, name = entry.target.partition(":")
        command = getattr(importlib.import_module(module), name)
        present = {option for parameter in command.params for option in parameter.opts}
        asks = not present.isdisjoint(("--yes", "--no-input"))
        options = [*([profile_option()] if entry.is_work else []), *mode_options(asks=asks)]
        command.params += [option for option in options if not present & set(option.opts)]
        command.epilog = "\n".join(["\b", "Examples:", *(f"  $ {example}" for example in entry.examples)])
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            raise click.UsageError(unknown_command(args[0]), ctx)
        entry = COMMANDS.get(args[0])
        end_with_reader(ends=entry is not None and entry.is_query)
        # Before the command's own arguments: of an option that is given twice, the last one counts.
        return args[0], command, [*self._leading(ctx), *args[1:]]

    def _leading(self, ctx: click.Context) -> list[str]:
        """The options that stand before the command."""
        arguments: list[str] = []
        for option in self.params:
            key = option.name or ""
            if option not in _GLOBAL or ctx.get_parameter_source(key) is not ParameterSource.COMMANDLINE:
                continue
            value = ctx.params[key]
            name = next(name for name in option.opts if name.startswith("--"))
            arguments += [name, value] if isinstance(value, str) else [name] * int(value)
        return arguments

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for section, purpose in SECTIONS.items():
            entries = [(name, entry.summary) for name, entry in COMMANDS.items() if entry.section == section]
            with formatter.section(f"{section} ({purpose})"):
                formatter.write_dl([(name.ljust(width), summary) for name, summary in entries])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        items = [CompletionItem(name, help=COMMANDS[name].summary) for name in names]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]


_GLOBAL = global_options()


@click.group(
    cls=_Commands,
    params=[*_GLOBAL],
    epilog=_EPILOG,
    invoke_without_command=True,
    options_metavar="[OPTIONS]",
    subcommand_metavar="COMMAND [ARGUMENTS]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="hyve")
@click.pass_context
def hyve(context: click.Context, **_given: object) -> None:
    """Keep one S3 bucket an exact, provable copy of another."""
    if context.invoked_subcommand is None:
        end_with_reader(ends=True)
        click.echo(context.get_help())


def _owners(context: click.Context, option: str) -> list[str]:
    """The commands that have an option, if it stands where no command is named yet."""
    group = context.command
    if not isinstance(group, _Commands):
        return []
    commands = {name: group.get_command(context, name) for name in COMMANDS}
    return [
        name
        for name, command in commands.items()
        if command is not None and any(option in parameter.opts for parameter in command.params)
    ]


def _command_names(context: click.Context, _parameter: click.Parameter, beginning: str) -> list[str]:
    return [] if context.params.get("words") else [name for name in COMMANDS if name.startswith(beginning)]


@click.command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND]", shell_complete=_command_names)
@click.option("--man", is_flag=True, help="Print the manual page of all commands, as 'man' reads it.")
@click.pass_context
def show_help(context: click.Context, words: tuple[str, ...], man: bool) -> None:
    """Show the commands, or one of them."""
    group = context.parent
    if group is None or not isinstance(group.command, click.Group):
        raise click.UsageError("help belongs to hyve")
    if man:
        if words:
            raise click.UsageError("--man prints all commands; name none")
        from hyve_pipeline.cli.manual import manual_page

        click.echo(manual_page(group, __version__), nl=False)
        return
    if not words:
        click.echo(group.get_help())
        return
    command, *more = words
    found = group.command.get_command(group, command)
    if found is None:
        raise click.UsageError(unknown_command(command))
    with click.Context(found, info_name=command, parent=group) as shown:
        if more:  # such as `config check`: the command's own arguments
            found.parse_args(shown, more)
        click.echo(found.get_help(shown))


def unknown_command(name: str) -> str:
    """The message for a command that there is not."""
    from hyve_pipeline.core.base.keys import shortened
    from hyve_pipeline.core.base.suggestions import hint_for

    hint = hint_for(name, COMMANDS) or "; 'hyve help' lists them"
    return f"no such command {shortened(name)}{hint}"


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: what follows ``hyve``; None takes the process's own.

    Returns:
        The exit code. Any failure was reported in one line on standard error.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = hyve.main(args=arguments, prog_name="hyve", standalone_mode=False)
    except click.UsageError as error:
        return _say(_usage(error, sys.argv[1:] if arguments is None else arguments), 2)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _say("interrupted", 130)
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except ReaderGoneError:
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort: one line, and the details on request
        from hyve_pipeline.cli.failures import known_error

        known = known_error(error)
        return _say(str(known), known.exit_code)
    return code if isinstance(code, int) else 0


# How click calls what is not of a type, and what to say.
_TYPES = {"a valid integer range": "a whole number", "a valid float range": "a number"}


def _usage(error: click.UsageError, arguments: Sequence[str]) -> str:
    """What is wrong with the arguments, in one line that begins with the command."""
    context = error.ctx
    # Of an option whose value is missing, click does not say to what command it was given.
    named = next((f"hyve {argument}" for argument in arguments if argument in COMMANDS), "hyve")
    command = context.command_path if context is not None else named
    subject = command.removeprefix("hyve").strip()
    message = error.format_message().rstrip(".")
    for name, ours in _TYPES.items():
        message = message.replace(name, ours)
    owners = _owners(context, error.option_name) if isinstance(error, click.NoSuchOption) and context else []
    if isinstance(error, click.NoSuchOption) and owners:
        message = f"{error.option_name} stands after its command, as in 'hyve {owners[0]} {error.option_name}'"
        message += f" ({', '.join(owners)} have it)" if len(owners) > 1 else ""
    elif isinstance(error, click.NoSuchOption):
        from hyve_pipeline.core.base.suggestions import hint_for

        parameters = [] if context is None else context.command.params
        known = [name for option in parameters if isinstance(option, click.Option) for name in option.opts]
        if error.option_name == "--plan" and any(parameter.name == "plan_id" for parameter in parameters):
            hint = f"; the plan is named without it: {command} ID"
        else:
            hint = hint_for(error.option_name, known) or f"; '{command} --help' shows what there is"
        message = f"no such option {error.option_name!r}{hint}"
    elif message.startswith("Got unexpected extra argument") and context is not None:
        options = {option for parameter in context.command.params for option in parameter.opts}
        named = {"--plan": "a plan is named by --plan ID", "--sync": "a sync is named by --sync NAME"}
        hints = [hint for option, hint in named.items() if option in options]
        message += "; " + (", ".join(hints) or f"'{command} --help' shows what there is")
    elif isinstance(error, click.MissingParameter):
        message += f"; '{command} --help' shows an example"
    elif isinstance(error, click.BadOptionUsage):
        message += f"; '{command} --help' shows what it takes"
    elif isinstance(error, click.BadParameter) and context is not None and error.param is not None:
        variable = error.param.envvar
        is_flag = isinstance(error.param.type, click.types.BoolParamType)
        if context.get_parameter_source(error.param.name or "") is ParameterSource.ENVIRONMENT:
            wrong = f"{os.environ.get(str(variable))!r} is neither 1 nor 0"
            message = f"{variable}: {wrong if is_flag else error.message.rstrip('.')}"
    return f"{subject + ': ' if subject else ''}{message}"


def _say(message: str, code: int) -> int:
    from hyve_pipeline.cli.failures import say_failure

    say_failure(message)
    return code


def main() -> None:
    """Run the command of this process and exit with its code."""
    open_streams()
    # Only the owner may read what this process and its children create: Dagster's databases too.
    os.umask(0o077)
    startup.begin()
    code = run()
    startup.end()
    sys.exit(code)
