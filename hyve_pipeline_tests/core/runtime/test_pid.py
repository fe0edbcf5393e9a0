"""Whether a process has ended."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hyve_pipeline.core.runtime.pid import is_running


def test_this_process_runs() -> None:
    assert is_running(os.getpid())


def test_a_process_has_ended_when_its_parent_knows_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert is_running(child.pid)
        child.kill()
        child.wait()
    assert not is_running(child.pid)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc")
def test_a_process_has_ended_also_when_its_parent_does_not_ask() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        deadline = time.monotonic() + 30
        while is_running(child.pid):
            assert time.monotonic() < deadline, "it is a zombie for as long as nobody waits for it"
            time.sleep(0.05)
        assert child.returncode is None, "nobody has waited for it yet"
