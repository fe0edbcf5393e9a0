"""The servers that the other tests stand on."""

import os
import signal
import subprocess
import sys
import time

import pytest

from hyve_pipeline.demo.server import EmbeddedServer
from hyve_pipeline_tests.conftest import MakeBucket
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.servers import client_for, put_objects, read_bucket


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while _is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _is_alive(pid)


def test_embedded_server_keeps_every_odd_key(moto_endpoint: str, make_bucket: MakeBucket) -> None:
    client = client_for(moto_endpoint)
    bucket = make_bucket()
    objects = {key: key.encode() for key in ODD_KEYS}
    put_objects(client, bucket, objects)
    assert read_bucket(client, bucket) == objects


def test_stop_ends_the_child() -> None:
    server = EmbeddedServer()
    assert _is_alive(server.pid)
    server.stop()
    server.stop()
    assert not _is_alive(server.pid)


def test_server_ends_when_its_parent_is_killed() -> None:
    script = (
        "from hyve_pipeline.demo.server import EmbeddedServer; import time\n"
        "print(EmbeddedServer().pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _is_alive(pid)
        parent.send_signal(signal.SIGKILL)
    assert _wait_until_gone(pid)


def test_taken_port_is_reported() -> None:
    with EmbeddedServer() as server, pytest.raises(RuntimeError, match="did not start"):
        EmbeddedServer(port=int(server.endpoint_url.rpartition(":")[2]))


@pytest.mark.rclone
def test_rclone_serves_what_was_put(rclone_endpoint: str, make_bucket: MakeBucket) -> None:
    client = client_for(rclone_endpoint)
    bucket = make_bucket(endpoint_url=rclone_endpoint)
    put_objects(client, bucket, {"a/b.txt": b"1", "c.txt": b"22"})
    assert read_bucket(client, bucket) == {"a/b.txt": b"1", "c.txt": b"22"}
