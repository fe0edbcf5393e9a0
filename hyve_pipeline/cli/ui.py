"""``hyve ui``: Dagster's web UI and daemon for one home, until Ctrl-C."""

import html
import json
import os
import socket
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyve_pipeline.cli.browser import has_display
from hyve_pipeline.cli.extras import require_extra
from hyve_pipeline.cli.first_sign import hide_sign, with_sign
from hyve_pipeline.cli.options import home_option
from hyve_pipeline.cli.signals import ending_signals_interrupt
from hyve_pipeline.cli.typed import naming_commands
from hyve_pipeline.core.base.errors import ConfigurationError, HyveError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, replace_file

if TYPE_CHECKING:
    from hyve_pipeline.operations.context import Home

_HOST = "127.0.0.1"

# Where the running UI is.
_NOTE = ".ui.json"

# Seconds between checks for runs whose process was killed: they are closed, so that they don't block the queue.
_CHECK_SECONDS = 10.0

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


metrics_option = click.option(
    "--metrics",
    "metrics_port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Also serve figures for Prometheus on this port, at /metrics and without a token; 0 takes a free one.",
)
metrics_address_option = click.option(
    "--metrics-address",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="The address of --metrics. Anybody who reaches it can read the figures.",
)


@click.command()
@home_option
@port_option
@browser_option
@metrics_option
@metrics_address_option
@naming_commands
@with_sign
def ui(home: Path, port: int, browser: bool | None, metrics_port: int | None, metrics_address: str) -> int:
    """Open the Dagster web UI for this configuration, with the daemon for runs, schedules and sensors.

    It listens on 127.0.0.1 only, needs the token in the URL that it prints, and runs until Ctrl-C.
    """
    require_extra("ui", "dagster_webserver")
    from hyve_pipeline.operations.context import Home

    metrics = None if metrics_port is None else (metrics_address, metrics_port)
    return run_ui(Home(home), port, browser=browser, metrics=metrics)


def run_ui(home: "Home", port: int, *, browser: bool | None, metrics: tuple[str, int] | None = None) -> int:
    """Run the UI until a signal ends it, which is its normal end.

    Args:
        home: the home to show.
        port: where to listen; 0 takes a free port.
        browser: whether to show it in the web browser; None decides by the terminal.
        metrics: address and port at which to serve figures for Prometheus; None does not.

    Returns:
        The exit code.

    Raises:
        ConfigurationError: the configuration is missing or wrong, the port can't be listened on, or the home's UI
            runs already.
        HyveError: Dagster did not start, or ended unexpectedly.
    """
    from hyve_pipeline.operations.context import load_configuration

    load_configuration(home)
    hide_sign()
    # The lock before the port: a second UI is refused for what it is, and not because its port is taken.
    with (
        _only_ui(home),
        _listening(port) as listening,
        _noted(home, _url_of(listening)),
        _serving_metrics(home, metrics),
    ):
        _tidy(home)
        click.echo("starting Dagster, which takes some seconds", err=True)
        with suppress(KeyboardInterrupt), ending_signals_interrupt():
            _serve(home, listening, browser=_has_desktop() if browser is None else browser)
    return 0


def _url_of(listening: socket.socket) -> str:
    return f"http://{_HOST}:{listening.getsockname()[1]}"


def _serve(home: "Home", listening: socket.socket, *, browser: bool) -> None:
    from hyve_pipeline.orchestration.ui.access_token import access_token, opening_url
    from hyve_pipeline.orchestration.ui.servers import running_servers

    token = access_token(home.path)
    url = _url_of(listening)
    with running_servers(home, listening) as servers:
        # The web server holds the socket; when that ends, the port is free.
        listening.close()
        servers.await_ready(url, token)
        click.echo(f"Dagster UI: {opening_url(url, token)} (Ctrl-C ends it)")
        with _shown(home, opening_url(url, token)) if browser else nullcontext():
            while True:
                servers.wait(_CHECK_SECONDS)
                servers.renew()
                servers.check()
                # A busy database, or settings that are being edited, must not end the UI.
                with suppress(HyveError):
                    _tidy(home)


@contextmanager
def _serving_metrics(home: "Home", metrics: tuple[str, int] | None) -> Iterator[None]:
    if metrics is None:
        yield
        return
    from hyve_pipeline.orchestration.ui.metrics_endpoint import metrics_endpoint

    address, port = metrics
    with metrics_endpoint(home, port, address) as url:
        click.echo(f"metrics for Prometheus: {url}")
        yield


def _tidy(home: "Home") -> None:
    """Let Dagster show no run in progress whose process has ended, and no store as copied before anything ran."""
    from hyve_pipeline.operations.context import SyncContext, load_configuration
    from hyve_pipeline.orchestration.common.instance import open_instance
    from hyve_pipeline.orchestration.common.liveness import close_dead_runs
    from hyve_pipeline.orchestration.common.names import Names
    from hyve_pipeline.orchestration.common.partitions import apply_changes, placeholder_change

    with open_instance(home) as instance:
        for sync in load_configuration(home).sync.values():
            context, names = SyncContext(home, sync), Names(sync.name, home.id)
            close_dead_runs(instance, context, names)
            if not context.plans.ids():
                apply_changes(instance, placeholder_change(instance, names, None))


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    """A socket that listens on loopback, so that no other program can take the port until the web server has it."""
    with socket.socket() as listening:
        # A connection that was closed a moment ago does not block its port.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((_HOST, port))
            listening.listen(128)
        except OSError as error:
            raise ConfigurationError(
                f"{_HOST}:{port} can't be listened on: {error.strerror}; choose another port by --port, or 0 for a "
                "free one"
            ) from None
        yield listening


@contextmanager
def _only_ui(home: "Home") -> Iterator[None]:
    """Hold the home's lock: two daemons would launch each queued and each scheduled run twice."""
    from filelock import FileLock, Timeout

    lock = FileLock(home.path / ".ui.lock", mode=FILE_MODE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigurationError(f"hyve ui runs already on {displayed(str(home.path))}{_where(home)}") from None
    with lock:
        yield


@contextmanager
def _noted(home: "Home", url: str) -> Iterator[None]:
    """Keep in the home where its UI is, for the message of a second one."""
    note = home.path / _NOTE
    document = {"url": url, "process": os.getpid(), "host": socket.gethostname()}
    replace_file(note, json.dumps(document).encode(), FILE_MODE)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def _where(home: "Home") -> str:
    """Where the UI that holds the lock is, as the end of a message."""
    from hyve_pipeline.orchestration.ui.access_token import token_file

    try:
        note = json.loads((home.path / _NOTE).read_bytes())
        place = f"{note['url']} (process {note['process']} on {note['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ": it is about to start"
    return f": {displayed(place)}; its token is in {displayed(str(token_file(home.path)))}"


@contextmanager
def _shown(home: "Home", url: str) -> Iterator[None]:
    """Show the UI in the web browser.

    With a file that redirects to it: every user of the machine can read the arguments of the browser, and so a URL.
    """
    page = home.path / "ui.html"
    target = html.escape(url)
    text = f'<!doctype html><meta http-equiv="refresh" content="0;url={target}"><a href="{target}">Dagster UI</a>\n'
    replace_file(page, text.encode(), FILE_MODE)
    try:
        webbrowser.open(page.absolute().as_uri())
        yield
    finally:
        page.unlink(missing_ok=True)


def _has_desktop() -> bool:
    return sys.stdout.isatty() and has_display()
