"""Whatever a server sends, an answer takes bounded memory and time, on both transports."""

import json
import subprocess

import pytest

from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline_tests.forks import fork_code
from hyve_pipeline_tests.s3.hostile import ANSWERS, hostile_server

_MOST_MIB = 600
_MOST_SECONDS = 60

# The bounds of memory are the real ones; those of time are short.
_CHILD = """
import json, re, sys, time
from pathlib import Path
from hyve_pipeline.core.settings.access_keys import AccessKeys
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.bounds import Bounds
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline.s3.connection.retry_policy import RetryPolicy
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Request

transport, endpoint_url = sys.argv[1:]
keys = AccessKeys(access_key_id="a", secret_access_key="b")
bounds = Bounds(seconds=2, silence=3)
place = BucketSettings(bucket="hostile", endpoint_url=endpoint_url)
begun = time.monotonic()
policy = RetryPolicy(patience=0)
with open_connection(place, keys=keys, transport=transport, bounds=bounds, policy=policy) as connection:
    try:
        connection.send(Request("ListObjectsV2", "GET", query=(("list-type", "2"),))).result()
        failure = ["none", ""]
    except S3RequestError as error:
        failure = [error.code, str(error)]
seconds = time.monotonic() - begun
# Not by getrusage: what it tells begins with the peak of the process that this one was forked from.
most = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024
print(json.dumps([*failure, seconds, most]))
"""

_CODES = {
    "large body": {"AnswerTooLarge"},
    "large failure": {"Forbidden"},
    "endless chunks": {"AnswerTooLarge"},
    "endless headers": {"ConnectionError"},
    "dripping body": {"ResponseTimeout"},
    "dripping headers": {"ResponseTimeout"},
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_without_end_is_given_up(answer: str, transport: TransportName) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with hostile_server(answer) as url, fork_code(_CHILD, transport, url, text=True, **pipes) as child:
        try:
            out, err = child.communicate(timeout=_MOST_SECONDS)
        finally:
            child.kill()
    assert child.returncode == 0, err
    code, message, seconds, most = json.loads(out)
    assert code in _CODES[answer], message
    assert most < _MOST_MIB
    assert seconds < _MOST_SECONDS
    assert len(message) < 600
