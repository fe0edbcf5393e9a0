"""Finds a report of S3 Inventory in the folder of a report's configuration, and reads its manifest.

    <prefix>/<source bucket>/<configuration>/<YYYY-MM-DDTHH-MMZ>/manifest.json, manifest.checksum
    <prefix>/<source bucket>/<configuration>/data/…

S3 writes both files of the first line when all data are written, so a report is complete where both are there.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hyve_pipeline.core.base.durations import readable_duration
from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.report_names import is_report_folder
from hyve_pipeline.core.model.inventory_report import (
    CHECKSUM,
    MANIFEST,
    ReportManifest,
    read_manifest,
    refuser,
)
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.files.state_objects import get_object, list_below

_logger = logging.getLogger(__name__)

# A manifest names each file in some 200 bytes: this is one of 80,000 files. No larger answer is read at once.
_MOST_BYTES = 16 * 1024**2

# The clocks of S3 and of this machine may differ by this much.
_CLOCK_SLACK = timedelta(minutes=15)


@dataclass(frozen=True)
class FoundReport:
    """A report that was found, with its manifest.

    Attributes:
        uri: the manifest, as ``s3://bucket/key``.
        manifest: what it says.
    """

    uri: str
    manifest: ReportManifest


def find_report(connection: Connection, source_bucket: str, date: str | None, max_age: timedelta) -> FoundReport:
    """The newest complete report, or the newest one of a date.

    Args:
        connection: the bucket of the reports; its place's prefix is the folder of the configuration.
        source_bucket: the bucket that the report must be of.
        date: the beginning of the report's name, such as ``2026-11-28``; None for the newest.
        max_age: an older report is refused.

    Raises:
        IncompleteInventoryError: there is no such report, or it is damaged, of another bucket, lacks a column, or is
            too old.
        S3RequestError: a request failed.
    """
    place = connection.place
    names = [
        found.key[len(place.prefix) : -1]
        for found in list_below(connection, place.prefix, "/")
        if found.is_prefix and is_report_folder(found.key[len(place.prefix) : -1])
    ]
    wanted = sorted((name for name in names if date is None or name.startswith(date)), reverse=True)
    for name in wanted:
        folder = f"{place.prefix}{name}/"
        size = _size_of_complete(connection, folder)
        if size is None:
            _logger.info("report %s%s is not complete yet, an earlier one is looked for", place.uri, name)
            continue
        return _read(connection, folder, size, source_bucket, max_age)
    raise _none_found(place.uri, names, wanted, date)


def _none_found(uri: str, names: list[str], wanted: list[str], date: str | None) -> IncompleteInventoryError:
    where = displayed(uri)
    if wanted:
        return IncompleteInventoryError(
            f"{where}: the S3 Inventory report {wanted[0]} is not complete: it lacks {MANIFEST} or {CHECKSUM}; wait "
            "until S3 has written both"
        )
    if date is not None and names:
        newest = ", ".join(sorted(names, reverse=True)[:3])
        return IncompleteInventoryError(f"{where}: there is no S3 Inventory report of {date}; the newest are {newest}")
    return IncompleteInventoryError(
        f"{where}: there is no S3 Inventory report: set inventory to the folder that has folders such as "
        "2026-01-31T01-00Z (S3 writes the first report within 48 hours), or leave it out to list the bucket"
    )


def _size_of_complete(connection: Connection, folder: str) -> int | None:
    """The bytes of a report's manifest; None where the report is not complete."""
    sizes = {found.key[len(folder) :]: found.size for found in list_below(connection, folder, "/")}
    return sizes.get(MANIFEST) if CHECKSUM in sizes else None


def _read(connection: Connection, folder: str, size: int, source_bucket: str, max_age: timedelta) -> FoundReport:
    uri = f"s3://{connection.bucket}/{folder}{MANIFEST}"
    refuse = refuser(uri)
    if size > _MOST_BYTES:
        raise refuse(f"the manifest has {size:,} bytes, which is too large")
    content, checksum = (get_object(connection, f"{folder}{name}") for name in (MANIFEST, CHECKSUM))
    if content is None or checksum is None:
        raise refuse("it was deleted just now")
    written = checksum.decode("ascii", errors="replace").strip().strip('"').lower()
    # No protection from anybody, but the checksum that S3 writes.
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != written:
        raise refuse(
            f"it is damaged: its MD5 is {found}, and {CHECKSUM} says {displayed(written[:40])}; take an earlier "
            "report by --inventory-date, or wait for the next"
        )
    manifest = read_manifest(content, uri, connection.bucket, source_bucket)
    age = datetime.now(UTC) - manifest.as_of
    if age > max_age:
        raise refuse(
            f"it is too old: as of {manifest.as_of:%Y-%m-%d %H:%M} UTC, {readable_duration(age.total_seconds())} ago, "
            f"and inventory_max_age is {readable_duration(max_age.total_seconds())}: raise that, or leave out "
            "inventory to list the bucket"
        )
    if age < -_CLOCK_SLACK:
        raise refuse(f"it is of the future, {manifest.as_of:%Y-%m-%d %H:%M} UTC: set this machine's clock")
    return FoundReport(uri, manifest)
