"""Who sends the requests of a connection: the CRT, or botocore where only it can."""

from urllib.request import getproxies

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline.s3.connection.bounds import Bounds
from hyve_pipeline.s3.connection.rate_limit import RateLimits
from hyve_pipeline.s3.connection.session import Session
from hyve_pipeline.s3.connection.transport import Endpoint, Transport


def choose_transport(wanted: TransportName, endpoint: Endpoint) -> TransportName:
    """The transport that is wanted; for ``auto`` the CRT, unless something is in force that only botocore can do.

    That is a proxy, or that the CRT's library is missing.
    """
    if wanted != "auto":
        return wanted
    if endpoint.scheme in getproxies():
        # Imported late, as all of botocore: most connections do without, and it takes as long as the CRT.
        from botocore.utils import get_environ_proxies

        if endpoint.scheme in get_environ_proxies(f"{endpoint.scheme}://{endpoint.authority}"):
            return "botocore"
    try:
        import awscrt.s3  # noqa: F401
    except ImportError:
        return "botocore"
    return "crt"


def make_transport(
    name: TransportName,
    endpoint: Endpoint,
    session: Session,
    concurrency: int,
    bounds: Bounds,
    limits: RateLimits | None = None,
) -> Transport:
    """The transport of that name.

    Args:
        name: ``crt`` or ``botocore``.
        endpoint: where requests go.
        session: has the credentials, and the certificates to trust.
        concurrency: requests that are in flight at once.
        bounds: how much memory and time answers may take.
        limits: what may be sent and received a second. The CRT can't wait amid an answer, so large ones are botocore's.

    Raises:
        ConfigurationError: the CRT is wanted, and its library is missing.
    """
    # To find it takes all of botocore.
    verify = session.verify if endpoint.scheme == "https" else True
    # Each is imported only when it is wanted: the CRT may be missing.
    if name == "crt":
        try:
            from hyve_pipeline.s3.connection.crt import CrtTransport
        except ImportError as error:
            raise ConfigurationError(
                f"transport 'crt' needs awscrt: install it, or set transport = 'auto' ({error})"
            ) from error
        return CrtTransport(
            endpoint, session.keys, concurrency, bounds, verify=verify, are_keys_fixed=session.are_keys_fixed
        )
    from hyve_pipeline.s3.connection.botocore import BotocoreTransport

    return BotocoreTransport(endpoint, session.keys, concurrency, bounds, verify, limits)
