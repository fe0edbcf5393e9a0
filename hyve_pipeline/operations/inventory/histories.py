"""Inventories of all versions of a bucket."""

from collections.abc import Iterable
from typing import Any

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.model.history import HISTORY_SCHEMA
from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.history_walk import HistoryWalk
from hyve_pipeline.s3.objects.versions import versioning_state
from hyve_pipeline.s3.wire.errors import naming_bucket


class HistoryListing:
    """The listing of all versions of a bucket.

    Args:
        connection: the bucket.

    Attributes:
        schema: the columns of its rows.

    Raises:
        ConfigurationError: the bucket does not keep all versions.
        S3RequestError: whether it does could not be read.
    """

    def __init__(self, connection: Connection) -> None:
        check_keeps_versions(connection)
        self.schema = HISTORY_SCHEMA

    def make_walk(self, *of_walk: Any) -> HistoryWalk:
        """A walk, with the arguments of `Walk`."""
        return HistoryWalk(*of_walk)


def check_buckets(context: SyncContext, sides: Iterable[Side]) -> None:
    """Check that the buckets of some sides keep all versions from now on.

    Raises:
        ConfigurationError: one does not.
        BucketError: one can't be reached.
    """
    for side in sides:
        with context.connect(context.place(side)) as connection, naming_bucket(connection.place):
            check_keeps_versions(connection)


def check_keeps_versions(connection: Connection) -> None:
    """Check that a bucket keeps all versions from now on.

    Raises:
        ConfigurationError: it does not.
        S3RequestError: that could not be read.
    """
    state = versioning_state(connection)
    if state != "Enabled":
        found = "versioning is suspended" if state == "Suspended" else "the bucket keeps no versions"
        raise ConfigurationError(
            f'{connection.place.uri}: {found}, and options.versions = "all" requires versioning of both buckets: '
            'enable it, or set versions = "current"'
        )
