"""How botocore's transport uses its connections."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from hyve_pipeline.core.settings.access_keys import AccessKeys
from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline.s3.wire.messages import Request

_PUTS = 10
_BODY = b"0123456789"

# What a receiver may wait before it acknowledges what it has got is 40 ms at least on Linux.
_MOST_SECONDS = 0.03


class _SlowAcknowledger:
    """A server of one connection, which acknowledges no head of a request before it must."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(60)
        self.endpoint_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        # For each request, the seconds from the end of its head to that of its body.
        self.pauses: list[float] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as reader:
            for _ in range(_PUTS):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
                while reader.readline().strip():
                    pass
                begun = time.monotonic()
                reader.read(len(_BODY))
                self.pauses.append(time.monotonic() - begun)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def stop(self) -> None:
        self._listener.close()
        self._thread.join()


@pytest.fixture
def slow_acknowledger() -> Iterator[_SlowAcknowledger]:
    """Such a server."""
    server = _SlowAcknowledger()
    yield server
    server.stop()


def test_a_body_does_not_wait_until_its_head_is_acknowledged(
    slow_acknowledger: _SlowAcknowledger, transport: TransportName
) -> None:
    place = BucketSettings(bucket="near", endpoint_url=slow_acknowledger.endpoint_url)
    keys = AccessKeys(access_key_id="a", secret_access_key="b")
    with open_connection(place, keys=keys, transport=transport) as connection:
        for _ in range(_PUTS):
            connection.send(Request("PutObject", "PUT", "key", body=_BODY)).result()
    # A busy machine may delay most of them, but not all.
    assert min(slow_acknowledger.pauses) < _MOST_SECONDS
