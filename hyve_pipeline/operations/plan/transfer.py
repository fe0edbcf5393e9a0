"""Determines who moves the bytes of a plan: the server, or this process."""

from http import HTTPStatus

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.model.plan import Transfer
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.version_pins import VersionPins
from hyve_pipeline.s3.objects.get import read_first_byte
from hyve_pipeline.s3.objects.source_responses import source_error
from hyve_pipeline.s3.wire.errors import ObjectUnreadableError, S3RequestError, bucket_error

# The fields of a place that select the credentials.
_SIGNERS = ("profile", "resource", "role_arn", "external_id", "anonymous")


def choose_transfer(context: SyncContext, example: str | None, versions: VersionPins | None = None) -> Transfer:
    """Determine who moves the bytes, unless the options set it.

    A server can copy between two of its own buckets with one set of credentials, the store's. Whether these may read
    the source is tried by reading a byte of it; nothing is written.

    Args:
        context: the sync.
        example: the whole key of an object of the source to read; None if there is nothing to copy.
        versions: the versions that are read; None for the newest ones.

    Raises:
        ConfigurationError: the options require what is impossible.
        BucketError: the source can't be reached.
    """
    source, store = context.located("source"), context.located("store")
    choice = context.settings.options.transfer
    if choice == "stream":
        return Transfer(by="stream", reason='set by transfer = "stream"')
    if source.server != store.server:
        if choice == "server":
            places = f"{source.uri} is on {source.shown_server} and {store.uri} on {store.shown_server}"
            raise ConfigurationError(f'transfer = "server" is impossible: {places}; set it to "auto" or "stream"')
        return Transfer(by="stream", reason=f"{source.shown_server} and {store.shown_server} are two servers")
    if choice == "server":
        return Transfer(by="server", reason='set by transfer = "server"')
    if have_same_credentials(source, store):
        return Transfer()
    if example is None:
        return Transfer(reason="there is nothing to copy")
    reader = as_reader(source, store)
    with context.connect(reader) as connection:
        connection.versions = versions
        problem = try_reading(connection, example)
    if problem is None:
        return Transfer(reason="the store's credentials may read the source")
    return Transfer(by="stream", reason=f"the store's credentials may not read the source ({problem})")


def have_same_credentials(source: BucketSettings, store: BucketSettings) -> bool:
    """Whether both places are reached with the same credentials."""
    return all(getattr(source, name) == getattr(store, name) for name in _SIGNERS)


def as_reader(source: BucketSettings, store: BucketSettings) -> BucketSettings:
    """The source as the server reads it when it copies: with the store's credentials."""
    return source.model_copy(update={name: getattr(store, name) for name in _SIGNERS})


def try_reading(connection: Connection, key: str) -> str | None:
    """Why an object can't be read with the credentials of a connection; None if it can, or no longer exists.

    Raises:
        BucketError: the server can't be reached.
    """
    try:
        read_first_byte(connection, key).result()
    except S3RequestError as error:
        # A request for an archived object gets the same status as one without permission.
        is_archived = isinstance(source_error(error), ObjectUnreadableError)
        if error.status in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED) and not is_archived:
            return f"{error.code}: {error.message}"
        if error.status is None or error.is_transient:
            raise bucket_error(error, connection.place) from error
    return None
