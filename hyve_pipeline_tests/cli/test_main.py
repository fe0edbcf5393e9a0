"""Arguments: options before and after the command, by environment, suggestions, and mistakes found before all else."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from hyve_pipeline.cli.commands import COMMANDS, SECTIONS
from hyve_pipeline.cli.main import hyve as group
from hyve_pipeline.cli.options import global_options
from hyve_pipeline_tests.syncs import Hyve, Pair, sync_table


def _context() -> click.Context:
    return click.Context(group, info_name="hyve", **group.context_settings)


def _command(name: str) -> click.Command:
    command = group.get_command(_context(), name)
    assert command is not None
    return command


def _two_syncs(pair: Pair) -> None:
    settings = pair.home / "hyve.toml"
    place = pair.source.place.model_copy(update={"prefix": "backup/"})
    settings.write_text(settings.read_text() + sync_table("backup", pair.store.place, place))


def test_options_before_the_command_are_those_after_it(pair: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch) -> None:
    _two_syncs(pair)
    monkeypatch.setenv("HYVE_HOME", "/nonexistent/home")
    home = str(pair.home)
    after = hyve("plans", "--sync", "backup", "--json", "--home", home)
    assert after.code == 0
    assert after.document["sync"] == "backup"
    for before in (
        ("--sync", "backup", "--json", "--home", home, "plans"),
        (f"--home={home}", "--sync=backup", "plans", "--json"),
        ("--home", "elsewhere", "--sync", "images", "--json", "plans", "--home", home, "--sync", "backup"),
    ):
        assert hyve(*before) == after


def test_an_empty_option_before_the_command_is_not_lost(hyve: Hyve) -> None:
    finished = hyve("--home", "", "plans")
    assert finished.code == 2
    assert "must not be empty" in finished.only_line


def test_an_option_before_a_command_that_lacks_it_is_refused(hyve: Hyve) -> None:
    finished = hyve("--sync", "images", "ui")
    assert finished.code == 2
    assert finished.only_line.startswith("hyve: ui: no such option '--sync'")


@pytest.mark.parametrize("arguments", [("--keys",), ("--keys", "5"), ("--keys=5", "show")], ids=" ".join)
def test_an_option_of_some_commands_that_stands_before_them_names_them(arguments: tuple[str, ...], hyve: Hyve) -> None:
    finished = hyve(*arguments)
    owners = [name for name in COMMANDS if any("--keys" in parameter.opts for parameter in _command(name).params)]
    assert finished.code == 2
    assert finished.only_line == (
        f"hyve: --keys stands after its command, as in 'hyve {owners[0]} --keys' ({', '.join(owners)} have it)"
    )


def test_every_option_before_the_command_is_one_of_a_command() -> None:
    known = {option for name in COMMANDS for parameter in _command(name).params for option in parameter.opts}
    missing = {name for option in global_options() for name in option.opts if name not in known}
    assert missing == set()


def test_a_command_that_asks_nothing_takes_yes_and_does_not_show_it(pair: Pair, hyve: Hyve) -> None:
    options = {name: option for name in COMMANDS for option in _command(name).params if "--yes" in option.opts}
    assert set(COMMANDS) - set(options) == {"configure"}  # it asks for more than a yes
    shown = {name for name, option in options.items() if isinstance(option, click.Option) and not option.hidden}
    assert shown == {"delete", "sync"}
    assert hyve("-y", "plans") == hyve("plans", "--yes") == hyve("plans")


def test_options_by_environment(pair: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch) -> None:
    _two_syncs(pair)
    monkeypatch.setenv("HYVE_SYNC", "backup")
    monkeypatch.setenv("HYVE_JSON", "1")
    assert hyve("plans").document["sync"] == "backup"
    assert hyve("plans", "--sync", "images").document["sync"] == "images"
    # An option that excludes the document goes before the environment.
    pair.source.put({"backup/a": b"1"})
    assert hyve("dryrun", "--sync", "images").document["sync"] == "images"
    assert hyve("report", "--sync", "images", "--output", "-").out.startswith("<!DOCTYPE html>")
    monkeypatch.setenv("HYVE_JSON", "")  # as if it were not set
    assert hyve("plans").out.startswith("sync backup has no plan")
    monkeypatch.setenv("HYVE_NO_INPUT", "true")
    finished = hyve("configure", "--sync", "another")
    assert finished.code == 2
    assert "--in-bucket" in finished.only_line


@pytest.mark.parametrize(
    ("variable", "value", "command"),
    [("HYVE_JSON", "maybe", "plans"), ("HYVE_NO_INPUT", "maybe", "dryrun"), ("HYVE_SYNC", "imges", "plans")],
)
def test_a_wrong_variable_is_one_line(
    variable: str, value: str, command: str, pair: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    finished = hyve(command)
    assert finished.code == 2
    assert value in finished.only_line
    assert variable in finished.only_line or "images" in finished.only_line


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("dryrn",), "dryrun"),
        (("help", "undoo"), "undo"),
        (("dryrun", "--jsn"), "--json"),
        (("--jsn", "dryrun"), "--json"),
        (("copy", "--max-overwrite", "5"), "--max-overwrites"),
        (("iam-policy", "--side", "sorce"), "source"),
        (("completion", "bsh"), "bash"),
        (("plans", "--sync", "imges"), "images"),
        (("show", "latst"), "latest"),
        (("config", "chek"), "check"),
    ],
)
def test_what_is_close_to_a_name_is_suggested(arguments: tuple[str, ...], meant: str, pair: Pair, hyve: Hyve) -> None:
    finished = hyve(*arguments)
    assert finished.code == 2
    assert f"did you mean {meant}?" in finished.only_line


_RUN = """
import json, sys
from hyve_pipeline.cli.main import run
codes = [run(arguments) for arguments in json.loads(sys.argv[1])]
print(json.dumps([codes, sorted(sys.modules)]))
"""

# What a command loads once it begins.
_HEAVY = ("pydantic", "pyarrow", "boto3", "botocore", "awscrt", "dagster", "rich", "filelock", "moto", "jinja2")
_BEGUN = ("hyve_pipeline.operations", "hyve_pipeline.state", "hyve_pipeline.s3", "hyve_pipeline.orchestration")

# What a text option checks itself.
_WRONG_TEXTS = {
    "--max-deletes": "some",
    "--max-overwrites": "101%",
    "--max-cost": "cheap",
    "--max-duration": "soon",
    "--content": "half",
    "--keys": "some",
    "--inventory-date": "yesterday",
    "--as-of": "yesterday",
    "--profile": "/dev/null/profile.txt",
}


def _wrong() -> list[list[str]]:
    """Arguments with one mistake each, for every command and every option whose value can be wrong."""
    wrong = [
        *(["--no-such-option"], ["nonsense"], ["help", "nonsense"], ["--sync"]),
        *(["report", "--output", "-", "--json"], ["configure", "--replace-keys", "--no-input"]),
        *(["report", "--output", "-", "--open"], ["help", "copy", "--man"]),
    ]
    for name in COMMANDS:
        command = _command(name)
        wrong += [[name, "--no-such-option"], ["--no-such-option", name], [name, "a", "b", "c", "d"], [name, "-qv"]]
        for parameter in command.params:
            option = parameter.opts[0]
            if isinstance(parameter, click.Argument):
                wrong += [[name]] if parameter.required else []
                continue
            if not isinstance(parameter, click.Option) or parameter.is_flag or parameter.count:
                continue
            if not getattr(parameter, "_flag_needs_value", False):  # its value may be left out
                wrong.append([name, option])
            assert parameter.callback is None or option in _WRONG_TEXTS, option
            if parameter.callback is not None:
                wrong.append([name, option, _WRONG_TEXTS[option]])
            elif not isinstance(parameter.type, click.types.StringParamType | click.Path):
                wrong.append([name, option, "no-such-value"])
            elif option == "--home":
                wrong.append([name, option, ""])
    return wrong


def test_mistakes_in_arguments_are_found_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HYVE_HOME", str(home))
    wrong = _wrong()
    assert len(wrong) > 5 * len(COMMANDS)
    finished = subprocess.run(
        [sys.executable, "-c", _RUN, json.dumps(wrong)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    codes, modules = json.loads(finished.stdout)
    assert {" ".join(arguments): code for arguments, code in zip(wrong, codes, strict=True) if code != 2} == {}
    assert len(finished.stderr.splitlines()) == len(wrong)
    assert [name for name in modules if name.partition(".")[0] in _HEAVY] == []
    assert [name for name in modules if name.startswith(_BEGUN)] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_of_the_help_can_be_typed(name: str) -> None:
    entry = COMMANDS[name]
    assert entry.examples
    assert entry.section in SECTIONS
    for example in entry.examples:
        program, command, *arguments = shlex.split(example.partition(" > ")[0], comments=True)
        assert (program, command) == ("hyve", name)
        _command(name).make_context(name, arguments, parent=_context())
        # A terminal of 80 columns shows it in one line.
        assert len(example) < 75
        assert example in _command(name).get_help(click.Context(_command(name), info_name=name))
