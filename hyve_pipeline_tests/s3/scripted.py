"""A tiny HTTP server that answers as a test tells it to, right or wrong."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, urlsplit
from xml.sax.saxutils import escape

from hyve_pipeline.core.settings.places import BucketSettings

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
DATE = "2024-05-06T07:08:09.123Z"
HTTP_DATE = "Mon, 06 May 2024 07:08:09 GMT"
MICROSECONDS = 1_714_979_289_123_000
ETAG = "d41d8cd98f00b204e9800998ecf8427e"


@dataclass(frozen=True)
class Received:
    """A request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True)
class Answer:
    """What to answer.

    Attributes:
        hang_up: close the connection without an answer.
        cut: close it after that many bytes of the body.
        is_chunked: send the body in chunks, without Content-Length.
        is_unbounded: send it without either, and close the connection after it.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    cut: int | None = None
    is_chunked: bool = False
    is_unbounded: bool = False


Script = Callable[[Received], Answer]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hung up, as they should in some tests."""


class ScriptedServer:
    """The server while it runs: where it is, and what it received."""

    def __init__(self, script: Script) -> None:
        self.received: list[Received] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received = Received(self.command, self.path, headers, body)
                outer.received.append(received)
                answer = script(received)
                if answer.hang_up:
                    self.close_connection = True
                    return
                self.server_named = answer.headers.get("Server", "scripted")
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name != "Server":
                        self.send_header(name, value)
                if answer.is_chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                elif "Content-Length" not in answer.headers and not answer.is_unbounded:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self._send_body(answer)
                if answer.cut is not None or answer.is_unbounded:
                    self.close_connection = True

            def version_string(self) -> str:
                return self.server_named

            def _send_body(self, answer: Answer) -> None:
                if not answer.is_chunked:
                    self.wfile.write(answer.body[: answer.cut])
                    return
                if answer.body:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(answer.body), answer.body))
                self.wfile.write(b"" if answer.cut is not None else b"0\r\n\r\n")

            def __getattr__(self, name: str) -> Callable[[], None]:
                if name.startswith("do_"):
                    return self._answer
                raise AttributeError(name)

            def log_message(self, *args: object, **kwargs: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def place(self, bucket: str = "scripted", prefix: str = "") -> BucketSettings:
        return BucketSettings(bucket=bucket, prefix=prefix, endpoint_url=self.endpoint_url, region="us-east-1")


def _one_after_another(answers: Iterable[Answer]) -> Script:
    left = list(answers)
    lock = threading.Lock()

    def answer(received: Received) -> Answer:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer


@contextmanager
def scripted_server(script: Script | Iterable[Answer]) -> Iterator[ScriptedServer]:
    """Run a server by a function, or by a list of answers of which the last is given again and again."""
    server = ScriptedServer(script if callable(script) else _one_after_another(script))
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def raw_server(answer: bytes, *, is_kept_open: bool = False) -> Iterator[str]:
    """A server that gives the same bytes to each connection's only request, and then closes it, or waits until the
    client does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_to(client: socket.socket) -> None:
            with client:
                client.recv(65536)
                client.sendall(answer)
                if is_kept_open:
                    client.recv(1)

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer_to, args=(client,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def error_answer(status: int, code: str, message: str = "as scripted", **headers: str) -> Answer:
    """An S3 error."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>R1</RequestId></Error>"
    return Answer(f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode(), status, headers)


def head_answer(size: int = 3, etag: str = ETAG, **headers: str) -> Answer:
    """An answer to HeadObject."""
    return Answer(headers={"ETag": f'"{etag}"', "Content-Length": str(size), "Last-Modified": HTTP_DATE, **headers})


def listing_entry(
    key: str,
    *,
    size: object = 3,
    date: str = DATE,
    etag: str = f'"{ETAG}"',
    storage_class: str | None = "STANDARD",
    more: str = "",
) -> str:
    """One object of a listing, its key in the form of ``encoding-type=url``; `more` is more of its XML."""
    last = "" if storage_class is None else f"<StorageClass>{storage_class}</StorageClass>"
    return (
        f"<Contents><Key>{quote(key, safe='/')}</Key><LastModified>{date}</LastModified>"
        f"<ETag>{escape(etag)}</ETag><Size>{size}</Size>{last}{more}</Contents>"
    )


def restore_status(until: str | None) -> str:
    """What a listing says of an object that was restored until then; None of one whose restoration goes on."""
    date = "" if until is None else f"<RestoreExpiryDate>{until}</RestoreExpiryDate>"
    progress = f"<IsRestoreInProgress>{str(until is None).lower()}</IsRestoreInProgress>"
    return f"<RestoreStatus>{progress}{date}</RestoreStatus>"


def listing(
    entries: Iterable[str] = (),
    *,
    truncated: bool | None = False,
    token: str | None = None,
    encoding: str | None = "url",
    namespace: str | None = NAMESPACE,
    elements: str = "",
) -> bytes:
    """A page of a listing from entries as `listing_entry` makes them; `elements` is more of its XML."""
    parts = [elements]
    if encoding is not None:
        parts.append(f"<EncodingType>{encoding}</EncodingType>")
    if truncated is not None:
        parts.append(f"<IsTruncated>{str(truncated).lower()}</IsTruncated>")
    if token is not None:
        parts.append(f"<NextContinuationToken>{escape(token)}</NextContinuationToken>")
    attribute = "" if namespace is None else f' xmlns="{namespace}"'
    content = "".join([*parts, *entries])
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult{attribute}>{content}</ListBucketResult>'.encode()


def listing_of(*keys: str, truncated: bool | None = False, token: str | None = None) -> Answer:
    """A page that lists these keys."""
    return Answer(listing(map(listing_entry, keys), truncated=truncated, token=token))
