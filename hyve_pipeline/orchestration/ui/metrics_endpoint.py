"""The endpoint that Prometheus reads: ``/metrics`` on an address of its own, without the UI's token.

It has figures and names of syncs, and no keys; nothing can be changed through it. No page of another site can read it:
on loopback, `Host` must be this server's own, so that no other host name can be made to point here (DNS rebinding), and
what a browser says comes from another page is refused on every address.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socketserver import TCPServer
from typing import Any, ClassVar

from hyve_pipeline import __version__
from hyve_pipeline.core.base.errors import ConfigurationError, HyveError
from hyve_pipeline.core.base.keys import displayed, printable
from hyve_pipeline.core.model.metrics import CONTENT_TYPE, exposition
from hyve_pipeline.operations.context import Home
from hyve_pipeline.operations.metrics import MetricsReader

LOOPBACK = "127.0.0.1"

_PATH = "/metrics"
_OWN_SITES = (None, "same-origin", "none")

# Several servers may read it: the state is read once for them.
_FRESH_SECONDS = 5.0

# A reader that says nothing does not keep its thread.
_SILENT_SECONDS = 10.0


class _Figures:
    """The text that is answered, read again when it is some seconds old."""

    def __init__(self, home: Home) -> None:
        self._reader = MetricsReader(home)
        self._lock = threading.Lock()
        self._text = ""
        self._until = 0.0

    def text(self) -> str:
        """The figures.

        Raises:
            HyveError: the configuration is not valid at the moment.
        """
        with self._lock:
            if time.monotonic() >= self._until:
                self._text = exposition(self._reader.read(), __version__)
                self._until = time.monotonic() + _FRESH_SECONDS
            return self._text


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD of the one path."""

    timeout = _SILENT_SECONDS
    server_version = "hyve"
    sys_version = ""
    figures: ClassVar[_Figures]
    hosts: ClassVar[frozenset[str] | None]

    def do_GET(self) -> None:
        """Answer with the figures."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers of GET."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the library
        """Write nothing: a reader comes every few seconds."""

    def _answer(self, *, with_body: bool) -> None:
        status, text = self._judged()
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE if status == HTTPStatus.OK else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _judged(self) -> tuple[HTTPStatus, str]:
        if self.headers.get("Origin") is not None or self.headers.get("Sec-Fetch-Site") not in _OWN_SITES:
            return HTTPStatus.FORBIDDEN, "this request comes from a page of another site\n"
        if self.hosts is not None and (self.headers.get("Host") or "").lower() not in self.hosts:
            return HTTPStatus.FORBIDDEN, "this server has another name: use its address\n"
        if self.path.partition("?")[0] != _PATH:
            return HTTPStatus.NOT_FOUND, f"only {_PATH} is here\n"
        try:
            return HTTPStatus.OK, self.figures.text()
        except (HyveError, OSError) as error:
            # The settings may just be edited; Prometheus then shows the target as down.
            return HTTPStatus.SERVICE_UNAVAILABLE, f"{printable(str(error))}\n"


class _Server(ThreadingHTTPServer):
    """One thread for each reader; they end with the process."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking the DNS for this machine's name, which may take long."""
        TCPServer.server_bind(self)
        self.server_name = self.server_port = ""  # type: ignore[assignment]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write nothing where a reader has gone."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


@contextmanager
def metrics_endpoint(home: Home, port: int, address: str = LOOPBACK) -> Iterator[str]:
    """Serve the figures of all syncs of a home until the block ends.

    Args:
        home: the home.
        port: the port; 0 takes a free one.
        address: the IPv4 address to listen on.

    Returns:
        The URL.

    Raises:
        ConfigurationError: the address can't be listened on.
    """
    try:
        server = _Server((address, port), _Handler)
    except OSError as error:
        raise ConfigurationError(
            f"{displayed(address)}:{port} can't be listened on for metrics: {error.strerror}; choose another port by "
            "--metrics, or 0 for a free one"
        ) from None
    port = server.server_address[1]
    names = [address, "localhost"] if _is_loopback(address) else None
    hosts = None if names is None else frozenset([*names, *(f"{name}:{port}" for name in names)])
    server.RequestHandlerClass = type("Handler", (_Handler,), {"figures": _Figures(home), "hosts": hosts})
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{port}{_PATH}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
