"""Checks that a report of S3 Inventory covers its whole side.

A report can be limited to a prefix, and its manifest does not say so. But then all of its keys begin with that prefix:
where they have nothing in common beyond the side's own prefix, none was left out. Otherwise the bucket is listed before
the first and after the last of them: what it has there must have been written since the report.
"""

from datetime import timedelta

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.model.inventory import KeyRange
from hyve_pipeline.core.model.inventory_report import refuser
from hyve_pipeline.core.runtime.interruption import stop_event
from hyve_pipeline.operations.inventory.report_folder import FoundReport
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.bucket_listing import BucketListing

# A report is a rolling snapshot: what was written or deleted this long before may be missing from it, or still there.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html#storage-inventory-contents
REPORT_LAG = timedelta(hours=1)


def check_coverage(
    bucket: Connection, found: FoundReport, bounds: tuple[str, str] | None, lag: timedelta = REPORT_LAG
) -> None:
    """Check that a report was not limited to a prefix that is narrower than the side's.

    Args:
        bucket: the side.
        found: the report.
        bounds: the first and the last of its keys below the side's prefix; None if there is none.
        lag: how long before the report something may have been written that it lacks.

    Raises:
        BucketError: the bucket can't be listed.
        IncompleteInventoryError: it was, or the listing failed.
    """
    common = "" if bounds is None else _common(*bounds)
    if bounds is None:
        ranges, has = [KeyRange()], "has no key"
    elif len(common) <= len(bucket.place.prefix):
        return
    else:
        ranges = [KeyRange(until=bounds[0]), KeyRange(after=bounds[1])]
        has = f"has only keys that begin with '{displayed(common)}'"
    limit = found.manifest.as_of - lag
    for key_range in ranges:
        # One page at a time: the first key that is missing ends it, and all others were written since.
        listing = BucketListing(bucket, key_range=key_range, ceiling=1, stop=stop_event())
        for _, page in listing:
            for key, written in zip(page.keys, page.table.column("last_modified").to_pylist(), strict=True):
                if written < limit and key != key_range.until:
                    raise refuser(found.uri)(
                        f"it {has} below {displayed(bucket.place.uri)}, and the bucket has '{displayed(key)}', written "
                        "before: remove the prefix of the report's configuration, or set it to the side's"
                    )


def _common(first: str, last: str) -> str:
    """What two texts begin with."""
    length = next((number for number, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), None)
    return first[:length] if length is not None else min(first, last, key=len)
