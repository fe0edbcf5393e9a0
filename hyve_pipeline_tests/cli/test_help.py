"""Help: there for every command, and in the words of the promise."""

import subprocess
import sys

import pytest

from hyve_pipeline import __version__
from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.syncs import Hyve

_COMMANDS = ("configure", "dryrun", "copy", "sync", "help")
_MORE = ("delete", "verify", "retry", "plans", "show", "report", "ui", "demo")


def test_help_lists_every_command_the_original_ones_first(hyve: Hyve) -> None:
    finished = hyve("help")
    assert (finished.code, finished.err) == (0, "")
    listed = [line.split()[0] for line in finished.out.splitlines() if line.startswith("  ") and line.split()]
    commands = [name for name in listed if name in _COMMANDS + _MORE]
    assert commands[: len(_COMMANDS)] == list(_COMMANDS)
    assert set(commands) == set(_COMMANDS + _MORE)
    for code in ("0", "1", "2", "3", "4", "130"):
        assert code in finished.out.partition("Exit codes:")[2]


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_no_command_is_a_call_for_help(arguments: tuple[str, ...], hyve: Hyve) -> None:
    finished = hyve(*arguments)
    assert (finished.code, finished.err) == (0, "")
    assert finished.out == hyve("help").out


@pytest.mark.parametrize("command", [*_COMMANDS, *_MORE])
def test_every_command_explains_itself(command: str, hyve: Hyve) -> None:
    explained = hyve("help", command)
    assert (explained.code, explained.err) == (0, "")
    assert explained.out.startswith(f"Usage: hyve {command}")
    assert hyve(command, "--help").out == explained.out
    if command not in ("help", "demo", "ui", "configure"):
        assert {"--home", "--sync", "--json"} <= set(explained.out.replace(",", " ").split())


def test_version(hyve: Hyve) -> None:
    assert __version__ in hyve("--version").out


def test_the_module_can_be_run_too() -> None:
    with started(["help"]) as child:
        out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    installed = subprocess.run(
        [f"{sys.prefix}/bin/hyve", "help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert out == installed.stdout
    assert out.startswith("Usage: hyve ")
