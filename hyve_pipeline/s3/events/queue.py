"""A queue of SQS, by botocore's client: messages are received, kept from others meanwhile, and deleted."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.core.settings.access_keys import AccessKeys
from hyve_pipeline.core.settings.events import EventSettings
from hyve_pipeline.core.settings.places import BucketSettings

# The most messages of a request.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
_BATCH = 10

# The most seconds that SQS waits for a message.
MOST_WAIT_SECONDS = 20

# For so long nobody else gets a message that was received; extended while it is worked on. After a crash it comes again
# when this time is over.
VISIBILITY_SECONDS = 60

_MOST_FAILURE = 300

T = TypeVar("T")


@dataclass(frozen=True)
class Message:
    """A message that was received.

    Attributes:
        receipt: what it is deleted by; each time that it is received, it has another one.
        body: its text.
    """

    receipt: str
    body: str


class Queue(Closing):
    """A queue.

    Args:
        settings: which queue.
        source: the source, whose credentials are used unless the queue has a profile of its own.
        keys: the access keys of the source, where a Dagster resource has them.

    Raises:
        ConfigurationError: the credentials or the region are missing or can't be used.
    """

    def __init__(self, settings: EventSettings, source: BucketSettings, keys: AccessKeys | None = None) -> None:
        # Imported late, as botocore is: only the queue needs a client of its own.
        from hyve_pipeline.s3.connection.session import Session

        self.url = settings.queue_url
        changed: dict[str, Any] = {"anonymous": False, "requester_pays": False}
        if settings.profile is not None:
            changed |= {"profile": settings.profile, "role_arn": None, "external_id": None, "resource": None}
        place = source.model_copy(update=changed)
        session = Session(place, None if settings.profile is not None else keys)
        self._client = session.service_client("sqs", settings.own_region or session.region, settings.server)

    def receive(self, wait_seconds: int, visibility_seconds: int = VISIBILITY_SECONDS) -> list[Message]:
        """Receive some messages; none if none came in the time.

        Raises:
            BucketError: the queue can't be reached.
        """
        answer = self._ask(
            self._client.receive_message,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=visibility_seconds,
        )
        return [Message(found["ReceiptHandle"], found.get("Body", "")) for found in answer.get("Messages", [])]

    def delete(self, messages: Sequence[Message]) -> int:
        """Delete messages; return of how many this failed: these come again.

        Raises:
            BucketError: the queue can't be reached.
        """
        return sum(
            len(self._ask(self._client.delete_message_batch, Entries=entries).get("Failed", []))
            for entries in _entries(messages)
        )

    def keep(self, messages: Sequence[Message], seconds: int = VISIBILITY_SECONDS) -> None:
        """Keep messages from others for so many seconds from now.

        Raises:
            BucketError: the queue can't be reached.
        """
        for entries in _entries(messages, VisibilityTimeout=seconds):
            self._ask(self._client.change_message_visibility_batch, Entries=entries)

    def give_back(self, messages: Sequence[Message]) -> None:
        """Let others receive messages at once; where that fails, they do when the time of these is over."""
        with suppress(BucketError):
            self.keep(messages, 0)

    def waiting(self) -> int:
        """About how many messages wait to be received.

        Raises:
            BucketError: the queue can't be reached.
        """
        name = "ApproximateNumberOfMessages"
        answer = self._ask(self._client.get_queue_attributes, AttributeNames=[name])
        return int(answer.get("Attributes", {}).get(name, 0))

    def redrive_policy(self) -> str | None:
        """Where messages go that are received too often; None where nothing is set, so that they stay.

        Raises:
            BucketError: the queue can't be reached.
        """
        answer = self._ask(self._client.get_queue_attributes, AttributeNames=["RedrivePolicy"])
        return answer.get("Attributes", {}).get("RedrivePolicy")

    @contextmanager
    def keeping(self, messages: Sequence[Message], seconds: int = VISIBILITY_SECONDS) -> Iterator[None]:
        """Keep messages from others until the block ends, by extending their time again and again.

        Where that fails, they come again: what their keys need is done by then, or is done again.
        """
        over = threading.Event()

        def extend() -> None:
            while not over.wait(seconds / 3):
                try:
                    self.keep(messages, seconds)
                except BucketError:
                    continue

        thread = threading.Thread(target=extend, name="queue-visibility", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def close(self) -> None:
        """Free the connections."""
        self._client.close()

    def _ask(self, send: Callable[..., T], **parameters: Any) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return send(QueueUrl=self.url, **parameters)
        except ClientError as error:
            raise BucketError(f"{self.url}: {_refusal(error.response)}") from error
        except BotoCoreError as error:
            raise BucketError(f"{self.url}: the queue can't be reached: {_line(str(error))}") from error


def _entries(messages: Sequence[Message], **more: Any) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(messages), _BATCH):
        yield [
            {"Id": str(number), "ReceiptHandle": message.receipt, **more}
            for number, message in enumerate(messages[start : start + _BATCH])
        ]


def _refusal(response: Mapping[str, Any]) -> str:
    error = response.get("Error", {})
    code, text = str(error.get("Code", "")), _line(str(error.get("Message", "")))
    if "NonExistentQueue" in code or "QueueDoesNotExist" in code:
        return "there is no such queue: correct queue_url or region"
    if "AccessDenied" in code:
        return f"access denied: `hyve iam-policy` prints what the queue requires ({text})"
    return f"{code}: {text}"


def _line(text: str) -> str:
    return " ".join(text.split())[:_MOST_FAILURE]
