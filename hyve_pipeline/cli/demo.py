"""``hyve demo``: the whole of Hyve on an embedded S3 server with made-up images."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click

from hyve_pipeline.cli.extras import require_extra
from hyve_pipeline.cli.first_sign import hide_sign, with_sign
from hyve_pipeline.cli.modes import is_quiet, verbosity
from hyve_pipeline.cli.options import Folder
from hyve_pipeline.cli.signals import ending_signals_interrupt
from hyve_pipeline.cli.ui import browser_option, port_option, run_ui
from hyve_pipeline.core.base.keys import displayed, parse_list_line

_COMMANDS = ("dryrun", "copy", "delete", "verify")
_LISTS = ("new", "modified", "duplicate_stores")
_SHOWN_KEYS = 3
_STOP_SECONDS = 30


@click.command()
@click.option(
    "--home",
    type=Folder(file_okay=False, path_type=Path),
    default=".demo",
    show_default=True,
    help="The demo's own home. Created if needed; an earlier demo's is emptied, any other folder is left alone.",
)
@click.option("--ui", "with_ui", is_flag=True, help="Open the web UI at the end, with the S3 server still running.")
@port_option
@browser_option
@with_sign
def demo(home: Path, with_ui: bool, port: int, browser: bool | None) -> int:
    """Try dryrun, copy, delete and verify on an embedded S3 server with made-up images.

    Needs no account and no network, and uses neither your configuration nor your AWS files. Everything that it
    starts ends with it; its home stays.
    """
    require_extra("demo", "moto", "flask", "flask_cors")
    if with_ui:
        require_extra("ui", "dagster_webserver")
    from hyve_pipeline.demo.buckets import add_images, fill_buckets
    from hyve_pipeline.demo.home import claimed_home, configure, own_environment
    from hyve_pipeline.demo.server import EmbeddedServer
    from hyve_pipeline.operations.context import Home

    with (
        ending_signals_interrupt(),
        claimed_home(Home(home).path) as own_home,
        own_environment(own_home),
        EmbeddedServer() as server,
    ):
        _say(f"The demo's own S3 server runs at {server.endpoint_url}. It has")
        filled = fill_buckets(server.endpoint_url)
        _say(f"  hyve-rootwork  the source  {filled.unchanged + filled.modified + filled.new:>4} images")
        _say(f"  hyve-store     the store   {filled.unchanged + filled.modified + filled.duplicate:>4} images")
        _say(f"The configuration is {_shown(configure(own_home, server.endpoint_url))}.")
        for command in _COMMANDS:
            code = _run_hyve(command)
            if code:
                return code
            if command == "dryrun":
                _show_lists(own_home / "out" / "images")
        if with_ui:
            _say()
            count = add_images(server.endpoint_url)
            _say(f"{count} more images came into hyve-rootwork: launch images_dryrun in the UI to find them.")
            return run_ui(Home(own_home), port, browser=browser)
    _say_what_next(own_home)
    return 0


def _run_hyve(command: str) -> int:
    """Run one command as the user would, and wait for it.

    Returns:
        Its exit code.
    """
    _say()
    if not is_quiet():
        click.secho(f"$ hyve {command}", bold=_has_colours())
    modes = ["--quiet"] * is_quiet() + ["--verbose"] * verbosity()
    # The command has them blocked too, until it can say in one line that it was interrupted, see
    # `ending_signals_interrupt`: an interpreter that is interrupted while it starts prints a traceback.
    blocked_before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "hyve_pipeline", command, *modes],
        stdin=subprocess.DEVNULL,
        # A terminal's Ctrl-C reaches only this process, which passes it on once: a second one would stop the cleanup.
        start_new_session=True,
    )
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked_before)
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        raise
    finally:
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _show_lists(folder: Path) -> None:
    """Print the beginning of each list."""
    for name in _LISTS:
        path = folder / f"{name}.txt"
        # Only a newline ends a line: a key may contain other characters that `splitlines` would split at.
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        _say(f"{_shown(path)}: {len(lines)} keys")
        odd_first = sorted(map(parse_list_line, lines), key=lambda key: key == displayed(key))
        for key in odd_first[:_SHOWN_KEYS]:
            _say(f"    {displayed(key)}")
        if len(lines) > _SHOWN_KEYS:
            _say("    …")


def _say_what_next(home: Path) -> None:
    hyve = _program()
    _say()
    _say("The S3 server has ended; the lists, plans and runs stay. To see the same in the web UI:")
    _say(f"    {hyve} ui --home {shlex.quote(_shown(home))}")
    _say("To launch runs there too, with the S3 server alive:")
    _say(f"    {hyve} demo --ui" + ("" if _shown(home) == ".demo" else f" --home {shlex.quote(_shown(home))}"))


def _program() -> str:
    """How the user can call this command from the current folder."""
    own = Path(sys.executable).with_name("hyve")
    found = shutil.which("hyve")
    if found is not None and Path(found).resolve() == own.resolve():
        return "hyve"
    return shlex.quote(_shown(own)) if own.exists() else f"{shlex.quote(sys.executable)} -m hyve_pipeline"


def _shown(path: Path) -> str:
    """The path relative to the current folder, if it is below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _say(line: str = "") -> None:
    if not is_quiet():
        hide_sign()
        click.echo(line)


def _has_colours() -> bool | None:
    return None if os.environ.get("NO_COLOR") else sys.stdout.isatty()
