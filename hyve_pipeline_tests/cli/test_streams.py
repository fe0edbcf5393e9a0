"""Standard streams that nobody reads any more: the work goes on, and the exit code is that of the work."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.syncs import Hyve, Pair

_PATIENCE = 60


@contextmanager
def _unread() -> Iterator[int]:
    """The end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


def _code(*arguments: str, stdout: int, stderr: int = subprocess.PIPE) -> int:
    """The exit code of a command; it says nothing of the pipe."""
    with started(arguments, stdout=stdout, stderr=stderr) as child:
        _, err = child.communicate(timeout=_PATIENCE)
    for word in ("Exception", "Traceback", "roken pipe"):
        assert word not in (err or "")
    return child.returncode


def test_a_command_that_only_prints_ends_with_0(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1"})
    assert hyve("dryrun").code == 0
    with _unread() as pipe:
        for arguments in (
            *(("help",), (), ("help", "copy"), ("help", "--man"), ("completion", "bash"), ("iam-policy",)),
            *(("config",), ("config", "schema"), ("metrics",)),
            *(("plans",), ("plans", "--json"), ("show",), ("show", "--json"), ("report", "--output", "-"), ("report",)),
        ):
            assert _code(*arguments, stdout=pipe) == 0, arguments


def test_a_command_that_works_goes_on(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    pair.store.put({"gone": b"1"})
    with _unread() as pipe:
        assert _code("dryrun", stdout=pipe) == 0
        assert _code("dryrun", "--json", stdout=pipe, stderr=pipe) == 0
        assert _code("verify", stdout=pipe) == 1  # not applied yet
        assert _code("sync", stdout=pipe, stderr=pipe) == 0
        assert _code("undo", "latest", "--json", stdout=pipe) == 3  # nothing was kept
    assert set(pair.source.read()) <= set(pair.store.read())
    assert hyve("plans", "--json").document["plans"][-1]["state"] == "finished"


@pytest.mark.parametrize("arguments", [("plans", "--sync", "unknown"), ("dryrun", "--no-such-option")], ids=" ".join)
def test_a_failure_keeps_its_code(pair: Pair, arguments: tuple[str, ...]) -> None:
    with _unread() as pipe:
        assert _code(*arguments, stdout=pipe, stderr=pipe) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that takes nothing")
@pytest.mark.parametrize("command", ["help", "plans", "sync"])
def test_an_output_that_takes_nothing_is_one_line(command: str, pair: Pair) -> None:
    """As a log on a full disk."""
    pair.source.put({"a": b"1"})
    with Path("/dev/full").open("w") as full, started([command], stdout=full) as child:
        _, err = child.communicate(timeout=_PATIENCE)
    assert child.returncode == 1
    failures = [line for line in err.splitlines() if not line.startswith("images: ")]
    assert failures == ["hyve: standard output can't be written: No space left on device"]
    assert (pair.store.keys() == ["a"]) == (command == "sync")
