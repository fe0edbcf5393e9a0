"""Connections by either transport, closed when a test ends."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.bounds import Bounds
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline.s3.connection.rate_limit import RateLimits
from hyve_pipeline.s3.connection.retry_policy import RetryPolicy

# As often as otherwise, and within some seconds.
HASTY = RetryPolicy(patience=1, first_delay=0.01)


class Connect(Protocol):
    """Opens a connection by the transport that the test is run for."""

    def __call__(
        self,
        place: BucketSettings,
        *,
        concurrency: int = 16,
        bounds: Bounds | None = None,
        policy: RetryPolicy = HASTY,
        limits: RateLimits | None = None,
    ) -> Connection: ...


@pytest.fixture(params=["crt", "botocore"])
def transport(request: pytest.FixtureRequest) -> TransportName:
    """Each test that speaks S3 is run once for each transport."""
    return request.param


@pytest.fixture
def connect(transport: TransportName, aws_profile: str) -> Iterator[Connect]:
    """Opens connections with the test's AWS profile."""
    with ExitStack() as stack:

        def connect(
            place: BucketSettings,
            *,
            concurrency: int = 16,
            bounds: Bounds | None = None,
            policy: RetryPolicy = HASTY,
            limits: RateLimits | None = None,
        ) -> Connection:
            place = place if place.profile else place.model_copy(update={"profile": aws_profile})
            return stack.enter_context(
                open_connection(
                    place, concurrency=concurrency, transport=transport, bounds=bounds, policy=policy, limits=limits
                )
            )

        yield connect
