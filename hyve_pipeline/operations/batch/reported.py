"""Collects what the completion reports of a round say into one file that is sorted by key."""

import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import rows_without
from hyve_pipeline.core.model.batch import REPORTED_SCHEMA, JobResult
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.inventory.sorted_runs import SortedRuns
from hyve_pipeline.s3.batch.completion_report import ReportedTask, ReportError, read_report
from hyve_pipeline.s3.batch.control import report_prefix
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.state.batch_rounds import RoundFolder
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import writing_parquet

_ROWS = 50_000


def collect_reports(
    state: Folder, plan: Plan, folder: RoundFolder, jobs: Sequence[JobResult], location: Connection
) -> list[JobResult]:
    """Read the reports of all jobs that were created.

    A report that is missing, damaged or of another job counts as empty: its job's objects are left to Hyve.

    Args:
        state: the sync's state.
        plan: the plan.
        folder: the round's folder.
        jobs: its jobs.
        location: the place of the reports.

    Returns:
        The jobs, with what is wrong with their reports.

    Raises:
        BucketError: the place does not answer.
        StateError: the file can't be written.
    """
    found: list[JobResult] = []
    broken: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="hyve-batch-") as temporary:
        runs = SortedRuns(Path(temporary))
        for job in jobs:
            if job.id is not None:
                tasks = read_report(location, report_prefix(location.place), job.id, plan.source.bucket)
                try:
                    for table in _tables(tasks, job.storage_class, plan.source.prefix):
                        runs.add(table)
                except ReportError as error:
                    broken.add(job.storage_class)
                    job = job.model_copy(update={"problem": "; ".join(filter(None, (job.problem, str(error))))})
            found.append(job)
        with writing_parquet(state, folder.report, REPORTED_SCHEMA) as writer:
            for table in runs.tables():
                # A file of the report may be damaged after others were read.
                kept = rows_without(table, "storage_class", broken)
                if kept.num_rows:
                    writer.write_table(kept)
    return found


def _tables(tasks: Iterator[ReportedTask], storage_class: str, prefix: str) -> Iterator[pa.Table]:
    while rows := list(islice(tasks, _ROWS)):
        for row in rows:
            if not row.key.startswith(prefix):
                raise ReportError(f"its report has the key {row.key!r}, which is not below {prefix!r}")
        columns = [
            [row.key[len(prefix) :] for row in rows],
            [storage_class] * len(rows),
            [row.is_done for row in rows],
            [row.code for row in rows],
            [row.detail for row in rows],
        ]
        yield pa.table(columns, schema=REPORTED_SCHEMA)
