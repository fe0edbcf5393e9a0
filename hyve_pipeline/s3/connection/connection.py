"""Connections to one bucket: settings and AWS profile in, requests and answers out."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar

from hyve_pipeline.core.settings.access_keys import AccessKeys
from hyve_pipeline.core.settings.model import BucketSettings, TransportName
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.connection.delayed import Later
from hyve_pipeline.s3.connection.listing_dialect import ListingDialect
from hyve_pipeline.s3.connection.server_abilities import ServerAbilities
from hyve_pipeline.s3.connection.session import Session
from hyve_pipeline.s3.connection.transport import (
    FIRST_DELAY_SECONDS,
    MAX_DELAY_SECONDS,
    MAX_TRIES,
    Ending,
    Endpoint,
    OnEnd,
    Transport,
)
from hyve_pipeline.s3.connection.transport_choice import choose_transport, make_transport
from hyve_pipeline.s3.wire.errors import CONNECTION_ERROR, RESPONSE_TIMEOUT, S3RequestError, error_of, is_error
from hyve_pipeline.s3.wire.futures import complete
from hyve_pipeline.s3.wire.messages import Request, Response

# Requests in flight at once whose answers may take long, as far as the transport has another bound.
_PATIENT_CONNECTIONS = 32

# Threads for work of many requests, such as large objects that are copied in parts.
_WORKERS = 32

T = TypeVar("T")


class Connection:
    """A way to one bucket with one set of credentials. Thread-safe; use it as a context manager.

    Attributes:
        place: the bucket, and the server that it is on.
        bucket: its name.
        endpoint: where its requests go.
        transport_name: ``crt`` or ``botocore``, whichever sends the requests.
        payer_headers: what every request to the bucket carries where the requester pays; `exchange` adds it. A request
            to another bucket that reads from this one, such as CopyObject, needs it too.
        abilities: what its server turned out to lack.
        listing_dialect: how the server lists, as far as its answers have shown it.
        refusals: how often so far the server refused a request since there were too many.
    """

    def __init__(
        self, session: Session, endpoint: Endpoint, transport: Transport, transport_name: TransportName
    ) -> None:
        """Use `open_connection`."""
        self.place: Place = session.place
        self.bucket = session.place.bucket
        self.endpoint = endpoint
        self.abilities = ServerAbilities(endpoint)
        self.transport_name = transport_name
        self.payer_headers = session.payer_headers
        self._session = session
        self._transport = transport
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._workers: ThreadPoolExecutor | None = None
        self._patient: Transport | None = None
        self._later = Later()
        self.listing_dialect = ListingDialect()
        self.refusals = 0

    def send(self, request: Request, *, is_slow: bool = False) -> "Future[Response]":
        """Sign and send a request, with retries where they may help.

        Args:
            request: the request.
            is_slow: the server may be silent for over half a minute before it answers.

        Returns:
            A future that gives the answer of a request that succeeded, or raises `S3RequestError`.
        """
        return self.ask(request, _response, is_slow=is_slow)

    def ask(self, request: Request, read: Callable[[Ending], T], *, is_slow: bool = False) -> "Future[T]":
        """Like `send`, for what `read` makes of the answer or of the failure; it may raise another.

        `read` runs on a thread of the transport, so it must neither wait nor take long.
        """
        outcome: Future[T] = Future()
        self.exchange(request, lambda ending: complete(outcome, read, ending), is_slow=is_slow)
        return outcome

    def exchange(self, request: Request, on_end: OnEnd, *, is_slow: bool = False) -> None:
        """Like `send`, without a future: `on_end` gets the answer of a request that succeeded, or the error.

        Futures cost more than all else that Python does for a copy.
        """
        if self.payer_headers and self.payer_headers[0] not in request.headers:
            # A copy from another such bucket has it already, and no header may be there twice.
            request = replace(request, headers=(*request.headers, *self.payer_headers))
        self._try(request, on_end, self._patient_transport() if is_slow else self._transport, 1)

    def _try(self, request: Request, on_end: OnEnd, transport: Transport, number: int) -> None:
        """Send a request for the n-th time.

        Raises:
            RuntimeError: the transport is closed.
        """

        def judge(ending: Ending) -> None:
            if isinstance(ending, Response):
                if not is_error(ending):
                    on_end(ending)
                    return
                ending = error_of(self.bucket, request, ending)
            if not isinstance(ending, S3RequestError) or not self._try_again(
                request, on_end, transport, number, ending
            ):
                on_end(ending)

        transport.send(request, judge)

    def _try_again(
        self, request: Request, on_end: OnEnd, transport: Transport, number: int, error: S3RequestError
    ) -> bool:
        """Try a request again after a failure, if it may help; otherwise the failure is what becomes of it."""
        if error.is_refusal:
            with self._lock:
                self.refusals += 1
        if self._closing.is_set() or not error.is_transient:
            return False
        if transport.is_impatient and error.code == RESPONSE_TIMEOUT:
            transport, number, bound = self._patient_transport(), 0, 0.0
        elif (sent := number * transport.sends) >= MAX_TRIES:
            return False
        else:
            bound = min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** (sent - 1))

        def send() -> None:
            try:
                self._try(request, on_end, transport, number + 1)
            except Exception:  # noqa: BLE001 - closed just now, say; whatever it is, the request must come to an end
                on_end(error)

        return self._later.do(random.uniform(0, bound), send, lambda: on_end(error))  # noqa: S311 - jitter is no secret

    def _patient_transport(self) -> Transport:
        if not self._transport.is_impatient:
            return self._transport
        with self._lock:
            if self._patient is None:
                self._patient = make_transport("botocore", self.endpoint, self._session, _PATIENT_CONNECTIONS)
            return self._patient

    @property
    def client(self) -> Any:
        """A boto3 S3 client with the same credentials and endpoint, for all that is rare."""
        return self._session.client

    @property
    def workers(self) -> ThreadPoolExecutor:
        """A few threads for work that takes many requests one after the other."""
        with self._lock:
            if self._workers is None:
                self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix=f"s3-{self.bucket}-worker")
            return self._workers

    @property
    def closing(self) -> threading.Event:
        """Set once `close` was called: work of many requests should end early."""
        return self._closing

    def raise_if_closing(self, request: Request) -> None:
        """Let work of many requests end early.

        Raises:
            S3RequestError: `close` was called.
        """
        if self._closing.is_set():
            raise S3RequestError(
                request.operation,
                self.bucket,
                request.key,
                status=None,
                code=CONNECTION_ERROR,
                message="the connection is being closed",
            )

    def close(self) -> None:
        """Give up what is in flight and free connections and threads. Calling it again does nothing."""
        self._closing.set()
        if self._workers is not None:
            # What runs there notices, and takes back what it has begun, as long as it can still send.
            self._workers.shutdown(wait=True, cancel_futures=True)
        self._later.close()
        self._transport.close()
        if self._patient is not None:
            self._patient.close()
        self._session.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _response(ending: Ending) -> Response:
    if isinstance(ending, Response):
        return ending
    raise ending


def open_connection(
    place: BucketSettings,
    *,
    keys: AccessKeys | None = None,
    concurrency: int = 128,
    transport: TransportName = "auto",
) -> Connection:
    """Make a connection to a bucket. Nothing is sent yet, save what credentials need.

    Args:
        place: the bucket, how to reach it, and the AWS profile; a `Place` is reached where it says, otherwise it is
            found out now where requests go.
        keys: the keys to sign with, instead of what the profile or AWS's default chain has.
        concurrency: requests that are in flight at once.
        transport: who sends the requests; ``auto`` takes the CRT unless a proxy, an own certificate
            authority or a missing library asks for botocore.

    Raises:
        ConfigurationError: the profile, its credentials or the region are missing or unusable.
    """
    session = Session(place, keys)
    endpoint = session.endpoint()
    name = choose_transport(transport, endpoint, session)
    return Connection(session, endpoint, make_transport(name, endpoint, session, concurrency), name)
