"""Help: there for every command, and in the words of the promise."""

import re
import subprocess
import sys

import pytest

from hyve_pipeline import __version__
from hyve_pipeline.cli.commands import COMMANDS
from hyve_pipeline.core.base.errors import EXIT_CODES
from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.syncs import Hyve

_ORIGINAL = ("configure", "dryrun", "copy", "sync", "help")


def test_help_lists_every_command_by_section_the_original_ones_first(hyve: Hyve) -> None:
    finished = hyve("help")
    assert (finished.code, finished.err) == (0, "")
    sections: dict[str, list[str]] = {}
    section = ""
    for line in finished.out.partition("Options:")[0].splitlines()[3:]:
        if re.match(r"\w", line):
            section = line.partition(" (")[0]
        elif line.startswith("  ") and line[2] != " ":
            sections.setdefault(section, []).append(line.split()[0])
    assert list(sections) == ["Set up", "Plan", "Apply", "Look", "Mend"]
    # Each in one line, in a terminal of 80 columns.
    assert [
        name
        for name, entry in COMMANDS.items()
        if not re.search(rf"^  {name} +{re.escape(entry.summary)}$", finished.out, re.MULTILINE)
    ] == []
    assert [name for names in sections.values() for name in names] == list(COMMANDS)
    for names in sections.values():
        original = [name for name in names if name in _ORIGINAL]
        assert names[: len(original)] == original
    for code in EXIT_CODES:
        assert str(code) in finished.out.partition("Exit codes:")[2]


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_no_command_is_a_call_for_help(arguments: tuple[str, ...], hyve: Hyve) -> None:
    finished = hyve(*arguments)
    assert (finished.code, finished.err) == (0, "")
    assert finished.out == hyve("help").out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, hyve: Hyve) -> None:
    explained = hyve("help", command)
    assert (explained.code, explained.err) == (0, "")
    assert explained.out.startswith(f"Usage: hyve {command}")
    assert hyve(command, "--help").out == explained.out
    if command not in ("help", "demo", "ui", "configure", "completion"):
        assert {"--home", "--sync", "--json"} <= set(explained.out.replace(",", " ").split())


def test_version(hyve: Hyve) -> None:
    assert __version__ in hyve("--version").out


def test_the_module_can_be_run_too() -> None:
    with started(["help"], is_new_interpreter=True) as child:
        out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    installed = subprocess.run(
        [f"{sys.prefix}/bin/hyve", "help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert out == installed.stdout
    assert out.startswith("Usage: hyve ")


def test_the_default_of_the_home_is_the_same_wherever_it_is_said(hyve: Hyve) -> None:
    for arguments in ((), ("copy",), ("configure",), ("ui",)):
        assert "[default: $HYVE_HOME or ~/.hyve]" in " ".join(hyve("help", *arguments).out.split())


def test_help_of_a_command_of_two_words(hyve: Hyve) -> None:
    for words in (("config", "check"), ("config", "schema"), ("completion", "zsh"), ("show", "latest")):
        explained = hyve("help", *words)
        assert (explained.code, explained.err) == (0, "")
        assert explained.out == hyve("help", words[0]).out
    wrong = hyve("help", "config", "chekc")
    assert wrong.code == 2
    assert wrong.only_line.endswith("did you mean check?")
    assert hyve("help", "delete", "copy").code == 2
