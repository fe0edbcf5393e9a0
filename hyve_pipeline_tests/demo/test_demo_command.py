"""`hyve demo` as a user runs it: real processes, which all end with it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.processes import descendants, living_after, run_hyve

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc")


def test_shows_everything_and_starts_from_scratch(tmp_path: Path) -> None:
    user = tmp_path / "user"
    user.mkdir()
    lists = tmp_path / ".demo" / "out" / "images"
    lists.mkdir(parents=True)
    (lists / "left over").touch()
    (tmp_path / ".demo" / "hyve.toml").write_text("[wrong]")
    (tmp_path / ".demo" / ".hyve-demo").touch()

    result = run_hyve("demo", folder=tmp_path, HOME=str(user), AWS_PROFILE="none-such", HYVE_HOME="/nowhere")

    assert result.returncode == 0, result.stdout + result.stderr
    for command in ("dryrun", "copy", "delete", "verify"):
        assert f"$ hyve {command}\n" in result.stdout
    assert "168 of 168" in result.stdout
    for name in ("new", "modified", "duplicate_stores"):
        assert (lists / f"{name}.txt").stat().st_size
        assert f".demo/out/images/{name}.txt" in result.stdout
    assert "ui --home .demo\n" in result.stdout
    assert "demo --ui\n" in result.stdout
    assert r"uploads/\x1b[2Jcleared\x0ascreen.png" in result.stdout
    assert not set("\x1b\u202e\x07") & set(result.stdout + result.stderr), "keys are escaped on the terminal"
    assert not list(user.iterdir()), "the user's home is untouched"
    assert not (lists / "left over").exists()


def test_a_quiet_demo_does_the_same_and_prints_only_warnings(tmp_path: Path) -> None:
    result = run_hyve("demo", "--quiet", folder=tmp_path)
    assert (result.returncode, result.stdout) == (0, "")
    assert [line for line in result.stderr.splitlines() if not line.startswith("warning: ")] == []
    assert (tmp_path / ".demo" / "out" / "images" / "new.txt").stat().st_size


@contextmanager
def _begun(folder: Path, **more: Any) -> Iterator["subprocess.Popen[str]"]:
    """A demo that is about to start its first command."""
    with started(["demo", "--home", str(folder / "home")], **more) as process:
        assert process.stdout is not None
        while process.stdout.readline() not in ("$ hyve dryrun\n", ""):
            pass
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_stops_what_it_started(tmp_path: Path, number: signal.Signals) -> None:
    """The signal comes while a command starts, and only to the demo."""
    with _begun(tmp_path, start_new_session=True) as process:
        deadline = time.monotonic() + 30
        while len(children := descendants(process.pid)) < 2 and time.monotonic() < deadline:
            pass
        assert len(children) >= 2, "the server and a command"
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not living_after(children, 10)


def test_nothing_outlives_a_killed_demo(tmp_path: Path) -> None:
    with _begun(tmp_path) as process:
        children = descendants(process.pid)
        process.kill()
        process.communicate()
    assert not living_after(children, 60)


def test_a_folder_that_is_not_a_demos_home_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    result = run_hyve("demo", "--home", str(tmp_path))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert str(tmp_path) in result.stderr
    assert os.listdir(tmp_path) == ["precious"]  # noqa: PTH208 - all that there is
