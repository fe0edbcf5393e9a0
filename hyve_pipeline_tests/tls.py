"""A server that is reached by TLS, with a certificate of an authority that is made up."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import trustme

_BYTES = 64 * 1024


class _Tunnel(socketserver.BaseRequestHandler):
    """One connection: what comes by TLS is handed on as it is, and back."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        with suppress(OSError):  # such as a client that does not trust the certificate
            client = server.context.wrap_socket(self.request, server_side=True)
            with socket.create_connection(server.behind) as behind, client:
                back = threading.Thread(target=_hand_on, args=(behind, client), daemon=True)
                back.start()
                _hand_on(client, behind)
                back.join()


def _hand_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_BYTES):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, behind: tuple[str, int], context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.behind = behind
        self.context = context


@contextmanager
def tls_server(endpoint_url: str, authority: trustme.CA) -> Iterator[str]:
    """Run a proxy that speaks TLS before a server, and give its URL."""
    parts = urlsplit(endpoint_url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with _Server((parts.hostname or "", parts.port or 80), context) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
