"""Makes an inventory from a report of S3 Inventory instead of a listing, with the proof that the report is complete."""

import logging
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import is_ascending, run_ends, total
from hyve_pipeline.core.base.errors import spilling_to
from hyve_pipeline.core.model.inventory import (
    INVENTORY_SCHEMA,
    Inventory,
    RangeEnd,
    Side,
)
from hyve_pipeline.core.model.inventory_report import ReportOrigin, refuser
from hyve_pipeline.core.runtime.interruption import raise_if_interrupted
from hyve_pipeline.core.runtime.progress import end, estimate, report
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.list_range import MOST_SAMPLES, RowGroups
from hyve_pipeline.operations.inventory.report_coverage import check_coverage
from hyve_pipeline.operations.inventory.report_files import fetched_files
from hyve_pipeline.operations.inventory.report_folder import FoundReport, find_report
from hyve_pipeline.operations.inventory.report_rows import ReportRows
from hyve_pipeline.operations.inventory.sorted_runs import SortedRuns
from hyve_pipeline.operations.inventory.versioning import versioning_of
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.probe import probe_bucket
from hyve_pipeline.s3.wire.errors import S3RequestError, bucket_error
from hyve_pipeline.state.parquet import writing_parquet
from hyve_pipeline.state.plans import next_id

_logger = logging.getLogger(__name__)


def read_report(context: SyncContext, side: Side, reports: BucketSettings) -> Inventory:
    """Read the newest report of a side, or that of the context's date, and keep it as an inventory.

    Args:
        context: the sync.
        side: which side.
        reports: where the reports are.

    Raises:
        BucketError: one of the two buckets can't be reached.
        IncompleteInventoryError: there is no report, or it can't be proved to be all of this side; nothing is kept.
        StateError: a file can't be written.
    """
    with context.connect(context.place(side)) as bucket, context.connect(reports) as connection:
        # The report is read only if what is planned from it can be checked.
        probe_bucket(bucket)
        try:
            max_age = timedelta(seconds=context.settings.options.inventory_max_age)
            found = find_report(connection, bucket.place.bucket, context.inventory_date, max_age)
            return _Reading(context, side, bucket, connection, found).read()
        except S3RequestError as error:
            place = bucket.place if error.bucket == bucket.place.bucket else connection.place
            raise bucket_error(error, place) from error


class _Reading:
    """The reading of one report."""

    def __init__(
        self, context: SyncContext, side: Side, bucket: Connection, connection: Connection, found: FoundReport
    ) -> None:
        self._context = context
        self._side: Side = side
        self._bucket = bucket
        self._connection = connection
        self._found = found
        self._rows = ReportRows(found, bucket)
        self._bounds: tuple[str, str] | None = None

    def read(self) -> Inventory:
        """Read the files, sort their rows, prove that they are complete, and write the inventory."""
        taken, begun = datetime.now(UTC), time.monotonic()
        context, manifest, place = self._context, self._found.manifest, self._bucket.place
        activity = f"list {self._side}"
        estimate(activity, 0)
        shelf = context.inventories(self._side)
        inventory_id = next_id(context.state, taken)
        file = shelf.file_name(inventory_id)
        _logger.info("the %s is read from %s", self._side, self._found.uri)
        with writing_parquet(context.state, file, INVENTORY_SCHEMA, repetitive=["storage_class"]) as writer:
            rows = RowGroups(writer, place.uri, context.bounds)
            for table in self._sorted(activity):
                rows.add(table)
            rows.flush()
            proof = rows.prove(1 + len(manifest.files), RangeEnd.END_OF_REPORT)
            check_coverage(self._bucket, self._found, self._bounds)
        origin = ReportOrigin(
            uri=self._found.uri,
            as_of=manifest.as_of,
            format=manifest.format,
            files=len(manifest.files),
            rows=self._rows.rows,
            taken=taken,
            seconds=round(time.monotonic() - begun, 3),
            details={name: dict(counts) for name, counts in self._rows.details.items() if counts},
        )
        inventory = Inventory(
            id=inventory_id,
            side=self._side,
            place=place,
            files=(file,),
            started=manifest.as_of,
            ended=manifest.as_of,
            objects=rows.objects,
            bytes=rows.bytes,
            oldest=rows.oldest,
            newest=rows.newest,
            proof=(proof,),
            cuts=tuple(rows.sample.keys)[:MOST_SAMPLES],
            versioning=versioning_of(context, place) if self._side == "store" else None,
            report=origin,
        )
        shelf.save(inventory)
        end(activity, inventory.objects, inventory.bytes)
        return inventory

    def _sorted(self, activity: str) -> Iterator[pa.Table]:
        """The objects of all files in key order; none twice."""
        with spilling_to(tempfile.gettempdir()), tempfile.TemporaryDirectory(prefix="hyve-report-") as name:
            folder = Path(name)
            runs = SortedRuns(folder)
            for file, path in fetched_files(self._connection, self._found, folder):
                for table in self._rows.read(file, path):
                    raise_if_interrupted()
                    if table.num_rows:
                        report(activity, table.num_rows, total(table.column("size")))
                        runs.add(table)
            for table in runs.tables():
                raise_if_interrupted()
                self._check_once(table)
                yield table

    def _check_once(self, table: pa.Table) -> None:
        keys = table.column("key")
        first, last = keys[0].as_py(), keys[-1].as_py()
        twice: str | None = None
        if self._bounds is not None and self._bounds[1] == first:
            twice = first
        elif not is_ascending(keys):
            twice = next(keys[number].as_py() for number, until in enumerate(run_ends(keys)) if until != number + 1)
        if twice is not None:
            raise refuser(self._found.uri)(f"it has the key {twice!r} twice")
        self._bounds = (self._bounds[0] if self._bounds is not None else first, last)
