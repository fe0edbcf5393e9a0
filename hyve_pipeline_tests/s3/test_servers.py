"""The servers that the other tests stand on."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from hyve_pipeline.demo.server import EmbeddedServer
from hyve_pipeline_tests.conftest import MakeBucket
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.servers import client_for, list_keys, put_objects, read_bucket


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
    for key in ODD_KEYS:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert list_keys(client, bucket) == sorted(ODD_KEYS)
    for key in ODD_KEYS:
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert read_bucket(client, bucket) == {key: key.encode() for key in ODD_KEYS}


@pytest.mark.parametrize("versioned", [False, True])
def test_what_is_put_at_once_is_as_if_put_one_by_one(
    versioned: bool, moto_endpoint: str, make_bucket: MakeBucket
) -> None:
    """Each answer about it is the same, but for its date and version."""
    client = client_for(moto_endpoint)
    buckets = [make_bucket(versioned=versioned) for _ in range(2)]
    put_objects(client, buckets[0], {"a/é": b"1", "empty": b""})
    for key, body in {"a/é": b"1", "empty": b""}.items():
        client.put_object(Bucket=buckets[1], Key=key, Body=body)

    # Moto also answers the digest of the content that a signed request has; S3 does not.
    ignored = {"LastModified", "VersionId", "ResponseMetadata", "Body"}
    ignored |= {"date", "last-modified", "x-amz-version-id", "x-amz-content-sha256", "x-amzn-requestid"}

    def answers(bucket: str) -> list[dict[str, Any]]:
        asked = (client.get_object, client.head_object, client.get_object_tagging, client.get_object_acl)
        answers = [ask(Bucket=bucket, Key=key) for ask in asked for key in ("a/é", "empty")]
        headers = [answer["ResponseMetadata"]["HTTPHeaders"] for answer in answers]
        listed = client.list_objects_v2(Bucket=bucket)["Contents"]
        versions = client.list_object_versions(Bucket=bucket)["Versions"]
        found = (*listed, *answers, *headers, *versions)
        return [{name: value for name, value in answer.items() if name not in ignored} for answer in found]

    assert answers(buckets[0]) == answers(buckets[1])
    client.delete_object(Bucket=buckets[0], Key="empty")
    assert read_bucket(client, buckets[0]) == {"a/é": b"1"}
    assert len(client.list_object_versions(Bucket=buckets[0])["Versions"]) == (2 if versioned else 1)


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
