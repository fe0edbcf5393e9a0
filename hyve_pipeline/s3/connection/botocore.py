"""The transport that works wherever botocore does: HTTP proxies, own certificate authorities, no CRT."""

from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ReadTimeoutError as BodyTimeoutError

from hyve_pipeline.s3.connection.transport import (
    CONNECT_SECONDS,
    MAX_BODY_BYTES,
    UNSIGNED_HEADER,
    USER_AGENT,
    CurrentCredentials,
    Ending,
    Endpoint,
    OnEnd,
    answer_too_large,
    credentials_error,
)
from hyve_pipeline.s3.wire.errors import (
    CONNECTION_ERROR,
    INVALID_RESPONSE,
    RESPONSE_TIMEOUT,
    TIMEOUT,
    TLS_ERROR,
    S3RequestError,
)
from hyve_pipeline.s3.wire.messages import Request, Response

_READ_SECONDS = 120

# A server may be silent while it copies up to 5 GiB, or joins 10,000 parts.
_LONG_READ_SECONDS = 900
_LONG_OPERATIONS = {"CopyObject", "UploadPartCopy", "CompleteMultipartUpload"}


class BotocoreTransport:
    """Sends requests by botocore's signer and HTTP session, on threads of its own."""

    sends = 1
    is_impatient = False

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: CurrentCredentials,
        concurrency: int,
        verify: bool | str = True,
    ) -> None:
        """Make the session and the pool of threads.

        Args:
            endpoint: where requests go.
            credentials: gives the credentials to sign with.
            concurrency: requests that are in flight at once.
            verify: a file or folder of trusted certificates, or True for botocore's own.
        """
        self._endpoint = endpoint
        self._credentials = credentials
        base_url = f"{endpoint.scheme}://{endpoint.authority}"
        proxies = get_environ_proxies(base_url)
        # A proxy for plain HTTP gets the whole URL, in which urllib3 folds dot segments.
        self._folds_dots = endpoint.scheme == "http" and "http" in proxies
        self._session = URLLib3Session(
            verify=verify,  # pyright: ignore[reportArgumentType] - botocore takes a path as well
            proxies=proxies,
            timeout=(CONNECT_SECONDS, _READ_SECONDS),
            max_pool_connections=concurrency,
        )
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix=f"s3-{endpoint.bucket}")

    def send(self, request: Request, on_end: OnEnd) -> None:
        """Send a request, see `Transport.send`."""
        self._pool.submit(self._send, request).add_done_callback(lambda done: on_end(_ending(done)))

    def close(self) -> None:
        """Start no further request and free idle connections, see `Transport.close`."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    def _send(self, request: Request) -> Response:
        """Sign and send.

        Raises:
            S3RequestError: no whole answer came.
        """
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
        if request.operation in _LONG_OPERATIONS:
            message.context["read_timeout"] = _LONG_READ_SECONDS
        try:
            S3SigV4Auth(self._credentials(), "s3", self._endpoint.region).add_auth(message)
        except (BotoCoreError, ClientError) as error:
            raise credentials_error(self._endpoint.bucket, request, error) from error
        try:
            prepared = message.prepare()
            if unsigned is not None:
                prepared.headers[UNSIGNED_HEADER] = unsigned
            for name, value in prepared.headers.items():
                # As they were signed: the HTTP library sends text as Latin-1, and so gives back what it received.
                prepared.headers[name] = value.encode().decode("latin-1") if isinstance(value, str) else value
            answer = self._session.send(prepared)
            body = answer.raw.read(MAX_BODY_BYTES + 1)
        except (HTTPClientError, BotoCoreError, HTTPError, OSError) as error:
            raise self._failure(request, _code(error), str(error)) from error
        if len(body) > MAX_BODY_BYTES:
            answer.raw.close()
            raise answer_too_large(self._endpoint.bucket, request)
        answer.raw.release_conn()
        # Botocore lets an answer pass that was cut short.
        length = answer.headers.get("Content-Length")
        if request.method != "HEAD" and length is not None and int(length) != len(body):
            raise self._failure(request, INVALID_RESPONSE, f"the answer ended after {len(body)} of {length} bytes")
        headers = tuple((name, _as_sent(value)) for name, value in answer.headers.items())
        return Response(answer.status_code, headers, body)

    def _failure(self, request: Request, code: str, message: str) -> S3RequestError:
        return S3RequestError(
            request.operation, self._endpoint.bucket, request.key, status=None, code=code, message=message
        )


def _ending(done: "Future[Response]") -> Ending:
    try:
        return done.result()
    except BaseException as error:  # noqa: BLE001 - it is handed to whoever sent the request
        return error


def _as_sent(value: str) -> str:
    """A header's value in UTF-8, where it is that."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _code(error: Exception) -> str:
    """One of our codes for a failure that botocore names by its class."""
    if isinstance(error, SSLError):
        return TLS_ERROR
    if isinstance(error, ReadTimeoutError | BodyTimeoutError):
        return RESPONSE_TIMEOUT
    if isinstance(error, ConnectTimeoutError):
        return TIMEOUT
    return CONNECTION_ERROR
