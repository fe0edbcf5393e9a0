"""Whether a bucket keeps versions."""

from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.core.model.inventory import Versioning
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.s3.objects.versions import versioning_state
from hyve_pipeline.s3.wire.errors import S3RequestError


def versioning_of(context: SyncContext, place: Place) -> Versioning | None:
    """Whether a bucket keeps versions; None where the server does not say."""
    # By a connection of its own, with no patience: no listing fails or waits for what only a warning needs.
    try:
        with context.overridden(patience_seconds=0).connect(place) as connection:
            state = versioning_state(connection)
    except (S3RequestError, BucketError):
        return None
    return "never enabled" if state is None else "enabled" if state == "Enabled" else "suspended"
