"""Whether anything listens at the address of a server."""

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.s3.connection.transport import CONNECT_SECONDS

_PORTS = {"http": 80, "https": 443}


def check_reachable(endpoint_url: str, seconds: float = CONNECT_SECONDS) -> None:
    """Connect to a server, and say nothing to it. Behind a proxy nothing is tried: only that reaches the server.

    Args:
        endpoint_url: its address.
        seconds: how long that may take.

    Raises:
        ConfigurationError: nothing listens there, or its name is not known.
    """
    parts = urlsplit(endpoint_url)
    if parts.scheme in getproxies():
        return
    try:
        socket.create_connection((parts.hostname or "", parts.port or _PORTS[parts.scheme]), timeout=seconds).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"{endpoint_url} can't be reached: {reason}") from None
