"""What a transport is: something that signs a request, sends it, and gives the answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from botocore.credentials import ReadOnlyCredentials

from hyve_pipeline.s3.wire.errors import ANSWER_TOO_LARGE, CREDENTIALS_ERROR, S3RequestError
from hyve_pipeline.s3.wire.messages import Request, Response, encode_key, encode_query

USER_AGENT = "hyve-pipeline"

# How often one request is sent, at least, before it is given up.
MAX_TRIES = 5

# Delays between tries: full jitter below a bound that doubles, see
# https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
FIRST_DELAY_SECONDS = 0.25
MAX_DELAY_SECONDS = 20

CONNECT_SECONDS = 10

# More than any answer that is asked for: a server that takes a request for tags as one for the object must
# not fill the memory. A listing's 1,000 keys of 1,024 bytes, percent-encoded, come to 3 MiB.
MAX_BODY_BYTES = 16 * 1024**2

# A header that proxies and servers on the way may alter, so that a signature must not cover it.
UNSIGNED_HEADER = "accept-encoding"

# What becomes of a request: its answer, or the exception that tells why there is none.
Ending = Response | BaseException

# Takes it, once. It runs on a thread of the transport, so it must neither wait, nor take long, nor raise.
OnEnd = Callable[[Ending], None]

# The credentials to sign with at this moment; called for every request, so that they may be renewed.
CurrentCredentials = Callable[[], ReadOnlyCredentials]


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


class AnswerTooLargeError(Exception):
    """An answer has over `MAX_BODY_BYTES`."""


def answer_too_large(bucket: str, request: Request) -> S3RequestError:
    """The error for an answer that has over `MAX_BODY_BYTES`; another try would bring the same."""
    return S3RequestError(
        request.operation,
        bucket,
        request.key,
        status=None,
        code=ANSWER_TOO_LARGE,
        message=f"the server's answer has over {MAX_BODY_BYTES} bytes: it may not know this operation",
    )


def credentials_error(bucket: str, request: Request, error: Exception) -> S3RequestError:
    """The error for credentials that could not be renewed."""
    return S3RequestError(
        request.operation, bucket, request.key, status=None, code=CREDENTIALS_ERROR, message=str(error)
    )


class Transport(Protocol):
    """Sends requests to one bucket. Thread-safe.

    Attributes:
        sends: how often it sends a request whose failure may pass, before it tells of that.
        is_impatient: it gives up with `RESPONSE_TIMEOUT` on servers that are silent for half a minute.
    """

    sends: int
    is_impatient: bool

    def send(self, request: Request, on_end: OnEnd) -> None:
        """Send a request, and hand the answer to `on_end`, of whatever status.

        Where no answer came, that is an `S3RequestError` without status.

        Raises:
            RuntimeError: `close` was called.
        """
        ...

    def close(self) -> None:
        """Give up what is in flight and free connections and threads. Calling it again does nothing."""
        ...
