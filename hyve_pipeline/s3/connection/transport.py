"""What a transport is: something that signs a request, sends it, and gives the answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hyve_pipeline.core.settings.access_keys import AccessKeys
from hyve_pipeline.s3.wire.errors import ANSWER_TOO_LARGE, CREDENTIALS_ERROR, RESPONSE_TIMEOUT, S3RequestError
from hyve_pipeline.s3.wire.messages import Request, Response, encode_key, encode_query

USER_AGENT = "hyve-pipeline"

CONNECT_SECONDS = 10

# A header that proxies and servers on the way may alter, so that a signature must not cover it.
UNSIGNED_HEADER = "accept-encoding"

# The result of a request: the response, or the exception that says why there is none.
ResponseOrError = Response | BaseException


def answer_of(ended: ResponseOrError) -> Response:
    """The answer; raises the exception if there is none."""
    if isinstance(ended, Response):
        return ended
    raise ended


# Takes it, once. It runs on a thread of the transport, so it must neither wait, nor take long, nor raise.
OnEnd = Callable[[ResponseOrError], None]

# The keys to sign with at this moment, or None to sign nothing; called for every request, so that they may be renewed.
# It raises `RenewalError`.
CurrentKeys = Callable[[], AccessKeys | None]


class RenewalError(Exception):
    """The keys to sign with can't be renewed."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the requests to one bucket go.

    Attributes:
        scheme: ``http`` or ``https``.
        authority: the host, with its port where that is not the scheme's own.
        path: what comes before the key's slash: empty in virtual-host style, ``/bucket`` in path style.
        region: the region to sign for.
        bucket: the bucket's name.
    """

    scheme: str
    authority: str
    path: str
    region: str
    bucket: str

    def target(self, request: Request) -> str:
        """The path and query of a request, percent-encoded."""
        path = self.path or "/"
        if request.key is not None:
            path = f"{self.path}/{encode_key(request.key)}"
        return f"{path}?{encode_query(request.query)}" if request.query else path

    def url(self, request: Request) -> str:
        """The whole URL of a request."""
        return f"{self.scheme}://{self.authority}{self.target(request)}"


def answer_too_large(bucket: str, request: Request, most: str, status: int | None = None) -> S3RequestError:
    """The error for an answer over a bound, such as ``5 bytes``; another try would bring the same."""
    answered = "" if status is None else f" (status {status})"
    reason = f"the server's answer has over {most}: it may not know this operation{answered}"
    return S3RequestError(bucket, request, ANSWER_TOO_LARGE, reason)


def answer_too_late(bucket: str, request: Request, seconds: float) -> S3RequestError:
    """The error for an answer that has not come to its end in time."""
    reason = f"the server's answer has not ended after {seconds:.0f} seconds"
    return S3RequestError(bucket, request, RESPONSE_TIMEOUT, reason)


def credentials_error(bucket: str, request: Request, error: Exception) -> S3RequestError:
    """The error for credentials that could not be renewed."""
    return S3RequestError(bucket, request, CREDENTIALS_ERROR, str(error))


class Transport(Protocol):
    """Sends requests to one bucket. Thread-safe.

    Attributes:
        sends: how often it sends a request whose failure may pass, before it reports that.
        is_impatient: it gives up on servers that are silent for half a minute, and on answers that may have no end,
            which another transport may wait for, or read piece by piece.
    """

    sends: int
    is_impatient: bool

    def send(self, request: Request, on_end: OnEnd, *, is_slow: bool = False) -> None:
        """Send a request, and hand the answer to `on_end`, of whatever status.

        Where no answer came, that is an `S3RequestError` without status. A server that `is_slow` may be silent for
        many minutes.

        Raises:
            RuntimeError: `close` was called.
        """
        ...

    def close(self) -> None:
        """Give up what is in flight and free connections and threads. Calling it again does nothing."""
        ...
