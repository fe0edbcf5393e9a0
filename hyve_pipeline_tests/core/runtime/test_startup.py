"""A process that runs one command: its changes apply to this process only."""

import json
import os
import subprocess
import sys

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
