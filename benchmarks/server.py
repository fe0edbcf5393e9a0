"""An S3 server for benchmarks: it reads requests and sends what `benchmarks.store` answers.

Besides S3 it has one path of its own, ``/-/benchmark``, with which `benchmarks.serving` prepares buckets and reads the
counters. It listens on a second port for TLS, with a certificate of an authority that it makes up.
"""

import argparse
import asyncio
import gc
import json
import os
import ssl
import sys
import threading
from contextlib import suppress
from typing import cast
from urllib.parse import parse_qsl, unquote

import trustme

from benchmarks.serving import CONTROL
from benchmarks.store import Answer, Request, Store

_REASONS = {
    200: "OK",
    204: "No Content",
    206: "Partial Content",
    400: "Bad Request",
    404: "Not Found",
    412: "Precondition Failed",
    501: "Not Implemented",
}


class Exchange(asyncio.Protocol):
    """One connection: requests one after the other, each answered before the next is read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._received = bytearray()
        self._whole = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Collect until a request is whole, then answer it."""
        self._received += data
        # The end of a large body is known, so its head is not parsed again for each piece.
        while len(self._received) >= self._whole and (end := self._received.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._received[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            whole = end + 4 + int(headers.get("content-length", "0"))
            if len(self._received) < whole:
                if headers.get("expect") and not self._whole:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._whole = whole
                return
            body = bytes(memoryview(self._received)[end + 4 : whole])
            del self._received[:whole]
            self._whole = 0
            self._answer(first, headers, body)

    def _answer(self, first: str, headers: dict[str, str], body: bytes) -> None:
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        if path == CONTROL:
            report = json.dumps(self._store.control(json.loads(body)))
            self._send(method, Answer(200, report.encode()))
            return
        bucket, _, key = unquote(path[1:]).partition("/")
        fields = dict(parse_qsl(query, keep_blank_values=True))
        answer, delay = self._store.answer(Request(method, bucket, key, fields, headers, body))
        if delay:
            asyncio.get_running_loop().call_later(delay, self._send, method, answer)
        else:
            self._send(method, answer)

    def _send(self, method: str, answer: Answer) -> None:
        status, body, headers = answer
        if status != 204 and "Content-Length" not in headers:
            headers += f"Content-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
        head = f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\nx-amz-request-id: 0\r\n{headers}\r\n".encode()
        self._transport.write(head if method == "HEAD" else head + body)


async def serve(port: int) -> None:
    """Listen on 127.0.0.1 until standard input closes; the port is the one line written to standard output."""
    authority = trustme.CA()
    store = Store(authority.cert_pem.bytes().decode())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Exchange(store), "127.0.0.1", port, backlog=2048)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    secure = await loop.create_server(lambda: Exchange(store), "127.0.0.1", 0, backlog=2048, ssl=context)
    store.tls_port = secure.sockets[0].getsockname()[1]
    print(server.sockets[0].getsockname()[1], flush=True)
    # Many objects without cycles: garbage collection would only delay some answers.
    gc.disable()
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    await server.serve_forever()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=serve.__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    port = parser.parse_args().port
    with suppress(ImportError):  # it more than doubles the requests that the server can answer
        import uvloop

        uvloop.install()
    asyncio.run(serve(port))


if __name__ == "__main__":
    main()
