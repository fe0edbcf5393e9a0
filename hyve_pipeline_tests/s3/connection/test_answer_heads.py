"""No header of an answer is lost: a head is read as it was sent, or there is no answer."""

import pytest

from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.retry_policy import RetryPolicy
from hyve_pipeline.s3.wire.errors import CONNECTION_ERROR, S3RequestError
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import raw_server

_ONCE = RetryPolicy(most_sends=1)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nx-amz-meta-title: Sunrise\r\n"


def _place(url: str) -> BucketSettings:
    return BucketSettings(bucket="pictures", region="us-east-1", endpoint_url=url)


@pytest.mark.parametrize("operation", ["HEAD", "PUT"])
@pytest.mark.parametrize("cut", [20, 40, len(_HEAD) - 9, len(_HEAD) - 1, len(_HEAD)])
def test_a_head_that_is_cut_short_is_no_answer(operation: str, cut: int, connect: Connect) -> None:
    with raw_server(_HEAD[:cut]) as url, pytest.raises(S3RequestError) as caught:
        connect(_place(url), policy=_ONCE).send(Request("Cut", operation, "k")).result(timeout=30)
    assert caught.value.code == CONNECTION_ERROR


@pytest.mark.parametrize(
    "line", [b"X Amz Note: a\r\n", b"no colon\r\n", b": nothing\r\n", b"X Note : a\r\n folded\r\n"]
)
def test_headers_behind_a_line_that_is_none_are_read(line: bytes, connect: Connect) -> None:
    """The connection stays open: without Content-Length the end of the content would be waited for."""
    head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nETag: tag\r\n" + line
    with raw_server(head + _HEAD.partition(b"\r\n")[2] + b"\r\ncontent", is_kept_open=True) as url:
        answer = connect(_place(url)).send(Request("GetObject", "GET", "k")).result(timeout=30)
    assert (answer.body, answer.header("etag"), answer.header("x-amz-meta-title")) == (b"content", "tag", "Sunrise")
