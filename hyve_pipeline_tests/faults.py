"""A proxy before an S3 server that lets through what it is told to, and breaks the rest."""

import http.client
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from hyve_pipeline_tests.s3.scripted import Answer, Received, ScriptedServer, restore_status

# Names that belong to one connection and not to a message.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}

# What the proxy's own server says by itself.
_NOT_HANDED_ON = _HOP_BY_HOP | {"content-length", "date", "server"}

Fault = Callable[[Received], Answer | None]


class FaultyServer:
    """The server as seen through the proxy.

    Attributes:
        fault: asked about every request: an answer of its own, or None for the real one. It may be replaced.
        page_keys: how many keys a page of a listing has, so that a few objects are several pages.
        endpoint_url: where the proxy listens.
    """

    def __init__(self, endpoint_url: str) -> None:
        self.fault: Fault = lambda _: None
        self.page_keys = 1000
        parts = urlsplit(endpoint_url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._idle: deque[http.client.HTTPConnection] = deque()
        self._server = ScriptedServer(self._answer)
        self.endpoint_url = self._server.endpoint_url

    @property
    def received(self) -> list[Received]:
        """Every request so far."""
        return self._server.received

    def stop(self) -> None:
        self._server.stop()
        while self._idle:
            self._idle.pop().close()

    def _answer(self, received: Received) -> Answer:
        return self.fault(received) or self.forward(received)

    def forward(self, received: Received) -> Answer:
        """The real answer."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = http.client.HTTPConnection(*self._address, timeout=30)
        try:
            answer = self._ask(connection, received)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer

    def _ask(self, connection: http.client.HTTPConnection, received: Received) -> Answer:
        headers = {name: value for name, value in received.headers.items() if name not in _HOP_BY_HOP}
        target = received.target.replace("max-keys=1000", f"max-keys={self.page_keys}")
        # A signature covers the host.
        connection.putrequest(received.method, target, skip_host="host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(received.body)
        response = connection.getresponse()
        body = response.read()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in _NOT_HANDED_ON}
        size = response.headers.get("Content-Length") if received.method == "HEAD" else str(len(body))
        return Answer(body, response.status, kept | {"Content-Length": size or "0"})


def restoring(server: FaultyServer, until: str | None) -> Fault:
    """Tells whoever asks for it that every object was restored until then, or is being restored; moto does not."""

    def fault(received: Received) -> Answer | None:
        if "x-amz-optional-object-attributes" not in received.headers:
            return None
        body = server.forward(received).body
        return Answer(body.replace(b"</Contents>", f"{restore_status(until)}</Contents>".encode()))

    return fault


@contextmanager
def faulty_server(endpoint_url: str) -> Iterator[FaultyServer]:
    """Run a proxy before a server; it breaks nothing until it is given a fault."""
    server = FaultyServer(endpoint_url)
    try:
        yield server
    finally:
        server.stop()
