"""Inventories of a bucket as it was at an earlier time, by the versions that it keeps, and reading those versions."""

import threading
from collections import deque
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.model.inventory import VERSION_SCHEMA, AsOf, Inventory
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import SortedRows
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.version_pins import VersionPins
from hyve_pipeline.s3.listing.version_walk import VersionWalk
from hyve_pipeline.s3.objects.versions import versioning_state

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EarlierListing:
    """The listing of a bucket as it was at a time.

    Args:
        connection: the bucket.
        time: the time.

    Attributes:
        schema: the columns of its rows.

    Raises:
        ConfigurationError: the time is in the future, or the bucket does not keep versions.
        S3RequestError: whether it does could not be read.
    """

    def __init__(self, connection: Connection, time: datetime) -> None:
        self._uri = connection.place.uri
        self._time = time
        self._walks: list[VersionWalk] = []
        self.schema = VERSION_SCHEMA
        if time > datetime.now(UTC):
            raise ConfigurationError(f"--as-of: {_shown(time)} is in the future")
        state = versioning_state(connection)
        if state == "Suspended":
            raise ConfigurationError(
                f"--as-of: versioning of {self._uri} is suspended, so what was overwritten or deleted since then is "
                f"lost, and what it had at {_shown(time)} is not known"
            )
        if state is None:
            raise ConfigurationError(f"--as-of: {self._uri} keeps no versions, so only its present objects are known")

    def make_walk(self, *of_walk: Any) -> VersionWalk:
        """A walk, with the arguments of `Walk`."""
        self._walks.append(VersionWalk(*of_walk, time=self._time))
        return self._walks[-1]

    def finish(self) -> AsOf:
        """What is known of the time, once all is listed.

        Raises:
            ConfigurationError: the bucket may not have kept versions yet at that time.
        """
        first = _time(min((walk.first_kept for walk in self._walks if walk.first_kept is not None), default=None))
        null = _time(max((walk.last_null for walk in self._walks if walk.last_null is not None), default=None))
        unknown = f"--as-of: what {self._uri} had at {_shown(self._time)} is not known: "
        if first is None or self._time < first:
            known = "it has no version yet" if first is None else f"its oldest version is of {_shown(first)}"
            raise ConfigurationError(f"{unknown}{known}, and nothing shows whether it kept versions before")
        if null is not None and first < null and self._time < null:
            raise ConfigurationError(
                f"{unknown}at {_shown(null)} versioning was suspended, so what was before may be lost"
            )
        return AsOf(time=self._time, later=sum(walk.later for walk in self._walks))


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def _shown(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def connect_source(context: SyncContext, source: Inventory, stack: ExitStack) -> Connection:
    """Connect to a source as it was listed: of an inventory of an earlier time, the versions of then are read.

    Args:
        context: the sync.
        source: the inventory of the source.
        stack: closes the connection.

    Raises:
        ConfigurationError: the bucket's profile, credentials or region can't be used.
    """
    connection = stack.enter_context(context.connect(source.place))
    connection.versions = version_pins(context, source, stack)
    return connection


def version_pins(context: SyncContext, source: Inventory, stack: ExitStack) -> VersionPins | None:
    """The versions of an inventory of an earlier time, or one of each key that has histories; None for another one.

    Raises:
        StateError: the inventory's file is missing or damaged.
    """
    if source.as_of is None and source.versions == "current":
        return None
    rows = SortedRows(context.state, source.files, columns=["key", "version_id"])
    stack.callback(rows.close)
    return VersionPins(_Versions(rows).find)


class _Versions:
    """The version ids of an inventory by whole key. Nearly all keys are asked for in their order."""

    def __init__(self, rows: SortedRows) -> None:
        self._rows = rows
        self._lock = threading.Lock()
        # Of the last row groups: two, as the requests in flight are of keys of two where one ends.
        self._groups: deque[dict[str, str]] = deque(maxlen=2)

    def find(self, key: str) -> str | None:
        with self._lock:
            for group in self._groups:
                if key in group:
                    return group[key]
            table = self._rows.read(RelativeRange(key, key + "\0"))
            versions = dict(zip(*(table.column(name).to_pylist() for name in ("key", "version_id")), strict=True))
            self._groups.append(versions)
            return versions.get(key)
