"""Queues of tests, which get the events of buckets on the same server."""

import json
from dataclasses import dataclass
from functools import cache
from itertools import count
from random import Random
from typing import Any

import boto3

from hyve_pipeline.core.settings.events import EventSettings
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline_tests.servers import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from hyve_pipeline_tests.syncs import NAME, Bucket, Pair

_numbers = count(1)


@dataclass(frozen=True)
class OwnQueue:
    """A queue as its owner sees it, past Hyve.

    Attributes:
        url: its URL.
        client: a boto3 client.
    """

    url: str
    client: Any

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def take_all(self) -> list[str]:
        """The bodies of all messages that wait; they are deleted."""
        found: list[str] = []
        while messages := self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(message["Body"])
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def disturb(self, chosen: Random, late: list[str]) -> list[str]:
        """Let of the messages that wait, and those that are late, some be lost or doubled, all in another order.

        Returns:
            Those that come later.
        """
        come = [*late, *self.take_all()]
        late = []
        for body in chosen.sample(come, len(come)):
            fate = chosen.randrange(9)
            late += [body] if fate == 0 else []
            self.send(*[body] * (0 if fate in (0, 1) else 2 if fate == 2 else 1))
        return late

    def counts(self) -> tuple[int, int]:
        """How many messages wait, and how many somebody has received and not deleted."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def follow(self, pair: Pair, **settings: Any) -> None:
        """Let the sync of a pair follow the queue, in its configuration."""
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        with (pair.home / "hyve.toml").open("a") as file:
            file.write(f'[sync.{NAME}.events]\nqueue_url = "{self.url}"\n{lines}')


@cache
def _client_for(endpoint_url: str) -> Any:
    # To make it takes longer than most of what tests have the queue do.
    return boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=REGION).client("sqs", endpoint_url=endpoint_url)


def make_queue(endpoint_url: str) -> OwnQueue:
    """A new queue on a server."""
    client = _client_for(endpoint_url)
    return OwnQueue(client.create_queue(QueueName=f"events-{next(_numbers)}")["QueueUrl"], client)


def send_events(bucket: Bucket, queue: OwnQueue) -> None:
    """Let a bucket send all its events to a queue."""
    arn = queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    wanted = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    bucket.client.put_bucket_notification_configuration(
        Bucket=bucket.name, NotificationConfiguration={"QueueConfigurations": [wanted]}
    )


def following(context: SyncContext, queue: OwnQueue, apply: str = "all", **settings: Any) -> SyncContext:
    """The sync of a context with a queue."""
    events = EventSettings(queue_url=queue.url, **settings)
    changed = context.settings.model_copy(update={"events": events, "apply": apply})
    return SyncContext(context.home, changed)


def event_of(bucket: str, key: str, name: str = "ObjectCreated:Put") -> str:
    """An event of S3 as S3 would send it; the key is encoded already."""
    record = {"eventSource": "aws:s3", "eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
    return json.dumps({"Records": [record]})
