"""Opens a connection to a bucket: with its credentials, its server, and what sends its requests."""

from hyve_pipeline.core.settings.access_keys import AccessKeys
from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.bounds import Bounds
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.log import log_connection
from hyve_pipeline.s3.connection.rate_limit import RateLimits
from hyve_pipeline.s3.connection.retry_policy import RetryPolicy
from hyve_pipeline.s3.connection.session import Session
from hyve_pipeline.s3.connection.transport_choice import choose_transport, make_transport


def open_connection(
    place: BucketSettings,
    *,
    keys: AccessKeys | None = None,
    concurrency: int = 128,
    transport: TransportName = "auto",
    bounds: Bounds | None = None,
    policy: RetryPolicy | None = None,
    limits: RateLimits | None = None,
) -> Connection:
    """Make a connection to a bucket. Nothing is sent yet, save what credentials need.

    Args:
        place: the bucket, how to reach it, and the AWS profile; a `Place` is reached where it says, otherwise it is
            found out now where requests go.
        keys: the keys to sign with, instead of what the profile or AWS's default chain has.
        concurrency: requests that are in flight at once.
        transport: who sends the requests; ``auto`` takes the CRT unless a proxy, an own certificate
            authority or a missing library asks for botocore.
        bounds: how much memory and time answers may take.
        policy: how long and how often requests are sent again.
        limits: what may be sent and received a second, shared with other connections.

    Raises:
        ConfigurationError: the profile, its credentials or the region are missing or unusable.
    """
    session = Session(place, keys)
    endpoint = session.endpoint()
    name = choose_transport(transport, endpoint)
    bounds = bounds or Bounds()
    made = make_transport(name, endpoint, session, concurrency, bounds, limits)
    log_connection(session.place, endpoint, name)
    return Connection(session, endpoint, made, name, bounds=bounds, policy=policy or RetryPolicy(), limits=limits)
