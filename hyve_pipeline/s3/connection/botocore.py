"""The transport that works wherever botocore does: HTTP proxies, own certificate authorities, no CRT.

It reads answers piece by piece, so that it knows early of those that are too large, or too slow.
"""

import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from http import HTTPStatus
from ssl import SSLEOFError
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import (
    BotoCoreError,
    ConnectTimeoutError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ReadTimeoutError as BodyTimeoutError

from hyve_pipeline.s3.connection.answer_heads import read_whole_heads
from hyve_pipeline.s3.connection.bounds import Bounds
from hyve_pipeline.s3.connection.rate_limit import Rate, RateLimits, piece_of
from hyve_pipeline.s3.connection.threads import Threads
from hyve_pipeline.s3.connection.transport import (
    CONNECT_SECONDS,
    UNSIGNED_HEADER,
    USER_AGENT,
    CurrentKeys,
    Endpoint,
    OnEnd,
    RenewalError,
    ResponseOrError,
    answer_too_large,
    answer_too_late,
    credentials_error,
)
from hyve_pipeline.s3.connection.watch import Watch
from hyve_pipeline.s3.wire.errors import (
    CONNECTION_ERROR,
    INVALID_RESPONSE,
    RESPONSE_TIMEOUT,
    TIMEOUT,
    TLS_ERROR,
    S3RequestError,
)
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.responses import MOST_ERROR_BYTES

# How often it is looked whether an answer is overdue.
_WATCH_SECONDS = 1.0

_UNSIGNED_PAYLOAD = Config(s3={"payload_signing_enabled": False})

# The most that is taken from a socket at once, of an answer whose size is not known.
_PIECE_BYTES = 1024**2

# Headers that tell of the body, and are signed.
_PROOFS = ("content-md5", "x-amz-checksum-")

# A server may be silent while it copies up to 5 GiB, or joins 10,000 parts.
_LONG_OPERATIONS = {"CopyObject", "UploadPartCopy", "CompleteMultipartUpload"}


class BotocoreTransport:
    """Sends requests by botocore's signer and HTTP session, on threads of its own."""

    sends = 1
    is_impatient = False

    def __init__(
        self,
        endpoint: Endpoint,
        keys: CurrentKeys,
        concurrency: int,
        bounds: Bounds,
        verify: bool | str = True,
        limits: RateLimits | None = None,
    ) -> None:
        """Make the session and the pool of threads.

        Args:
            endpoint: where requests go.
            keys: gives the keys to sign with.
            concurrency: requests that are in flight at once.
            bounds: what an answer may take.
            verify: a file or folder of trusted certificates, or True for botocore's own.
            limits: its threads wait for the bandwidth, piece by piece.
        """
        read_whole_heads()
        self._endpoint = endpoint
        self._keys = keys
        self._limits = limits
        self.bounds = bounds
        base_url = f"{endpoint.scheme}://{endpoint.authority}"
        proxies = get_environ_proxies(base_url)
        # A proxy for plain HTTP gets the whole URL, in which urllib3 folds dot segments.
        self._folds_dots = endpoint.scheme == "http" and "http" in proxies
        self._session = URLLib3Session(
            verify=verify,  # pyright: ignore[reportArgumentType] - botocore takes a path as well
            proxies=proxies,
            timeout=(min(CONNECT_SECONDS, bounds.silence), bounds.silence),
            max_pool_connections=concurrency,
            # A body leaves at once after its head, and not when the server has acknowledged that, 40 ms later.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        self.watch: Watch[_Exchange] = Watch(_WATCH_SECONDS)
        self._threads = Threads(concurrency, f"s3-{endpoint.bucket}")

    def send(self, request: Request, on_end: OnEnd, *, is_slow: bool = False) -> None:
        """Send a request, see `Transport.send`."""
        exchange = _Exchange(self, request, on_end, is_long=is_slow and request.operation in _LONG_OPERATIONS)
        self._threads.do(exchange.run, exchange.cancel)

    def close(self) -> None:
        """Start no further request and free idle connections, see `Transport.close`."""
        self._threads.close()
        self.watch.close()
        self._session.close()

    def answer(self, exchange: "_Exchange") -> Response:
        """Sign and send a request, and read the answer.

        Raises:
            S3RequestError: no whole answer came.
        """
        request = exchange.request
        url = self._endpoint.url(request)
        if self._folds_dots and {".", ".."} & set(urlsplit(url).path.split("/")):
            raise self._failure(request, "ProxyError", "an HTTP proxy would fold the dots in this key's path")
        headers = dict(request.headers)
        unsigned = headers.pop(UNSIGNED_HEADER, None)
        message = AWSRequest(
            method=request.method,
            url=url,
            headers={"User-Agent": USER_AGENT, **headers},
            data=request.body or None,
            stream_output=True,
        )
        if self._endpoint.scheme == "https" or any(name.startswith(_PROOFS) for name in headers):
            # As the CRT sends it: TLS guards the body already, or a checksum among the headers, which are signed.
            # Hashing it once more takes longer than all else.
            message.context["client_config"] = _UNSIGNED_PAYLOAD
        if exchange.is_long:
            message.context["read_timeout"] = self.bounds.long_silence
        try:
            keys = self._keys()
        except RenewalError as error:
            raise credentials_error(self._endpoint.bucket, request, error) from error
        if keys is not None:
            credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
            S3SigV4Auth(credentials, "s3", self._endpoint.region).add_auth(message)
        try:
            prepared = message.prepare()
            if unsigned is not None:
                prepared.headers[UNSIGNED_HEADER] = unsigned
            for name, value in prepared.headers.items():
                # As they were signed: the HTTP library sends text as Latin-1, and so gives back what it received.
                prepared.headers[name] = value.encode().decode("latin-1") if isinstance(value, str) else value
            if request.body and self._limits is not None and (rate := self._limits.writing(request)) is not None:
                # Signed already, and its length is among the headers.
                prepared.body = _paced(request.body, rate, exchange)
            answer = self._session.send(prepared)
            body, is_whole = self._read(exchange, answer.raw)
        except (HTTPClientError, BotoCoreError, HTTPError, OSError) as error:
            raise self._failure(request, _code(error), str(error)) from error
        # Botocore lets an answer pass that was cut short.
        length = _length_of(answer.headers)
        if is_whole and request.method != "HEAD" and length is not None and length != len(body):
            raise self._failure(request, INVALID_RESPONSE, f"the answer ended after {len(body)} of {length} bytes")
        headers = tuple((name, _as_sent(value)) for name, value in answer.headers.items())
        return Response(answer.status_code, headers, body)

    def _read(self, exchange: "_Exchange", raw: Any) -> tuple[bytes, bool]:
        """The body of an answer, and whether it is all of it: not that of a failure which has more than any needs.

        Raises:
            S3RequestError: it is larger, or comes more slowly, than an answer may.
        """
        request, bounds, begun = exchange.request, self.bounds, time.monotonic()
        waited = begun - exchange.begun
        is_failure = not HTTPStatus.OK <= raw.status < HTTPStatus.MULTIPLE_CHOICES
        most = MOST_ERROR_BYTES if is_failure else bounds.body
        pieces: list[bytes] = []
        size = 0
        try:
            if not is_failure and (_length_of(raw.headers) or 0) > most and request.method != "HEAD":
                raise answer_too_large(self._endpoint.bucket, request, f"{most} bytes", raw.status)
            exchange.seconds = waited + bounds.seconds
            rate = None if self._limits is None or is_failure else self._limits.reading(request)
            expected = 0 if is_failure or rate is not None else min(request.expected, most)
            if expected:
                # In one piece, so that nothing has to be joined.
                exchange.seconds += expected / bounds.slowest_rate
                pieces.append(raw.read(expected))
                size = len(pieces[0])
            while piece := raw.read1(_PIECE_BYTES if rate is None else piece_of(rate)):
                pieces.append(piece)
                size += len(piece)
                if rate is not None:
                    waited += exchange.wait_for(rate, len(piece))
                exchange.seconds = waited + bounds.seconds + size / bounds.slowest_rate
                if size > most and is_failure:
                    raw.close()
                    return b"".join(pieces)[:most], False
                if size > most:
                    raise answer_too_large(self._endpoint.bucket, request, f"{most} bytes", raw.status)
                if time.monotonic() - exchange.begun > exchange.seconds:
                    raise answer_too_late(self._endpoint.bucket, request, exchange.seconds)
        except BaseException:
            raw.close()
            raise
        raw.release_conn()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), True

    def _failure(self, request: Request, code: str, message: str) -> S3RequestError:
        return S3RequestError(self._endpoint.bucket, request, code, message)

    @property
    def bucket(self) -> str:
        """The bucket that requests go to."""
        return self._endpoint.bucket


class _Exchange:
    """One request, and the thread that waits for its answer."""

    def __init__(self, transport: BotocoreTransport, request: Request, on_end: OnEnd, *, is_long: bool) -> None:
        self._transport = transport
        self.request = request
        self.is_long = is_long
        self._on_end: OnEnd | None = on_end
        self._lock = Lock()
        bounds = transport.bounds
        self.begun = 0.0
        self.size_then = 0
        self.known_bytes = 0
        # Until the answer begins; then its progress counts.
        self.seconds = bounds.patient_seconds(request, is_long=is_long)

    def run(self) -> None:
        """Send the request and wait for the answer."""
        self._transport.watch.add(self)
        try:
            ended: ResponseOrError = self._transport.answer(self)
        except BaseException as error:  # noqa: BLE001 - it is handed to the caller
            ended = error
        self._end(ended)

    def wait_for(self, rate: Rate, size: int) -> float:
        """Wait until so many bytes may pass; the exchange gets that time besides. Returns the seconds."""
        wait = rate.take(size)
        self.seconds += wait
        if wait:
            time.sleep(wait)
        return wait

    def cancel(self) -> None:
        """End it before it was sent."""
        self._end(CancelledError())

    def give_up(self, *, is_late: bool) -> None:
        """End it, see `watch.Exchange`. Its thread is left behind: nothing can wake it but the server."""
        self._end(answer_too_late(self._transport.bucket, self.request, self.seconds))

    def _end(self, ended: ResponseOrError) -> None:
        with self._lock:
            on_end, self._on_end = self._on_end, None
        self._transport.watch.forget(self)
        if on_end is not None:
            on_end(ended)


def _paced(body: bytes, rate: Rate, exchange: _Exchange) -> Iterator[memoryview]:
    """The pieces of a body, each when it may leave."""
    left = memoryview(body)
    while left:
        piece, left = left[: (size := piece_of(rate))], left[size:]
        exchange.wait_for(rate, len(piece))
        yield piece


def _length_of(headers: Mapping[str, str]) -> int | None:
    """The Content-Length of an answer; None where it has none. Of one that is there twice, both are in the value."""
    length = headers.get("Content-Length", "").partition(",")[0].strip()
    return int(length) if length.isdecimal() and length.isascii() else None


def _as_sent(value: str) -> str:
    """A header's value in UTF-8, where it is that."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _is_cut(error: BaseException | None) -> bool:
    """Whether a failure of TLS is that the other side has closed the connection, in its handshake or later."""
    return error is not None and (isinstance(error, SSLEOFError) or _is_cut(error.__cause__ or error.__context__))


def _code(error: Exception) -> str:
    """One of our codes for a failure that botocore names by its class."""
    if isinstance(error, SSLError):
        return CONNECTION_ERROR if _is_cut(error) else TLS_ERROR
    if isinstance(error, ReadTimeoutError | BodyTimeoutError):
        return RESPONSE_TIMEOUT
    if isinstance(error, ConnectTimeoutError):
        return TIMEOUT
    return CONNECTION_ERROR
