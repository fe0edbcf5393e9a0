"""The manual page: everything that `hyve help COMMAND` shows, as `man` reads it."""

import textwrap
from collections.abc import Iterable, Iterator

import click

from hyve_pipeline.cli.commands import COMMANDS, SECTIONS
from hyve_pipeline.core.base.errors import EXIT_CODES

_ENVIRONMENT = {
    "HYVE_HOME": "the folder with the configuration and all state, as --home",
    "HYVE_STATE": "where the state is instead of the home, such as s3://bucket/prefix/",
    "HYVE_CACHE": "the folder for copies of the files of a state in a bucket",
    "HYVE_SYNC": "which sync, as --sync",
    "HYVE_JSON": "1 prints a JSON document, as --json",
    "HYVE_NO_INPUT": "1 never asks, as --no-input",
    "NO_COLOR": "no colours, whatever its value",
    "AWS_*": "credentials, profile, region and endpoints, as the AWS command line reads them",
}
_FILES = {
    "~/.hyve/hyve.toml": "the configuration",
    "~/.hyve/out/SYNC/": "the lists of the newest plan",
    "~/.hyve/state/": "plans, journals and events",
}


def manual_page(group: click.Context, version: str) -> str:
    """The manual page of all commands, in the macros of man(7).

    Args:
        group: the context of ``hyve`` itself.
        version: the version, for the foot of the page.
    """
    lines = [
        f'.TH HYVE 1 "" "hyve {version}" "User Commands"',
        *(".SH NAME", rf"hyve \- {_escaped(_first_line(group.command).rstrip('.'))}"),
        *(".SH SYNOPSIS", r"\fBhyve\fR [\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGUMENTS\fR]"),
        *(".SH OPTIONS", "They stand before the command or after it."),
        *_options(group),
    ]
    for section, purpose in SECTIONS.items():
        lines += [f'.SH "{section.upper()}"', _text(f"{purpose[0].upper()}{purpose[1:]}.")]
        for name, entry in COMMANDS.items():
            if entry.section == section:
                lines += _command(group, name)
    lines += [".SH EXIT STATUS", *_terms((str(code), text) for code, text in EXIT_CODES.items())]
    lines += [".SH ENVIRONMENT", *_terms(_ENVIRONMENT.items()), ".SH FILES", *_terms(_FILES.items())]
    return "\n".join(lines) + "\n"


def _command(group: click.Context, name: str) -> Iterator[str]:
    commands = group.command
    command = commands.get_command(group, name) if isinstance(commands, click.Group) else None
    if command is None:
        return
    with click.Context(command, info_name=name, parent=group, **command.context_settings) as context:
        yield f'.SS "hyve {name}"'
        arguments = " ".join(command.collect_usage_pieces(context))
        yield rf"\fBhyve {_escaped(name)}\fR {_escaped(arguments)}"
        for paragraph in textwrap.dedent(_help(command)).split("\n\n"):
            yield ".PP"
            yield _text(" ".join(paragraph.split()))
        yield from _options(context)
        yield ".PP"
        yield "Examples:"
        yield ".PP"
        yield ".RS 4"
        yield ".nf"
        yield from (_text(example) for example in COMMANDS[name].examples)
        yield ".fi"
        yield ".RE"


def _options(context: click.Context) -> Iterator[str]:
    records = (parameter.get_help_record(context) for parameter in context.command.get_params(context))
    yield from _terms(record for record in records if record is not None)


def _terms(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in pairs:
        yield ".TP"
        yield rf"\fB{_escaped(term)}\fR"
        yield _text(text)


def _help(command: click.Command) -> str:
    return command.help or ""


def _first_line(command: click.Command) -> str:
    return _help(command).strip().splitlines()[0]


def _text(line: str) -> str:
    """A line of text, in which nothing is a request of roff."""
    escaped = _escaped(line)
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-").replace("\n", " ")
