"""What the log says of requests. Never a header: some carry keys or tokens."""

import logging

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.connection.transport import Endpoint
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Request, Response

_logger = logging.getLogger(__name__)


def log_connection(place: Place, endpoint: Endpoint, transport: str) -> None:
    """Log where the requests to a bucket go, and by what."""
    credentials = f"profile {place.profile}" if place.profile else "the default credentials"
    if place.resource is not None:
        credentials = f"resource {place.resource}"
    if place.role_arn is not None:
        credentials = f"{place.role_arn} by {credentials}"
    if place.anonymous:
        credentials = "no signature"
    _logger.info(
        "%s: requests go to %s://%s, region %s, by %s, with %s",
        *(place.uri, endpoint.scheme, endpoint.authority, endpoint.region, transport, credentials),
    )


def log_answer(bucket: str, request: Request, response: Response) -> None:
    """Log a request that was answered."""
    if not _logger.isEnabledFor(logging.DEBUG):
        return
    key = "" if request.key is None else f" key {request.key!r}"
    query = " ".join(f"{name}={displayed(value)}" for name, value in request.query)
    _logger.debug(
        "%s %s%s%s: %s, %s bytes",
        *(request.operation, bucket, key, f" ({query})" if query else "", response.status, len(response.body)),
    )


def log_failure(error: S3RequestError, pause: float | None) -> None:
    """Log a request that failed.

    Args:
        error: how.
        pause: seconds until it is sent again; None when it is not. Then it may be an answer as good as any, such as
            that an object is not there.
    """
    if pause is None:
        _logger.debug("%s; not sent again", error)
    else:
        _logger.info("%s; sent again in %.1f s", error, pause)
