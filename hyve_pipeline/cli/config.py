"""``hyve config``: show what is configured and where each value is from, check it, print its schema."""

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from hyve_pipeline.cli.options import Choice, sync_options

if TYPE_CHECKING:
    from hyve_pipeline.operations.in_force import Setting, SettingsInForce

# Lines of defaults are broken here.
_WIDTH = 79

_UNBROKEN = "\xa0"

# Longer values are not aligned.
_MOST_COLUMNS = 44

# What the file can't have, as text that needs no quotes.
_DERIVED = ("credentials", "home", "configuration", "cache", "dagster")

# These are shown with their origin even where that is only the default.
_ALWAYS = (*_DERIVED, "state")

# Numbers of bytes, which the file may have as text with a unit.
_SIZES = ("shard_bytes", "multipart_threshold", "multipart_part_size", "stream_memory")

# These numbers are seconds, likewise.
_DURATIONS = ("inventory_max_age", "max_duration")


@click.command()
@click.argument("what", type=Choice(["show", "check", "schema"]), default="show")
@sync_options
@click.pass_context
def config(context: click.Context, home: Path, sync_name: str | None, as_json: bool, what: str) -> int:
    """Show what is configured, and where each value is from; or check it, or print its schema.

    'show', which is the default, reads the file hyve.toml, the environment and the AWS files, and shows each setting
    that is in force, of the home and of each sync (or of --sync), with its origin. It shows no secret.

    'check' reads the same and says all mistakes, each with its line, or "ok". Nothing is sent: 'hyve doctor' tries
    the buckets.

    'schema' prints the JSON Schema of hyve.toml, by which editors complete and check it.
    """
    from hyve_pipeline.cli.output import print_json
    from hyve_pipeline.operations.context import Home

    if what == "schema":
        from hyve_pipeline.core.settings.json_schema import settings_schema

        print_json(settings_schema())
        return 0
    if what == "check":
        return _check(Home(home), sync_name, as_json=as_json)
    return _show(Home(home), _origin(context), sync_name, as_json=as_json)


def _origin(context: click.Context) -> str:
    """What named the home."""
    source = context.get_parameter_source("home")
    origins = {ParameterSource.COMMANDLINE: "--home", ParameterSource.ENVIRONMENT: "HYVE_HOME"}
    return "default" if source is None else origins.get(source, "default")


def _show(home: Any, home_origin: str, sync_name: str | None, *, as_json: bool) -> int:
    from hyve_pipeline.cli.output import print_json
    from hyve_pipeline.operations.in_force import in_force

    tables = in_force(home, home_origin, sync_name)
    if as_json:
        print_json(_document(tables))
    else:
        for number, table in enumerate(tables):
            _describe(table, is_first=number == 0)
    return 0


def _document(tables: "list[SettingsInForce]") -> dict[str, Any]:
    document: dict[str, Any] = {}
    for table in tables:
        inner = document
        for name in table.path:
            inner = inner.setdefault(name, {})
        for setting in table.settings:
            shown = {"value": setting.value, "from": setting.origin}
            inner[setting.name] = shown if setting.line is None else shown | {"line": setting.line}
    return document


def _describe(table: "SettingsInForce", *, is_first: bool) -> None:
    """Print one table: what is set in lines of its own, then the defaults."""
    from hyve_pipeline.cli.output import say
    from hyve_pipeline.core.base.keys import displayed

    if not is_first:
        say()
    say(f"[{'.'.join(table.path)}]")
    chosen = [setting for setting in table.settings if setting.origin != "default" or setting.name in _ALWAYS]
    names = max((len(setting.name) for setting in chosen), default=0)
    values = max((min(len(_value(setting)), _MOST_COLUMNS) for setting in chosen), default=0)
    for setting in chosen:
        origin = setting.origin if setting.line is None else f"{setting.origin}:{setting.line}"
        say(f"  {setting.name:<{names}}  {displayed(_value(setting)):<{values}}  {displayed(origin)}")
    rest = [f"{setting.name} = {_value(setting)}" for setting in table.settings if setting not in chosen]
    if rest:
        # No line ends within a setting.
        text = "default: " + ", ".join(each.replace(" ", _UNBROKEN) for each in rest)
        for line in textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    "):
            say(line.replace(_UNBROKEN, " "))


def _value(setting: "Setting") -> str:
    from hyve_pipeline.core.base.durations import parse_duration, readable_duration

    if setting.value is None:
        return "none"
    if setting.name in _DURATIONS and parse_duration(readable_duration(setting.value)) == setting.value:
        return f'"{readable_duration(setting.value)}"'
    if setting.name in _SIZES and setting.value % 1024**2 == 0:
        mebibytes = setting.value // 1024**2
        return f'"{mebibytes // 1024} GiB"' if mebibytes % 1024 == 0 else f'"{mebibytes} MiB"'
    if setting.name == "bandwidth" and setting.value % 1000**2 == 0:
        return f'"{setting.value // 1000**2} MB/s"'
    if setting.name in _DERIVED:
        return setting.value
    return json.dumps(setting.value, ensure_ascii=False)


def _check(home: Any, sync_name: str | None, *, as_json: bool) -> int:
    from hyve_pipeline.cli.failures import say_failure
    from hyve_pipeline.cli.output import print_json, say
    from hyve_pipeline.core.base.errors import ConfigurationError
    from hyve_pipeline.core.base.keys import displayed
    from hyve_pipeline.operations.check_configuration import check_configuration

    syncs, mistakes = check_configuration(home, sync_name)
    for mistake in mistakes:
        say_failure(mistake.text)
    file = str(home.settings_file)
    if as_json:
        shown = [
            {"problem": each.text, "line": each.line, "table": ".".join(each.table), "key": each.key}
            for each in mistakes
        ]
        print_json({"ok": not mistakes, "file": file, "syncs": syncs, "mistakes": shown})
    elif not mistakes:
        say(f"ok: {displayed(file)}: {', '.join(syncs)}")
    return ConfigurationError.exit_code if mistakes else 0
