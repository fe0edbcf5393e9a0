"""The buckets that a round of jobs needs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.settings.batch import BatchSettings
from hyve_pipeline.core.settings.place_fields import split_uri
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.s3.batch.control import JobControl
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.listing.probe import probe_bucket


@dataclass(frozen=True)
class JobPlaces:
    """Connections, and what bounds the requests in flight.

    Attributes:
        source, store: those of the plan.
        location: the place of manifests and reports.
        window: the slots of requests to source and store.
    """

    source: Connection
    store: Connection
    location: Connection
    window: Window


def location_of(store: BucketSettings, settings: BatchSettings) -> BucketSettings:
    """The place of manifests and reports."""
    return store.beside(*split_uri(settings.location))


@contextmanager
def open_places(
    context: SyncContext, plan: Plan, settings: BatchSettings, guard: Callable[[], object]
) -> Iterator[JobPlaces]:
    """Connect to all of them.

    Args:
        context: the sync.
        plan: the plan.
        settings: the settings of the jobs.
        guard: is called before each request that writes.

    Raises:
        ConfigurationError: credentials or a region can't be used.
        BucketError: a bucket can't be reached.
    """
    with (
        context.connect(plan.source) as source,
        context.connect(plan.store) as store,
        context.connect(location_of(context.settings.store, settings)) as location,
    ):
        for connection in (source, store, location):
            probe_bucket(connection)
            connection.guard = guard
        yield JobPlaces(
            source,
            store,
            location,
            Window(plan.options.concurrency, lambda: source.throttled + store.throttled),
        )


def open_control(context: SyncContext, settings: BatchSettings) -> JobControl:
    """What creates and describes the jobs.

    Raises:
        ConfigurationError: credentials or the region can't be used.
    """
    store = context.settings.store
    keys = context.keys[store.resource] if store.resource is not None else None
    return JobControl(settings, location_of(store, settings), keys)
