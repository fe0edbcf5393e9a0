"""A process that runs one command: its changes apply to this process only."""

import json
import os
import platform
import subprocess
import sys

import pytest

_SCRIPT = """
import gc, json, os
from hyve_pipeline.core.runtime import startup
before = dict(os.environ)
startup.begin()
during = dict(os.environ)
startup.end()
print(json.dumps([before, during, startup.environment_for_other_code(), gc.get_freeze_count()]))
"""


def _environments(**variables: str) -> tuple[dict[str, str], dict[str, str], dict[str, str], int]:
    command = [sys.executable, "-c", _SCRIPT]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYDANTIC_")}
    finished = subprocess.run(
        command, env=inherited | variables, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(finished.stdout)


def test_variables_of_a_command_are_not_passed_to_processes_that_run_other_code() -> None:
    before, during, for_others, frozen = _environments()
    assert during["PYDANTIC_DISABLE_PLUGINS"] == "__all__"
    assert for_others == before
    assert frozen > 0


def test_variables_of_the_user_are_kept() -> None:
    _, during, for_others, _ = _environments(PYDANTIC_DISABLE_PLUGINS="some-plugin")
    assert during["PYDANTIC_DISABLE_PLUGINS"] == "some-plugin"
    assert for_others["PYDANTIC_DISABLE_PLUGINS"] == "some-plugin"


_FREED = """
from hyve_pipeline.core.runtime import startup

def present():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

startup.begin()
blocks = [bytearray(64 * 1024) for _ in range(1000)]
# Without the last one, the C library would give the memory back by itself.
del blocks[:-1]
before = present()
startup.return_freed_memory()
print(before - present())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no malloc_trim")
def test_memory_that_was_freed_is_given_back() -> None:
    child = subprocess.run([sys.executable, "-c", _FREED], capture_output=True, text=True, timeout=60, check=True)
    assert int(child.stdout) > 32 * 1024**2
