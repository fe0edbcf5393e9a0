"""Heartbeats of runs, as other processes see them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.liveness import RunSign, last_sign, remove_old_signs

_GO_ON = """
import pathlib, sys, time
from pathlib import Path
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.liveness import RunSign
RunSign(Folder.local(pathlib.Path(sys.argv[1])), "run").begin()
print("begun", flush=True)
time.sleep(600)
"""


@contextmanager
def run_elsewhere(state: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with a running run."""
    command = [sys.executable, "-c", _GO_ON, str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        try:
            yield process
        finally:
            process.kill()


def put_back(state: Path, run: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(state / "runs" / f"{run}.alive", (then, then))


def test_a_run_that_never_started_has_no_heartbeat(tmp_path: Path) -> None:
    assert last_sign(Folder.local(tmp_path), "run") is None


def test_a_lock_is_held_until_its_process_is_killed(tmp_path: Path) -> None:
    state = Folder.local(tmp_path)
    with run_elsewhere(tmp_path) as process:
        held = last_sign(state, "run")
        assert held is not None
        assert (held.is_held, held.is_of_this_system) == (True, True)
        process.send_signal(signal.SIGSTOP)
        stopped = last_sign(state, "run")
        assert stopped is not None
        assert stopped.is_held, "a stopped process still holds its lock"
        process.kill()
        process.wait()
        free = last_sign(state, "run")
        assert free is not None
        assert not free.is_held


def test_steps_in_separate_processes_share_the_lock(tmp_path: Path) -> None:
    state = Folder.local(tmp_path)
    first, second = RunSign(state, "run"), RunSign(state, "run")
    first.begin()
    second.begin()
    first.end()
    assert getattr(last_sign(state, "run"), "is_held", None) is True
    second.end()
    assert getattr(last_sign(state, "run"), "is_held", None) is False


def test_it_is_touched_while_the_run_is_running(tmp_path: Path) -> None:
    state = Folder.local(tmp_path)
    sign = RunSign(state, "run", beat=0.05)
    sign.begin()
    put_back(tmp_path, "run", 900)
    deadline = time.monotonic() + 30
    while (found := last_sign(state, "run")) is None or found.age > 300:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    sign.end()
    put_back(tmp_path, "run", 900)
    time.sleep(0.2)
    found = last_sign(state, "run")
    assert found is not None
    assert found.age > 800


def test_another_system_is_distinguished_from_this_one(tmp_path: Path) -> None:
    state = Folder.local(tmp_path)
    sign = RunSign(state, "run")
    sign.begin()
    sign.end()
    (tmp_path / "runs" / "run.alive").write_text("0a1b2c3d-another-boot\n")
    found = last_sign(state, "run")
    assert found is not None
    assert not found.is_of_this_system


def test_old_files_are_removed(tmp_path: Path) -> None:
    state = Folder.local(tmp_path)
    remove_old_signs(state)
    for name in ("old", "young"):
        sign = RunSign(state, name)
        sign.begin()
        sign.end()
    put_back(tmp_path, "old", 900)
    remove_old_signs(state, kept_seconds=600)
    assert last_sign(state, "old") is None
    assert last_sign(state, "young") is not None


def test_in_a_bucket_its_age_says_that_a_run_is_in_progress(in_bucket: Folder) -> None:
    assert last_sign(in_bucket, "run") is None
    first, second = RunSign(in_bucket, "run", beat=0.05), RunSign(in_bucket, "run", beat=0.05)
    first.begin()
    second.begin()
    first.end()
    for _ in range(2):
        found = last_sign(in_bucket, "run")
        assert found is not None
        assert (found.is_held, found.is_of_this_system) == (False, False)
        assert found.age <= 2
        time.sleep(2.5)
    second.end()
    time.sleep(3)
    found = last_sign(in_bucket, "run")
    assert found is not None
    assert found.age >= 2
    remove_old_signs(in_bucket)
    assert last_sign(in_bucket, "run") is not None
    remove_old_signs(in_bucket, kept_seconds=1)
    assert last_sign(in_bucket, "run") is None
