"""Fetches the data files of a report of S3 Inventory, one after the other, and proves each by its size and MD5."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from hyve_pipeline.core.base.errors import spill_error
from hyve_pipeline.core.model.inventory_report import ReportFile, refuser
from hyve_pipeline.core.runtime.interruption import interrupted_by, raise_if_interrupted, stop_event
from hyve_pipeline.operations.inventory.report_folder import FoundReport
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.files.download import download
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.wire.errors import ObjectChangedError


def fetched_files(connection: Connection, found: FoundReport, folder: Path) -> Iterator[tuple[ReportFile, Path]]:
    """Each file of a report, whole and proved; the next one is fetched meanwhile.

    Args:
        connection: the bucket of the reports.
        found: the report.
        folder: for temporary files. A file is removed when the next one is asked for.

    Raises:
        IncompleteInventoryError: a file is missing, cut, or not the one that the manifest names.
        S3RequestError: a request failed.
        StateError: a temporary file can't be written.
    """
    stop, given_up = stop_event(), Event()
    files = found.manifest.files

    def fetch(number: int) -> Path:
        path = folder / f"report-{number}"
        with interrupted_by(stop):
            _fetch(connection, found, files[number], path, given_up)
        return path

    with ThreadPoolExecutor(1, thread_name_prefix="report") as pool:
        try:
            following = pool.submit(fetch, 0) if files else None
            for number, file in enumerate(files):
                assert following is not None  # noqa: S101
                path = following.result()
                following = pool.submit(fetch, number + 1) if number + 1 < len(files) else None
                yield file, path
                path.unlink()
        finally:
            given_up.set()


def _fetch(connection: Connection, found: FoundReport, file: ReportFile, path: Path, given_up: Event) -> None:
    refuse = refuser(found.uri)
    uri = f"s3://{connection.bucket}/{file.key}"
    head = head_object(connection, file.key, needs_size=True).result()
    if head is None:
        raise refuse(f"its file {uri} is missing; take an earlier report by --inventory-date, or wait for the next")
    if head.size != file.size:
        raise refuse(f"its file {uri} has {head.size:,} bytes, and the manifest says {file.size:,}")
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with path.open("wb") as stream:
            for part in download(connection, file.key, head.etag, file.size, stream):
                digest.update(part)
                raise_if_interrupted()
                if given_up.is_set():
                    return
    except ObjectChangedError as error:
        raise refuse(f"its file {uri} was overwritten or deleted just now") from error
    except OSError as error:
        raise spill_error(str(path.parent), error) from error
    if digest.hexdigest() != file.md5:
        raise refuse(
            f"its file {uri} is damaged: its MD5 is {digest.hexdigest()}, and the manifest says {file.md5}; take an "
            "earlier report by --inventory-date, or wait for the next"
        )
