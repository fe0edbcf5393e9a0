"""The sign that a command has begun, until it prints something."""

import io
import subprocess
import sys

import pytest

from hyve_pipeline.cli import first_sign
from hyve_pipeline.cli.commands import COMMANDS
from hyve_pipeline.cli.first_sign import hide_sign, with_sign
from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline_tests.syncs import Hyve


class _Stream(io.StringIO):
    """A standard error that may be a terminal."""

    encoding = "utf-8"

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def _shown_by(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool, kind: str = "xterm") -> str:
    stream = _Stream(is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", kind)
    assert with_sign(lambda number: number + 1)(1) == 2
    hide_sign()
    return stream.getvalue()


def test_a_sign_is_shown_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _shown_by(monkeypatch, is_terminal=True) == "hyve …\r\r\x1b[K"


@pytest.mark.parametrize(("is_terminal", "kind"), [(False, "xterm"), (True, "dumb")])
def test_there_is_none_where_it_can_not_be_taken_away(
    is_terminal: bool, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _shown_by(monkeypatch, is_terminal=is_terminal, kind=kind) == ""


def test_it_goes_when_the_command_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := _Stream(is_terminal=True))
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(ZeroDivisionError):
        with_sign(lambda: 1 / 0)()
    assert stream.getvalue().endswith("\r\x1b[K")
    assert not first_sign._is_shown


@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"help", "completion"}))
def test_every_command_that_loads_something_shows_a_sign_first(
    command: str, hyve: Hyve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown() -> None:
        raise HyveError("the sign is shown")

    monkeypatch.setattr(first_sign, "_show_sign", shown)
    assert hyve(command).only_line == "hyve: the sign is shown"


def test_a_command_shows_something_before_it_has_loaded_what_it_needs() -> None:
    """Whatever the machine is busy with: before any library of data or of S3 is loaded."""
    command = "import sys; from hyve_pipeline.cli import first_sign; sign = first_sign._show_sign; "
    command += "first_sign._show_sign = lambda: (sign(), print(sorted(sys.modules))); "
    command += "from hyve_pipeline.cli.main import run; run(['dryrun', '--home', '/nowhere'])"
    loaded = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert "click" in loaded.stdout
    for name in ("pyarrow", "pydantic", "rich", "awscrt", "boto3", "duckdb"):
        assert f"'{name}'" not in loaded.stdout
