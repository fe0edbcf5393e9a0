"""``hyve ui``: Dagster's web UI and daemon for one home, until Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from hyve_pipeline.cli.extras import require_extra
from hyve_pipeline.cli.options import home_option
from hyve_pipeline.cli.signals import ending_signals_interrupt
from hyve_pipeline.core.base.errors import ConfigurationError, HyveError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, open_private, replace_file

if TYPE_CHECKING:
    from hyve_pipeline.operations.context import Home

_HOST = "127.0.0.1"
_START_SECONDS = 180
_STOP_SECONDS = 30
_POLL_SECONDS = 0.1

# How often runs of commands that were killed meanwhile are closed, so that they take no place in the queue.
_LOOK_AFTER_SECONDS = 10.0

port_option = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=3000,
    show_default=True,
    help="The port on 127.0.0.1; 0 takes a free one.",
)
browser_option = click.option(
    "--browser/--no-browser",
    default=None,
    show_default="on a desktop's terminal",
    help="Show it in the web browser.",
)


@click.command()
@home_option
@port_option
@browser_option
def ui(home: Path, port: int, browser: bool | None) -> int:
    """Open the Dagster web UI for this configuration, with the daemon that launches what it is asked for.

    It listens on 127.0.0.1 only, and runs until Ctrl-C.
    """
    require_extra("ui", "dagster_webserver")
    from hyve_pipeline.operations.context import Home

    return run_ui(Home(home), port, browser=browser)


def run_ui(home: "Home", port: int, *, browser: bool | None) -> int:
    """Run the UI until a signal ends it, which is its normal end.

    Args:
        home: the home to show.
        port: where to listen; 0 takes a free port.
        browser: whether to show it in the web browser; None decides by the terminal.

    Returns:
        The exit code.

    Raises:
        ConfigurationError: the configuration is missing or wrong, the port can't be had, or the home's UI
            runs already.
        HyveError: Dagster did not start, or ended by itself.
    """
    from filelock import FileLock, Timeout

    from hyve_pipeline.operations.context import load_configuration
    from hyve_pipeline.orchestration.commands.instance import open_instance
    from hyve_pipeline.orchestration.commands.janitor import close_dead_runs

    load_configuration(home)
    port = _claim_port(port)
    # Two daemons would both launch what is queued and what is scheduled.
    lock = FileLock(home.path / ".ui.lock", mode=FILE_MODE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigurationError(f"{displayed(str(home.path))}: another `hyve ui` runs on this home") from None
    with lock, open_instance(home) as instance:
        close_dead_runs(instance)
    click.echo("starting Dagster, which takes some seconds", err=True)
    with lock, suppress(KeyboardInterrupt), ending_signals_interrupt(), _dagster(home, port) as dagster:
        url = f"http://{_HOST}:{port}"
        _wait_until_ready(dagster, url, home)
        click.echo(f"Dagster UI: {url} (Ctrl-C ends it)")
        if _has_desktop() if browser is None else browser:
            webbrowser.open(url)
        while dagster.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                dagster.wait(_LOOK_AFTER_SECONDS)
            # A database that is busy, or settings that are being edited, are no reason to end: the next time will do.
            with suppress(HyveError), open_instance(home) as instance:
                close_dead_runs(instance)
        raise HyveError(f"Dagster ended by itself with code {dagster.returncode}: see {_log_file(home)}")
    return 0


def _claim_port(port: int) -> int:
    with socket.socket() as probe:
        # As the server does: a connection that was closed a moment ago does not block its port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ConfigurationError(
                f"{_HOST}:{port} can't be listened on: {error.strerror}; choose another port by --port, or 0 for a "
                "free one"
            ) from None
        return probe.getsockname()[1]


@contextmanager
def _dagster(home: "Home", port: int) -> Iterator[subprocess.Popen[str]]:
    """Web server, daemon and code server; all have ended when the block has."""
    command = [sys.executable, "-m", "hyve_pipeline.cli.dagster_child", "dev", "--workspace", str(_workspace(home))]
    command += ["--host", _HOST, "--port", str(port), "--log-level", "warning", "--log-format", "json"]
    own = {"HYVE_HOME": str(home.path), "DAGSTER_HOME": str(home.dagster_home)}
    with open_private(_log_file(home), "w") as log:
        process = _start(command, {**os.environ, **own}, log)
        try:
            yield process
        finally:
            _stop(process)


def _start(command: list[str], variables: dict[str, str], log: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        env=variables,
        stdin=subprocess.PIPE,  # what ends it, see `dagster_child`
        stdout=log,
        stderr=subprocess.STDOUT,
        # A group of its own: a terminal's Ctrl-C reaches this process only, which then ends the others in order.
        start_new_session=True,
        text=True,
    )


def _stop(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    deadline = time.monotonic() + _STOP_SECONDS
    # Not reaped yet: until then its number, which is also its group's, can't become another process's.
    while not _has_ended(process) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _has_ended(process: subprocess.Popen[str]) -> bool:
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _wait_until_ready(dagster: subprocess.Popen[str], url: str, home: "Home") -> None:
    # Not through a proxy, which would look for the server on its own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if dagster.poll() is not None:
            raise HyveError(f"Dagster did not start (code {dagster.returncode}): see {_log_file(home)}")
        with suppress(urllib.error.URLError, ConnectionError, TimeoutError), opener.open(f"{url}/server_info"):
            return
        time.sleep(_POLL_SECONDS)
    raise HyveError(f"Dagster did not answer within {_START_SECONDS} s: see {_log_file(home)}")


def _workspace(home: "Home") -> Path:
    """The file that tells Dagster what to load."""
    from hyve_pipeline.orchestration.common.names import DEFINITIONS_MODULE, LOCATION

    path = home.path / "workspace.yaml"
    text = f"load_from:\n  - python_module:\n      module_name: {DEFINITIONS_MODULE}\n      location_name: {LOCATION}\n"
    replace_file(path, text.encode(), FILE_MODE)
    return path


def _log_file(home: "Home") -> Path:
    return home.path / "ui.log"


def _has_desktop() -> bool:
    # Elsewhere, a text browser might take the terminal over.
    has_display = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.stdout.isatty() and bool(has_display)
