"""Checks whether the S3 Inventory report of a side can be read, and what it says of itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.durations import readable_duration
from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.model.findings import Finding, Verdict, failed
from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.report_folder import find_report
from hyve_pipeline.s3.objects.get import read_first_byte
from hyve_pipeline.s3.wire.errors import naming_bucket


def examine_reports(sync: SyncContext, side: Side) -> Iterator[Finding]:
    """Check that the newest report of a side is complete, fits and is not too old, and that its files can be read."""
    place = sync.place(side)
    if place.reports is None:
        return
    name = f"{side} report"
    max_age = timedelta(seconds=sync.settings.options.inventory_max_age)
    try:
        with sync.connect(place.reports) as connection, naming_bucket(connection.place):
            found = find_report(connection, place.bucket, None, max_age)
            if found.manifest.files:
                read_first_byte(connection, found.manifest.files[0].key).result()
    except HyveError as error:
        yield failed("inventory", name, error)
        return
    manifest = found.manifest
    age = readable_duration((datetime.now(UTC) - manifest.as_of).total_seconds())
    detail = (
        f"{displayed(found.uri)} is complete, as of {manifest.as_of:%Y-%m-%d %H:%M} UTC, {age} ago: {manifest.format}, "
        f"{counted(len(manifest.files), 'file')}, {'all versions' if manifest.has_versions else 'current versions'}"
    )
    yield Finding("inventory", name, Verdict.OK, detail)
