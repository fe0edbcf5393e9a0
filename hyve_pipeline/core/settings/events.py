"""The settings of the queue of events by which a sync is followed between its plans of all keys."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from hyve_pipeline.core.settings.field_checks import JsonSchema
from hyve_pipeline.core.settings.place_fields import BucketName, EndpointUrl, ProfileName, Region
from hyve_pipeline.core.settings.table import SettingsTable

_QUEUE = re.compile(r"https?://[^/\s?#@]+/[^\s?#]*[A-Za-z0-9_-]")

# The host of a queue on AWS, with its region; the others are of endpoints of a VPC and of earlier times.
# https://docs.aws.amazon.com/general/latest/gr/sqs-service.html
_AWS_HOST = re.compile(
    r"(?:.*\.)?sqs(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?(?:amazonaws|api)\..*|([a-z0-9-]+)\.queue\.amazonaws\..*"
)


def _valid_queue(url: str) -> str:
    if not _QUEUE.fullmatch(url):
        raise ValueError(
            f"{url!r} is not the URL of a queue such as 'https://sqs.eu-central-1.amazonaws.com/123456789012/hyve'"
        )
    if url.endswith(".fifo"):
        raise ValueError(f"{url!r} is a FIFO queue, to which S3 sends no events: make a standard queue")
    return url


QueueUrl = Annotated[
    str,
    AfterValidator(_valid_queue),
    JsonSchema(_QUEUE, examples=["https://sqs.eu-central-1.amazonaws.com/123456789012/hyve"]),
]


class EventSettings(SettingsTable):
    """The SQS queue that gets the events of the source's bucket, and how often a plan is made of the keys they name."""

    queue_url: QueueUrl = Field(description="The URL of the queue.")
    profile: ProfileName | None = Field(
        default=None,
        description="An AWS profile for the queue; without one, the queue is used with the source's credentials.",
    )
    region: Region | None = Field(
        default=None, description="The queue's region; without one, that of its URL, else the source's."
    )
    endpoint_url: EndpointUrl | None = Field(
        default=None, description="A server that speaks SQS; without one, that of the queue's URL."
    )
    bucket: BucketName | None = Field(
        default=None,
        description=(
            "The bucket's name in its events; without one, the source's. It differs where the source is named by the "
            "alias of an access point."
        ),
    )
    interval_seconds: int = Field(
        default=30,
        ge=0,
        le=86_400,
        description="Seconds from one plan to the next at least; events that come meanwhile are in the next one.",
    )

    @property
    def server(self) -> str:
        """The URL of the server that requests go to."""
        if self.endpoint_url is not None:
            return self.endpoint_url
        parts = urlsplit(self.queue_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def own_region(self) -> str | None:
        """The queue's region; None where neither the settings nor its URL say it."""
        found = _AWS_HOST.fullmatch(urlsplit(self.queue_url).hostname or "")
        return self.region or (None if found is None else found[1] or found[2])

    @property
    def name(self) -> str:
        """The queue's name."""
        return self.queue_url.rpartition("/")[2]

    @property
    def arn(self) -> str | None:
        """The ARN of a queue on AWS, for policies; None elsewhere."""
        account, _, name = urlsplit(self.queue_url).path.strip("/").partition("/")
        if self.own_region is None or not account.isdecimal() or not name:
            return None
        return f"arn:aws:sqs:{self.own_region}:{account}:{name}"
