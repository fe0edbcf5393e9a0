"""Dagster's three servers, started and stopped together: code server, web server with the gate, and daemon."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.runtime import startup
from hyve_pipeline.core.runtime.atomic_write import open_private
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.ui.access_token import bearer
from hyve_pipeline.orchestration.ui.code_server import await_code_server, code_server_command, write_workspace

_START_SECONDS = 180
_STOP_SECONDS = 30
_POLL_SECONDS = 0.1
_WATCH_SECONDS = 0.5

_CHILD = "hyve_pipeline.orchestration.ui.child"
_WEBSERVER = "hyve_pipeline.orchestration.ui.webserver"


class Servers:
    """The servers of one home.

    Attributes:
        log_file: the output of all of them.
    """

    def __init__(self, home: Home, folder: Path, log: IO[str]) -> None:
        """Use `running_servers`."""
        self.log_file = Path(log.name)
        self._home = home
        self._log = log
        self._code_server, self._workspace = folder / "code", folder / "workspace.yaml"
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._started: list[subprocess.Popen[str]] = []

    def start(self, listening: socket.socket) -> None:
        """Start the code server, and the web server on the socket `listening`."""
        write_workspace(self._workspace, self._code_server)
        self._start_code_server()
        arguments = ["--home", str(self._home.path), "--workspace", str(self._workspace)]
        arguments += ["--code-server", str(self._code_server), "--listening", str(listening.fileno())]
        self._start("web server", [_WEBSERVER, *arguments], [listening.fileno()])

    def _start_code_server(self) -> None:
        self._start("code server", [_CHILD, *code_server_command(self._code_server)])

    def _start(self, name: str, module: Sequence[str], descriptors: Sequence[int] = ()) -> None:
        own = {"HYVE_HOME": str(self._home.path), "DAGSTER_HOME": str(self._home.dagster_home)}
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", *module],
            env={**startup.environment_for_other_code(), **own},
            stdin=subprocess.PIPE,  # closing it ends the process, see `child`
            stdout=self._log,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            # A group of its own: a terminal's Ctrl-C reaches only this process, which then stops the others in order.
            start_new_session=True,
            text=True,
        )
        self._running[name] = process
        self._started.append(process)

    def await_ready(self, url: str, token: str) -> None:
        """Wait until the UI answers, and start the daemon.

        Args:
            url: the UI's URL.
            token: the access token.

        Raises:
            HyveError: a server ended, or does not answer.
        """
        deadline = time.monotonic() + _START_SECONDS

        def check() -> None:
            self.check()
            if time.monotonic() > deadline:
                raise HyveError(f"Dagster did not answer within {_START_SECONDS} s: see {self.log_file}")

        await_code_server(self._code_server, check)
        # Before the code server answers, it would report broken definitions.
        daemon = ["dagster-daemon", "run", "--workspace", str(self._workspace)]
        self._start("daemon", [_CHILD, *daemon, "--log-level", "warning", "--log-format", "json"])
        while not _answers(url, token):
            check()
            time.sleep(_POLL_SECONDS)

    def check(self) -> None:
        """Check that all of them run.

        Raises:
            HyveError: one ended unexpectedly.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                raise HyveError(
                    f"Dagster's {name} ended unexpectedly with code {process.returncode}: see {self.log_file}"
                )

    def renew(self) -> None:
        """Start the code server again if it has ended: web server and daemon then use the new one."""
        if self._running["code server"].poll() is not None:
            self._code_server.unlink(missing_ok=True)
            self._start_code_server()

    def wait(self, seconds: float) -> None:
        """Wait, at most until web server or daemon ends."""
        deadline = time.monotonic() + seconds
        watched = [process for name, process in self._running.items() if name != "code server"]
        while time.monotonic() < deadline and all(process.poll() is None for process in watched):
            time.sleep(_WATCH_SECONDS)

    def stop(self) -> None:
        """Stop all of them, and the processes that they started."""
        for process in self._started:
            if process.stdin is not None:
                process.stdin.close()
        deadline = time.monotonic() + _STOP_SECONDS
        # Not reaped yet: until then no other process gets its id, which is also the id of its group.
        while not all(map(_has_ended, self._started)) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        for process in self._started:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(url: str, token: str) -> bool:
    # Not through a proxy: there, 127.0.0.1 is the proxy's own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"{url}/server_info", headers=bearer(token))  # noqa: S310 - our own
    with suppress(urllib.error.URLError, ConnectionError, TimeoutError), opener.open(request, timeout=1):
        return True
    return False


def _has_ended(process: subprocess.Popen[str]) -> bool:
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


@contextmanager
def running_servers(home: Home, listening: socket.socket) -> Iterator[Servers]:
    """Start the code server and the web server; all servers are stopped when the block ends.

    Args:
        home: the home to show.
        listening: the socket of the web server.
    """
    log_file = home.path / "ui.log"
    with ExitStack() as stack:
        # A short path: the name of a socket has at most about 100 bytes.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hyve-")))
        log = stack.enter_context(open_private(log_file, "w"))
        servers = Servers(home, folder, log)
        stack.callback(servers.stop)
        servers.start(listening)
        yield servers
