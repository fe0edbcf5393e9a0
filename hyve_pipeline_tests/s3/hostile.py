"""A server whose answers have no end: bodies, chunks, headers, failures, and bytes that drip."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PIECE = b"x" * 1024**2
_SIZE = 10_000_000_000
_HEADERS = b"".join(b"x-header-%d: %s\r\n" % (number, b"y" * 1000) for number in range(1000))

Send = Callable[[bytes], None]


def _large_body(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % _SIZE)
    for _ in range(_SIZE // len(_PIECE)):
        send(_PIECE)


def _large_failure(send: Send) -> None:
    send(b"HTTP/1.1 403 No\r\nContent-Length: %d\r\n\r\n" % _SIZE)
    for _ in range(_SIZE // len(_PIECE)):
        send(_PIECE)


def _endless_chunks(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        send(b"%x\r\n%b\r\n" % (len(_PIECE), _PIECE))


def _endless_headers(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\n")
    while True:
        send(_HEADERS)


def _dripping_body(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    _drip(send)


def _dripping_headers(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nx-slow: ")
    _drip(send)


def _drip(send: Send) -> None:
    while True:
        send(b"x")
        time.sleep(0.2)


ANSWERS: dict[str, Callable[[Send], None]] = {
    "large body": _large_body,
    "large failure": _large_failure,
    "endless chunks": _endless_chunks,
    "endless headers": _endless_headers,
    "dripping body": _dripping_body,
    "dripping headers": _dripping_headers,
}


@contextmanager
def hostile_server(name: str) -> Iterator[str]:
    """Run a server that gives one of `ANSWERS` to every request, and say where."""
    listener = socket.create_server(("127.0.0.1", 0))
    clients: list[socket.socket] = []

    def serve(client: socket.socket) -> None:
        try:
            client.recv(65536)
            ANSWERS[name](client.sendall)
        except OSError:
            pass  # the client has hung up, as it should
        finally:
            client.close()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            clients.append(client)
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for client in clients:
            client.close()
