"""Connections to one bucket: settings and AWS profile in, requests and answers out."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, TypeVar

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.connection.bounds import Bounds
from hyve_pipeline.s3.connection.delayed import Later
from hyve_pipeline.s3.connection.listing_dialect import ListingDialect
from hyve_pipeline.s3.connection.log import log_answer, log_failure
from hyve_pipeline.s3.connection.rate_limit import RateLimits
from hyve_pipeline.s3.connection.retry_policy import RetryPolicy
from hyve_pipeline.s3.connection.server_abilities import PATIENT_ALONE, ServerAbilities
from hyve_pipeline.s3.connection.session import Session
from hyve_pipeline.s3.connection.transport import Endpoint, ResponseOrError, Transport, answer_of
from hyve_pipeline.s3.connection.transport_choice import make_transport
from hyve_pipeline.s3.connection.version_pins import VersionPins
from hyve_pipeline.s3.wire.errors import (
    CONNECTION_ERROR,
    FOR_THE_PATIENT,
    UNBOUNDED_ANSWER,
    UNREADABLE_BODY,
    S3RequestError,
)
from hyve_pipeline.s3.wire.futures import LightFuture, finish_reading
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.responses import error_of, is_error, unpacked

_READS = {"GET", "HEAD"}

# Requests in flight at once whose answers may take long, as far as the transport has another bound.
_PATIENT_CONNECTIONS = 32

# Threads for work of many requests, such as large objects that are copied in parts.
_WORKERS = 32

T = TypeVar("T")

# Makes the result of the response of a request that succeeded, or of the error of one that failed for good.
# It may raise an `S3RequestError`, and where that may pass, the request is sent again. It runs on a thread of the
# transport, so it must neither wait nor take long.
Read = Callable[[ResponseOrError], T]


def itself(response: Response) -> Any:
    """What `Connection.exchange` reads of a response by default: the whole of it."""
    return response


class Connection(Closing):
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
        throttled: how many responses so far said that there are too many requests (503 SlowDown).
        requests: how many requests were made so far, each counted once however often it was sent.
        operations: the same by operation, such as ``GetObject``.
        retries: how often requests were sent again so far, save what the CRT does not report.
        transport: sends its requests, save those that may take long.
        is_reached: the server has answered something.
        guard: called before each sending of a request that may write; a `HyveError` that it raises ends the request.
        bounds: how much memory and time answers may take.
        limits: what may be sent and received a second; None for no limit.
        versions: the versions of objects that are read; None for the newest ones.
    """

    def __init__(
        self,
        session: Session,
        endpoint: Endpoint,
        transport: Transport,
        transport_name: TransportName,
        *,
        bounds: Bounds,
        policy: RetryPolicy,
        limits: RateLimits | None,
    ) -> None:
        """Use `open_connection.open_connection`."""
        self.place: Place = session.place
        self.bucket = session.place.bucket
        self.endpoint = endpoint
        self.abilities = ServerAbilities(endpoint)
        self.transport_name = transport_name
        self.payer_headers = session.payer_headers
        self._session = session
        self.transport = transport
        self.bounds = bounds
        self._policy = policy
        self.limits = limits
        self.is_reached = False
        self.guard: Callable[[], object] | None = None
        self.versions: VersionPins | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._workers: ThreadPoolExecutor | None = None
        self._patient: Transport | None = None
        self._needs_patient = self.abilities.has_proved(PATIENT_ALONE)  # for every request
        self._later = Later()
        self.listing_dialect = ListingDialect()
        self.throttled = 0
        self.requests = 0
        self.retries = 0
        self.operations: Counter[str] = Counter()

    def send(self, request: Request, *, is_slow: bool = False) -> "Future[Response]":
        """Sign and send a request, again where that may help.

        Args:
            request: the request.
            is_slow: the server may be silent for over half a minute before it answers.

        Returns:
            A future that gives the answer of a request that succeeded, or raises `S3RequestError`.
        """
        return self.ask(request, answer_of, is_slow=is_slow)

    def ask(self, request: Request, read: Read[T], *, is_slow: bool = False) -> "Future[T]":
        """Like `send`, for what `read` makes of the answer or of the failure."""
        outcome: Future[T] = LightFuture()
        self.exchange(request, lambda ended: finish_reading(outcome, read, ended), read=read, is_slow=is_slow)
        return outcome

    def exchange(
        self,
        request: Request,
        on_end: Callable[[T | BaseException], object],
        *,
        read: Callable[[Response], T] = itself,
        is_slow: bool = False,
        is_trial: bool = False,
    ) -> None:
        """Like `send`, without a future, which costs more than all else that Python does for a copy.

        Args:
            request: the request.
            on_end: gets what `read` made of the answer, or the error. It runs on a thread of the transport, so it must
                neither wait, nor take long, nor raise.
            read: makes what is wanted of the answer of a request that succeeded, see `Read`; by default the answer.
            is_slow: see `send`.
            is_trial: it finds out what a server can do, and is not sent again.
        """
        if self.payer_headers and self.payer_headers[0] not in request.headers:
            # A copy from another such bucket has it already, and no header may be there twice.
            request = request._replace(headers=(*request.headers, *self.payer_headers))
        if self.versions is not None:
            request = self.versions.pinned(request)
        if request.key is None:
            request = self.listing_dialect.spoken(request)
        with self._lock:
            self.requests += 1
            self.operations[request.operation] += 1
        pending = _Pending(self, request, read, on_end, is_slow=is_slow, is_trial=is_trial)
        is_paced = self.limits is not None and self.limits.is_large(request)
        is_patient = is_slow or is_paced or self._needs_patient
        pending.send(self._patient_transport() if is_patient else self.transport)

    def send_again(self, pending: "_Pending[Any]", transport: Transport, error: S3RequestError) -> bool:
        """Send a request again after a failure, if it may help; otherwise the failure is what becomes of it."""
        if error.is_throttled:
            with self._lock:
                self.throttled += 1
        if self._closing.is_set():
            return False
        pause: float | None = 0.0
        if transport.is_impatient and error.code in FOR_THE_PATIENT:
            if error.code == UNREADABLE_BODY or (error.code != UNBOUNDED_ANSWER and not self.is_reached):
                # No answer of such a server is read by the other one; to find that out anew may take a minute.
                self.abilities.prove(PATIENT_ALONE)
                self._needs_patient = True
            transport = self._patient_transport()
        else:
            pause = self._policy.pause(
                error,
                sends=pending.sends,
                each=transport.sends,
                elapsed=time.monotonic() - pending.failed_at,
                is_reached=self.is_reached,
            )
        log_failure(error, pause)
        if pause is None:
            return False
        return self._do_later(pause, partial(pending.send, transport), partial(pending.fail, error))

    def send_later(self, pending: "_Pending[Any]", transport: Transport, seconds: float) -> None:
        """Send a request after some seconds, when the limits allow it; raises `RuntimeError` after `close`."""
        closing = S3RequestError(self.bucket, pending.request, CONNECTION_ERROR, "the connection is being closed")
        if not self._do_later(seconds, partial(pending.send_now, transport), partial(pending.fail, closing)):
            raise RuntimeError(str(closing))

    def _do_later(self, seconds: float, send: Callable[[], None], fail: Callable[[], None]) -> bool:
        def act() -> None:
            try:
                send()
            except Exception:  # noqa: BLE001 - closed just now, say; whatever it is, the request must come to an end
                fail()

        return self._later.do(seconds, act, fail)

    def count_retries(self, retries: int) -> None:
        """Count that a request was sent again, so many times."""
        with self._lock:
            self.retries += retries

    def _patient_transport(self) -> Transport:
        if not self.transport.is_impatient:
            return self.transport
        with self._lock:
            if self._patient is None:
                self._patient = make_transport(
                    "botocore", self.endpoint, self._session, _PATIENT_CONNECTIONS, self.bounds, self.limits
                )
            return self._patient

    @property
    def client(self) -> Any:
        """A botocore S3 client with the same credentials and endpoint, for all that is rare."""
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
            raise S3RequestError(self.bucket, request, CONNECTION_ERROR, "the connection is being closed")

    def close(self) -> None:
        """Give up what is in flight and free connections and threads. Calling it again does nothing."""
        self._closing.set()
        if self._workers is not None:
            # What runs there notices, and takes back what it has begun, as long as it can still send.
            self._workers.shutdown(wait=True, cancel_futures=True)
        self._later.close()
        self.transport.close()
        if self._patient is not None:
            self._patient.close()
        self._session.close()


class _Pending(Generic[T]):
    """One request until it has succeeded, or failed for good."""

    def __init__(
        self,
        connection: Connection,
        request: Request,
        read: Callable[[Response], T],
        on_end: Callable[[T | BaseException], object],
        *,
        is_slow: bool,
        is_trial: bool,
    ) -> None:
        self._connection = connection
        self._transport = connection.transport
        self.request = request
        self._read = read
        self._on_end = on_end
        self._is_slow = is_slow
        self._is_trial = is_trial
        # How often it was sent, and when it failed for the first time.
        self.sends = 0
        self.failed_at = 0.0

    def send(self, transport: Transport) -> None:
        """Send it by a transport, as soon as the limits allow it; raises `RuntimeError` if that is closed."""
        limits = self._connection.limits
        if limits is None or not (wait := limits.take(self.request)):
            self.send_now(transport)
            return
        if self.failed_at:
            # The server is not to blame for that time.
            self.failed_at += wait
        self._connection.send_later(self, transport, wait)

    def send_now(self, transport: Transport) -> None:
        """Send it by a transport; raises `RuntimeError` if that is closed."""
        guard = self._connection.guard
        if guard is not None and self.request.method not in _READS:
            try:
                guard()
            except HyveError as error:
                self._on_end(error)
                return
        self._transport = transport
        transport.send(self.request, self._judge, is_slow=self._is_slow)

    def fail(self, error: S3RequestError) -> None:
        """End it by a failure that is for good."""
        error.sends = self.sends
        self._on_end(error)

    def _failed(self, error: S3RequestError, sends: int) -> None:
        self.sends += sends
        self.failed_at = self.failed_at or time.monotonic()
        if self._connection.limits is not None:
            self._connection.limits.take_repeats(sends - 1)
        is_again = not self._is_trial and self._connection.send_again(self, self._transport, error)
        self._connection.count_retries(sends if is_again else sends - 1)
        if not is_again:
            self.fail(error)

    def _judge(self, ended: ResponseOrError) -> None:
        connection = self._connection
        if not isinstance(ended, Response):
            self._judge_failure(ended)
            return
        connection.is_reached = True
        ended = unpacked(ended, connection.bounds.body)
        if is_error(ended):
            # Whatever a transport sends again by itself, it reports as a failure, and never as an answer.
            self._failed(error_of(connection.bucket, self.request, ended), 1)
            return
        log_answer(connection.bucket, self.request, ended)
        try:
            result = self._read(ended._replace(sends=self.sends + 1) if self.sends else ended)
        except S3RequestError as error:
            self._failed(error, 1)
        except BaseException as error:  # noqa: BLE001 - it is handed to the caller
            self._on_end(error)
        else:
            self._on_end(result)

    def _judge_failure(self, error: BaseException) -> None:
        if isinstance(error, S3RequestError):
            # The CRT reports the last response to a request that it retried by an error alone.
            self._connection.is_reached |= error.status is not None
            self._failed(error, self._transport.sends)
        else:
            self._on_end(error)
