"""An embedded S3 server on the loopback interface: moto's, in a child process.

It requires no account, no network and no AWS settings, keeps everything in memory, and accepts any credentials.
The child watches its standard input, so it ends with its parent, even if that is killed.
"""

import argparse
import gc
import io
import logging
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import IO, Any, Self
from urllib.parse import unquote_to_bytes

_HOST = "127.0.0.1"
_STOP_SECONDS = 5

# Some megabytes, if all of them are garbage.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000

_CHANGED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>PreconditionFailed</Code>'
    b"<Message>At least one of the pre-conditions you specified did not hold</Message>"
    b"<Condition>x-amz-copy-source-If-Match</Condition></Error>"
)


class EmbeddedServer:
    """Moto's S3 server in a child process, listening on a free port of 127.0.0.1.

    Use it as a context manager, or call `stop`. Its buckets and objects are lost then.

    Attributes:
        endpoint_url: where it listens, such as ``http://127.0.0.1:43121``.
        pid: the child's process id.
    """

    # The module that serves: it takes the option --port, and prints its port when it listens.
    MODULE = "hyve_pipeline.demo.server"

    def __init__(self, port: int = 0, services: Sequence[str] = ("s3",)) -> None:
        """Start the server and wait until it listens.

        Args:
            port: the port to listen on; 0 takes a free one.
            services: what it serves, by moto's names: with ``sqs`` too, buckets send their events to its queues.

        Raises:
            RuntimeError: the server did not start; the message has its output.
        """
        more = [] if tuple(services) == ("s3",) else ["--services", ",".join(services)]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", self.MODULE, "--port", str(port), *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A terminal's Ctrl-C goes to its whole process group: the server must outlive the interrupted
            # command, which may still have requests to finish.
            start_new_session=True,
            text=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        line = self._process.stdout.readline().strip()
        if not line.isdigit():
            self.stop()
            raise RuntimeError(f"the embedded S3 server did not start: {line or 'no output'}")
        self.pid = self._process.pid
        self.endpoint_url = f"http://{_HOST}:{line}"

    def stop(self) -> None:
        """End the child and wait for it. Calling it again does nothing."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024  # a client may open hundreds of connections at once

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that close their connection."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _make_handler(application: Any) -> type[BaseHTTPRequestHandler]:
    """A request handler that keeps connections open, which werkzeug's own does not.

    Without it every request takes a new connection.
    """
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    class Handler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def run_wsgi(self) -> None:
            if self.headers.get("Expect", "").strip().lower() == "100-continue":
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            environ = self.make_environ()
            # The next request begins after this body, so the body is always read here.
            if environ.get("wsgi.input_terminated"):
                body = environ["wsgi.input"].read()
                environ["CONTENT_LENGTH"] = str(len(body))
                environ.pop("HTTP_TRANSFER_ENCODING", None)
            else:
                body = self.rfile.read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            environ["PATH_INFO"] = _path_info(environ["PATH_INFO"])
            if _has_source_changed(application, environ):
                self._answer("412 Precondition Failed", [("Content-Type", "application/xml")], _CHANGED)
            else:
                self._answer(*_call(application, environ))

        def _answer(self, status: str, headers: list[tuple[str, str]], answer: bytes) -> None:
            # As S3 and moto's own server send it: clients compare times with it.
            lines = [f"HTTP/1.1 {status}", f"Date: {formatdate(usegmt=True)}"]
            lines += [f"{name}: {value}" for name, value in headers]
            code = int(status.split(None, 1)[0])
            if code != 204 and not any(name.lower() == "content-length" for name, _ in headers):
                lines.append(f"Content-Length: {len(answer)}")
            head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
            self.wfile.write(head if self.command == "HEAD" or code in (204, 304) else head + answer)

        def log_message(self, *args: Any, **kwargs: Any) -> None:
            """Log nothing."""

    return Handler


def _call(application: Any, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    """Pass one request to a WSGI application and return its whole answer."""
    begun: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
        begun.append((status, headers))

    chunks: Iterable[bytes] = application(environ, start_response)
    try:
        answer = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    status, headers = begun[-1]
    return status, headers, answer


def _has_source_changed(application: Any, environ: dict[str, Any]) -> bool:
    """Whether a copy is pinned to an ETag that its source no longer has; moto does not support the condition."""
    source = environ.get("HTTP_X_AMZ_COPY_SOURCE")
    wanted = environ.get("HTTP_X_AMZ_COPY_SOURCE_IF_MATCH")
    if source is None or wanted is None:
        return False
    path, _, query = f"/{source.removeprefix('/')}".partition("?")
    etag = etag_of(application, environ, path, query)
    return etag is not None and etag.strip('"') != wanted.strip('"')


def etag_of(application: Any, environ: dict[str, Any], path: str, query: str) -> str | None:
    """The ETag of an object or version whose path is encoded; None if it can't be read.

    Args:
        application: Moto's S3.
        environ: of the request that copies the object.
        path: the path.
        query: names the version, if it is not the newest one that is copied.
    """
    # Not the conditions either: they are about what the copy would overwrite.
    left_out = ("HTTP_X_AMZ_COPY_SOURCE", "HTTP_IF_")
    head = {name: value for name, value in environ.items() if not name.startswith(left_out)}
    head.update(REQUEST_METHOD="HEAD", RAW_URI=path, REQUEST_URI=path, QUERY_STRING=query, CONTENT_LENGTH="0")
    head.update(PATH_INFO=_path_info(unquote_to_bytes(path).decode("latin-1")))
    head["wsgi.input"] = io.BytesIO()
    status, headers, _ = _call(application, head)
    etag = next((value for name, value in headers if name.lower() == "etag"), "")
    return etag if status.startswith("200") else None


def _path_info(path: str) -> str:
    """The path for moto's routes, which match no newlines; moto takes the key from the raw URI."""
    return path.replace("\n", "_")


def _end_with(parent: IO[str]) -> None:
    """End this process when the parent's end of the pipe closes."""
    while parent.read(1):
        pass
    os._exit(0)


def make_application(services: Sequence[str] = ("s3",)) -> Any:
    """Moto's S3 as a WSGI application that does nothing besides, or several services by moto's names.

    A request whose header ``X-Amz-Target`` begins with ``AmazonNAME`` is of the service NAME, all others of the first.
    """
    logging.disable(logging.CRITICAL)
    # Headers that let any web page read every answer: no use here.
    os.environ.setdefault("MOTO_DISABLE_GLOBAL_CORS", "true")
    # Every bucket is in the path; otherwise the host is searched for it four times a request.
    os.environ.setdefault("S3_IGNORE_SUBDOMAIN_BUCKETNAME", "true")
    from moto.moto_server.werkzeug_app import create_backend_app

    applications = {service: create_backend_app(service) for service in services}  # pyright: ignore[reportArgumentType]
    first = applications[services[0]]

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        target = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")[0].removeprefix("Amazon").lower()
        return applications.get(target, first)(environ, start_response)

    return first if len(applications) == 1 else application


def main(arguments: Sequence[str] | None = None, make: Callable[[], Any] | None = None) -> None:
    """Serve S3 until standard input closes; the port is the one line written to standard output."""
    parser = argparse.ArgumentParser(prog="python -m hyve_pipeline.demo.server", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--services", default="s3", help="what is served, by moto's names, such as s3,sqs")
    given = parser.parse_args(arguments)

    # Nothing that is loaded is garbage: to look for it takes a fifth of the time.
    gc.disable()
    handler = _make_handler(make_application(given.services.split(",")) if make is None else make())
    # What is loaded stays, and every object kept is many: to look through them often takes a tenth of the time.
    gc.freeze()
    gc.enable()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 20)
    try:
        server = _Server((_HOST, given.port), handler)
    except OSError as error:
        sys.exit(print(f"{_HOST}:{given.port}: {error.strerror}"))  # noqa: T201 - the parent reads it
    with server:
        # Attributes that werkzeug's handler reads from its server.
        vars(server).update(ssl_context=None, multithread=True, multiprocess=False, _server_version="moto")
        print(server.server_address[1], flush=True)  # noqa: T201 - the parent reads it
        threading.Thread(target=_end_with, args=(sys.stdin,), daemon=True).start()
        server.serve_forever()


if __name__ == "__main__":
    main()
