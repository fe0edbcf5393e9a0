"""Answers that the CRT can't read: the other transport does, and nobody is told."""

import pytest

from hyve_pipeline.core.settings.model import BucketSettings
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import Answer, raw_server, scripted_server

pytestmark = pytest.mark.usefixtures("aws_profile")


def test_headers_are_utf_8(connect: Connect) -> None:
    """As S3 sends them where it has to; the server here speaks Latin-1, as HTTP libraries do."""
    text = "Grüße 日本"
    on_the_wire = text.encode().decode("latin-1")
    with scripted_server([Answer(headers={"x-amz-meta-title": on_the_wire})]) as server:
        request = Request("PutObject", "PUT", "k", headers=(("x-amz-meta-title", text),), body=b"1")
        assert connect(server.place()).send(request).result(timeout=30).header("x-amz-meta-title") == text
    assert server.received[0].headers["x-amz-meta-title"] == on_the_wire


def test_a_header_that_is_not_utf_8_is_latin_1(connect: Connect, capfd: pytest.CaptureFixture[str]) -> None:
    """As some servers give it back. Where the CRT can't read it, the other transport does, unheard."""
    with scripted_server([Answer(headers={"x-amz-meta-title": "Grüße"})]) as server:
        answer = connect(server.place()).send(Request("GetObject", "GET", "k")).result(timeout=30)
        assert answer.header("x-amz-meta-title") == "Grüße"
        assert len(server.received) <= 2
    assert capfd.readouterr().err == ""


def test_a_body_that_only_the_end_of_the_connection_ends_is_read(connect: Connect) -> None:
    """The CRT drops it; once that is noticed, all requests go by the other transport."""
    with scripted_server([Answer(b"content", is_unbounded=True)]) as server:
        connection = connect(server.place())
        for sends in (2, 3):
            assert connection.send(Request("GetObject", "GET", "k")).result(timeout=30).body == b"content"
            assert len(server.received) <= sends
        assert connection.send(Request("CopyObject", "PUT", "k")).result(timeout=30).body == b"content"
        assert len(server.received) <= 4


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200\r\nContent-Length: 7\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 7\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: a\r\n b\r\nContent-Length: 7\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nno colon\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 7\r\n",
    ],
    ids=["no words", "two lengths", "a header in two lines", "no colon", "no coding"],
)
def test_a_head_that_breaks_the_rules_of_http_is_read(head: bytes) -> None:
    """As proxies and small servers send it. The CRT is stricter than other clients."""
    with raw_server(head + b"Connection: close\r\n\r\ncontent") as url:
        place = BucketSettings(bucket="pictures", region="us-east-1", endpoint_url=url, anonymous=True)
        with open_connection(place) as connection:
            assert connection.send(Request("GetObject", "GET", "k")).result(timeout=30).body == b"content"
