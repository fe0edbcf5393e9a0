"""A small Ceph with its S3 gateway, of the tests' own, where Debian's packages of it are installed."""

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from hyve_pipeline_tests.servers import ACCESS_KEY_ID, SECRET_ACCESS_KEY

# The marks of a test that needs the fixture `ceph_endpoint`: all on one worker, so that only one Ceph is started.
CEPH = [pytest.mark.ceph, pytest.mark.xdist_group("ceph")]

# Programs of the packages radosgw, ceph-mon, ceph-osd, ceph-common and util-linux.
_PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "monmaptool", "setpriv")

_READY_SECONDS = 120

# One copy of all, in memory; nothing outside of the folder; and no wait for more changes of the cluster's maps.
_CONFIGURATION = """\
[global]
fsid = {cluster}
mon host = v2:127.0.0.1:{monitor_port}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
mon data = {folder}/mon
osd data = {folder}/osd
osd journal = {folder}/osd/journal
rgw data = {folder}/rgw
run dir = {folder}
crash dir = {folder}
log file = {folder}/$name.log
admin socket =
log to stderr = false
osd objectstore = memstore
memstore device bytes = 4294967296
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon cluster log to file = false
mon data avail warn = 1
mon data avail crit = 0
paxos propose interval = 0.05
paxos min wait = 0.01
rgw frontends = beast endpoint=127.0.0.1:{gateway_port}
rgw thread pool size = 32
"""


def missing_programs() -> list[str]:
    """The programs of Ceph that this machine lacks."""
    return [name for name in _PROGRAMS if shutil.which(name) is None]


def ceph_version() -> str:
    """The version of the gateway, such as ``16.2.15``."""
    return subprocess.run(["radosgw", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]


@contextmanager
def ceph_gateway(folder: Path) -> Iterator[str]:
    """Run a monitor, a storage daemon in memory and a gateway until the block ends; yield the gateway's endpoint.

    All that they write is in the folder. The gateway checks signatures, against `ACCESS_KEY_ID` and
    `SECRET_ACCESS_KEY`.
    """
    monitor_port, gateway_port = _free_ports(2)
    cluster, storage = uuid4(), uuid4()
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    configuration = folder / "ceph.conf"
    configuration.write_text(
        _CONFIGURATION.format(folder=folder, cluster=cluster, monitor_port=monitor_port, gateway_port=gateway_port)
    )
    options = ("--conf", configuration)
    monitors = folder / "monmap"
    _run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", f"[v2:127.0.0.1:{monitor_port}]", monitors)
    _run("ceph-mon", *options, "--mkfs", "-i", "a", "--monmap", monitors)
    with ExitStack() as started:
        _start(started, folder, "ceph-mon", *options, "-i", "a")
        _run("ceph", *options, "osd", "new", storage)
        _run("ceph-osd", *options, "-i", "0", "--mkfs", "--osd-uuid", storage)
        _start(started, folder, "ceph-osd", *options, "-i", "0")
        keys = ("--access-key", ACCESS_KEY_ID, "--secret-key", SECRET_ACCESS_KEY)
        _run("radosgw-admin", *options, "user", "create", "--uid", "hyve", "--display-name", "hyve", *keys)
        gateway = _start(started, folder, "radosgw", *options, "-n", "client.rgw")
        endpoint_url = f"http://127.0.0.1:{gateway_port}"
        _wait(gateway, endpoint_url, folder / "client.rgw.log")
        yield endpoint_url


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _run(*command: object) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=_READY_SECONDS)
    assert done.returncode == 0, done.stderr


def _start(started: ExitStack, folder: Path, *command: object) -> subprocess.Popen[bytes]:
    """Start a program that is killed when the block ends, or this process: nothing of it is kept."""
    with (folder / f"{command[0]}.out").open("wb") as out:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *map(str, command), "-f"], cwd=folder, stdout=out, stderr=out
        )
    started.callback(process.wait)
    started.callback(process.kill)
    return process


def _wait(gateway: subprocess.Popen[bytes], endpoint_url: str, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + _READY_SECONDS
    while True:
        assert gateway.poll() is None, log.read_text()
        try:
            with opener.open(endpoint_url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
