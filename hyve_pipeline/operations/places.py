"""The servers of source, store and trash, and whether they or the state overlap there."""

import os
from collections.abc import Container
from pathlib import Path

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.places import DEFAULT_ORIGIN, SETTINGS_ORIGIN, BucketSettings, Place
from hyve_pipeline.state.credentials import config_file, credentials_file


def locate_sync(sync: SyncSettings, resources: Container[str]) -> SyncSettings:
    """The settings with the servers that requests to source and store go to, and the mapping of the source's keys.

    A side stays unchanged if its server can't be determined here: its AWS settings are not valid, or they belong to a
    Dagster resource that only runs have. Connecting to it raises the reason.

    Args:
        sync: the settings.
        resources: the known resources of a Dagster project.
    """
    located = {side: _located(place, resources) for side, place in (("source", sync.source), ("store", sync.store))}
    source = located["source"]
    if isinstance(source, Place) and source.mapping != sync.mapping:
        located["source"] = source.model_copy(update={"mapping": sync.mapping})
    return sync.model_copy(update=located)


def check_overlap(sync: SyncSettings, state: BucketSettings | None = None) -> None:
    """Check that source, store and trash do not overlap on their servers, nor one of them the state.

    Args:
        sync: the settings, with servers.
        state: the bucket and prefix of the state; None where it is a folder.

    Raises:
        ConfigurationError: two of them do.
    """
    if state is not None:
        _check_state(sync, _located(state, ()))
    overlap = sync.overlap
    if overlap is None:
        return
    servers = " and ".join(dict.fromkeys(_shown_server(place) for place in (overlap.place, overlap.other_place)))
    raise ConfigurationError(
        f"sync {sync.name}: {overlap.setting} {overlap.problem}, on one server ({servers}); "
        "neither may contain the other"
    )


def _check_state(sync: SyncSettings, state: BucketSettings) -> None:
    """Check that a sync can neither delete its own state nor copy it.

    Raises:
        ConfigurationError: it could.
    """
    sides = {"source": sync.source, "store": sync.store, "trash": sync.trash, "batch location": sync.jobs}
    for name, place in sides.items():
        if place is not None and place.overlaps(state):
            raise ConfigurationError(
                f"sync {sync.name}: the state {state.uri} and the {name} {place.uri} overlap, on one server "
                f"({_shown_server(place)}): keep the state in a bucket or below a prefix of its own"
            )


def _located(place: BucketSettings, resources: Container[str]) -> BucketSettings:
    if isinstance(place, Place) or (place.resource is not None and place.resource not in resources):
        return place
    if place.endpoint_url is not None:
        return Place.at(place, place.endpoint_url, SETTINGS_ORIGIN)
    if not _may_name_a_server():
        return Place.at(place, None, DEFAULT_ORIGIN)
    # Imported late: botocore takes longer to load than all else that a command needs to read plans.
    from hyve_pipeline.s3.connection.servers import locate

    try:
        return locate(place)
    except ConfigurationError:
        return place


def _may_name_a_server() -> bool:
    """Whether the environment or the AWS files may name a server; most name none."""
    if any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ):
        return True
    return any(_mentions_an_endpoint(path) for path in (config_file(), credentials_file()))


def _mentions_an_endpoint(path: Path) -> bool:
    try:
        return path.is_file() and b"endpoint_url" in path.read_bytes().lower()
    except OSError:
        return True


def _shown_server(place: BucketSettings) -> str:
    return place.shown_server if isinstance(place, Place) else "one server"
