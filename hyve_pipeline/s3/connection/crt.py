"""The fast transport: AWS's Common Runtime, which signs and sends outside of Python.

It spends a tenth of the CPU time that boto3 spends on one copy. It knows no HTTP proxies.
"""

from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from awscrt.auth import AwsCredentials, AwsCredentialsProvider
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientTlsContext, TlsConnectionOptions, TlsContextOptions
from awscrt.s3 import (
    S3Client,
    S3Request,
    S3RequestTlsMode,
    S3RequestType,
    S3RetryConfig,
    create_default_s3_signing_config,
)

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.s3.connection.bounds import Bounds
from hyve_pipeline.s3.connection.thread_state import keep_thread_state
from hyve_pipeline.s3.connection.transport import (
    CONNECT_SECONDS,
    UNSIGNED_HEADER,
    USER_AGENT,
    CurrentKeys,
    Endpoint,
    OnEnd,
    RenewalError,
    answer_too_large,
    answer_too_late,
    credentials_error,
)
from hyve_pipeline.s3.connection.unreadable_headers import hide_unreadable_headers
from hyve_pipeline.s3.connection.watch import Watch
from hyve_pipeline.s3.wire.errors import (
    CONNECTION_ERROR,
    CREDENTIALS_ERROR,
    RESPONSE_TIMEOUT,
    TIMEOUT,
    TLS_ERROR,
    UNBOUNDED_ANSWER,
    UNREADABLE_BODY,
    UNREADABLE_HEADER,
    S3RequestError,
)
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.responses import MOST_ERROR_BYTES

# The CRT opens as many connections as it thinks a throughput needs, 0.4 Gbps each, and at least ten. Small
# requests are bound by latency, so the throughput is derived from the number of connections wanted.
_GBPS_PER_CONNECTION = 0.4

# A retry takes up to 10 tokens of a bucket that all requests to a host share. The CRT's own 500 tokens let
# no more than 50 requests retry at once, and fail the others at their first 503.
_TOKENS_PER_RETRY = 10

# Before it sends a request for the second time.
_RETRY_MILLISECONDS = 250

_CLOSE_SECONDS = 10

# How often answers are looked after: a server on the same machine sends some 20 MB meanwhile.
_WATCH_SECONDS = 0.02

# After its last try the CRT keeps nothing of S3's error response but its kind.
_REFUSALS = {
    "AWS_ERROR_S3_INTERNAL_ERROR": (500, "InternalError"),
    "AWS_ERROR_S3_SLOW_DOWN": (503, "SlowDown"),
    "AWS_ERROR_S3_REQUEST_TIME_TOO_SKEWED": (403, "RequestTimeTooSkewed"),
    "AWS_ERROR_S3_REQUEST_TIMEOUT": (400, "RequestTimeout"),
}


class CrtTransport:
    """Sends requests by ``awscrt.s3.S3Client``."""

    # The CRT takes 0 retries for its default of 5. It does not report them, so all further ones are made by the
    # connection, which has to know how often the server throttles.
    sends = 2

    # It closes a connection on which nothing came for 30 seconds, and has no setting for that. What is slower than its
    # bounds, or may have no end, it can't read piece by piece.
    is_impatient = True

    def __init__(
        self,
        endpoint: Endpoint,
        keys: CurrentKeys,
        concurrency: int,
        bounds: Bounds,
        *,
        verify: bool | str = True,
        are_keys_fixed: bool = False,
    ) -> None:
        """Make the client; connections are opened when requests need them.

        Args:
            endpoint: where requests go.
            keys: gives the keys to sign with.
            concurrency: connections that may be open at once.
            bounds: what an answer may take.
            verify: a file or folder of trusted certificates, or True for those of the system.
            are_keys_fixed: they are never renewed, so that they need not be asked for again.

        Raises:
            ConfigurationError: the certificates can't be used.
        """
        hide_unreadable_headers()
        self._endpoint = endpoint
        self._keys = None if are_keys_fixed else keys
        self.bounds = bounds
        self.watch: Watch[_Exchange] = Watch(_WATCH_SECONDS, bounds.growth)
        provider = _provider(keys, is_fixed=are_keys_fixed)
        # Without one, the CRT sends requests as they are.
        signing = provider and create_default_s3_signing_config(region=endpoint.region, credential_provider=provider)
        # Only for requests that need it: it is a call from the CRT into Python for each of their headers.
        self.partial_signing = signing and signing.replace(should_sign_header=_is_signed)
        self._client: S3Client | None = S3Client(
            region=endpoint.region,
            tls_mode=S3RequestTlsMode.ENABLED if endpoint.scheme == "https" else S3RequestTlsMode.DISABLED,
            signing_config=signing,
            throughput_target_gbps=max(10.0, concurrency * _GBPS_PER_CONNECTION),
            max_active_connections_override=concurrency,
            retry_config=S3RetryConfig(
                max_retries=self.sends - 1,
                backoff_scale_factor_ms=_RETRY_MILLISECONDS,
                max_backoff_secs=1,
                initial_bucket_capacity=max(500, concurrency * _TOKENS_PER_RETRY * self.sends),
            ),
            connect_timeout_ms=CONNECT_SECONDS * 1000,
            tls_connection_options=_tls_options(endpoint, verify),
        )

    def send(self, request: Request, on_end: OnEnd, *, is_slow: bool = False) -> None:
        """Send a request, see `Transport.send`."""
        exchange = _Exchange(self, request, on_end)
        try:
            # Keys that have to be renewed are renewed here, and not when the CRT asks for them: a failure could not be
            # reported there.
            if self._keys is not None:
                self._keys()
        except RenewalError as error:
            on_end(credentials_error(self.bucket, request, error))
            return
        client = self._client
        if client is None:
            raise RuntimeError(f"{request.operation} on a connection to {self._endpoint.bucket} that was closed")
        self.watch.add(exchange)
        try:
            exchange.begin(client, self._endpoint)
        except BaseException:
            self.watch.forget(exchange)
            raise
        if self._client is None:
            # Closed meanwhile, perhaps before this one was seen.
            exchange.cancel()

    def close(self) -> None:
        """Cancel what is in flight and wait until the client has ended, see `Transport.close`."""
        client, self._client = self._client, None
        if client is None:
            return
        self.watch.close()
        for exchange in self.watch.exchanges():
            exchange.cancel()
        ended = client.shutdown_event
        del client
        ended.wait(_CLOSE_SECONDS)

    @property
    def bucket(self) -> str:
        """The bucket that requests go to."""
        return self._endpoint.bucket


class _Exchange:
    """One request and the answer to it as it comes in, on the CRT's threads."""

    def __init__(self, transport: CrtTransport, request: Request, on_end: OnEnd) -> None:
        self._on_end = on_end
        self._transport = transport
        self._request = request
        self._native: S3Request | None = None
        self._is_done = False
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._size = 0
        # Why it was cancelled.
        self._failed: S3RequestError | None = None
        # The watch sets these two.
        self.begun: float
        self.size_then: int

    @property
    def seconds(self) -> float:
        return self._transport.bounds.fast_seconds(self._request)

    @property
    def known_bytes(self) -> int:
        return len(self._request.body) + self._request.expected

    def begin(self, client: S3Client, endpoint: Endpoint) -> None:
        request = self._request
        headers = [("host", endpoint.authority), ("user-agent", USER_AGENT), *request.headers]
        if request.method in ("POST", "PUT"):
            headers.append(("content-length", str(len(request.body))))
        is_partly_signed = UNSIGNED_HEADER in dict(request.headers)
        self._native = client.make_request(
            type=S3RequestType.DEFAULT,
            operation_name=request.operation,
            request=HttpRequest(
                request.method,
                endpoint.target(request),
                HttpHeaders(headers),
                BytesIO(request.body) if request.body else None,
            ),
            signing_config=self._transport.partial_signing if is_partly_signed else None,
            on_headers=self._on_headers,
            on_body=self._on_body,
            on_done=self._on_done,
        )
        if self._is_done:
            self._native = None

    def cancel(self) -> None:
        native = self._native
        if native is not None:
            native.cancel()

    def give_up(self, *, is_late: bool) -> None:
        """End it before its answer has, see `watch.Exchange`."""
        bucket = self._transport.bucket
        if is_late:
            self._failed = answer_too_late(bucket, self._request, self.seconds)
        else:
            reason = "the process grew by more than an answer should take while this one was waited for"
            self._failed = S3RequestError(bucket, self._request, UNBOUNDED_ANSWER, reason)
        self.cancel()

    def _on_headers(self, status_code: int, headers: list[tuple[str, str]], **_: Any) -> None:
        keep_thread_state()
        if len(headers) > self._transport.bounds.headers:
            self._failed = self._too_large(f"{self._transport.bounds.headers} headers", status_code)
            raise self._failed
        self._status = status_code
        self._headers = headers
        self._body.clear()
        self._size = 0

    def _on_body(self, chunk: bytes, **_: Any) -> None:
        keep_thread_state()
        self._size += len(chunk)
        if self._size > self._transport.bounds.body:
            self._failed = self._too_large(f"{self._transport.bounds.body} bytes", self._status)
            raise self._failed
        self._body.append(bytes(chunk))

    def _on_done(
        self,
        error: Exception | None = None,
        error_headers: list[tuple[str, str]] | None = None,
        error_body: bytes | None = None,
        status_code: int | None = None,
        **_: Any,
    ) -> None:
        keep_thread_state()
        # The native request keeps this exchange, and with it the whole client, until it is let go of.
        self._is_done = True
        self._native = None
        self._transport.watch.forget(self)
        if self._failed is not None and error is not None:
            # Its traceback would keep what was read.
            self._on_end(self._failed.with_traceback(None))
        elif error is None:
            response = Response(status_code or self._status, tuple(self._headers), b"".join(self._body))
            self._on_end(self._dropped_body() if self._may_lack_body(response) else response)
        elif status_code is not None and error_headers is not None:
            # The server answered, if only to refuse.
            headers, body = error_headers[: self._transport.bounds.headers], (error_body or b"")[:MOST_ERROR_BYTES]
            self._on_end(Response(status_code, tuple(headers), bytes(body)))
        else:
            self._on_end(self._failure(error))

    def _may_lack_body(self, response: Response) -> bool:
        """Whether the CRT may have dropped the body, as nothing says where it ends.

        Only reads are sent again for that: they come first, and all further requests go by the other transport then.
        """
        is_read = self._request.method == "GET" and not response.body
        return is_read and not (response.header("content-length") or response.header("transfer-encoding"))

    def _dropped_body(self) -> S3RequestError:
        reason = "the answer has neither Content-Length nor chunks"
        return S3RequestError(self._transport.bucket, self._request, UNREADABLE_BODY, reason)

    def _too_large(self, most: str, status: int) -> S3RequestError:
        return answer_too_large(self._transport.bucket, self._request, most, status)

    def _failure(self, error: Exception) -> S3RequestError:
        name = getattr(error, "name", type(error).__name__)
        message = getattr(error, "message", None) or str(error)
        status, code = _REFUSALS.get(name) or (None, _code(name))
        return S3RequestError(self._transport.bucket, self._request, code, f"{message} [{name}]", status=status)


def _tls_options(endpoint: Endpoint, verify: bool | str) -> TlsConnectionOptions | None:
    """Which certificates to trust; None for those of the system."""
    if endpoint.scheme != "https" or not isinstance(verify, str):
        return None
    options = TlsContextOptions()
    is_folder = Path(verify).is_dir()
    try:
        options.override_default_trust_store_from_path(verify if is_folder else None, None if is_folder else verify)
        tls = ClientTlsContext(options).new_connection_options()
    except Exception as error:
        # Whatever it is: the CRT tells neither kinds nor reasons.
        raise ConfigurationError(f"{verify}: no certificates to trust, in PEM ({error})") from error
    tls.set_server_name((urlsplit(f"//{endpoint.authority}").hostname or "").rstrip("."))
    return tls


def _is_signed(name: str, **_: Any) -> bool:
    return name.lower() != UNSIGNED_HEADER


def _code(name: str) -> str:
    """One of our codes for a failure that the CRT names."""
    if "CALLBACK_EXCEPTION" in name:
        return UNREADABLE_HEADER  # what our own callbacks raise is known, and nothing else can fail there
    if "HTTP_PROTOCOL" in name:
        return UNREADABLE_HEADER  # stricter than other clients: a header line without a colon, a status without words
    if "CREDENTIALS" in name or "AUTH_SIGNING" in name:
        return CREDENTIALS_ERROR
    if "TLS" in name:
        return TLS_ERROR
    if "THROUGHPUT_FAILURE" in name or "RESPONSE_FIRST_BYTE_TIMEOUT" in name:
        return RESPONSE_TIMEOUT
    if "TIMEOUT" in name or "TIMED_OUT" in name:
        return TIMEOUT
    return CONNECTION_ERROR


def _provider(current: CurrentKeys, *, is_fixed: bool) -> AwsCredentialsProvider | None:
    """The keys for the CRT, asked for anew for each request so that they are renewed in time; None signs nothing.

    Fixed ones are given once: a call from the CRT into Python for each signature is a sixth of all CPU time.
    """

    def get() -> AwsCredentials:
        keys = current()
        if keys is None:
            raise RuntimeError("there are no keys to renew")
        return AwsCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token)

    if is_fixed:
        keys = current()
        if keys is None:
            return None
        return AwsCredentialsProvider.new_static(keys.access_key_id, keys.secret_access_key, keys.session_token)
    return AwsCredentialsProvider.new_delegate(get)
