"""Dagster's code server, which loads the definitions once for web server and daemon.

It listens on a socket in a folder that only its owner can enter, not on a port: it executes code on request.
"""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from hyve_pipeline.orchestration.common.names import LOCATION

# Loaded by name, when the code server runs.
PROJECT = "hyve_pipeline.orchestration.ui.project"

_POLL_SECONDS = 0.1


def code_server_command(path: Path) -> list[str]:
    """The command line of the code server, for a socket."""
    command = ["dagster", "code-server", "start", "--socket", str(path), "--module-name", PROJECT]
    command += ["--location-name", LOCATION, "--use-python-environment-entry-point", "--inject-env-vars-from-instance"]
    return [*command, "--log-level", "warning", "--log-format", "json"]


def write_workspace(path: Path, code_server: Path) -> None:
    """Write the ``workspace.yaml`` with the code server."""
    place = {"socket": str(code_server), "location_name": LOCATION}
    path.write_text(yaml.safe_dump({"load_from": [{"grpc_server": place}]}), encoding="utf-8")


def await_code_server(path: Path, check: Callable[[], None] = lambda: None) -> None:
    """Wait until the code server answers: when it has loaded the definitions, or failed to.

    Args:
        path: its socket.
        check: called repeatedly meanwhile; an exception ends the waiting.
    """
    while not _answers(path):
        check()
        time.sleep(_POLL_SECONDS)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
