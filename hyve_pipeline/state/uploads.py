"""The record of open multipart uploads on disk.

    uploads/<plan>-<shard>.jsonl

One line records that an upload was started, another that it was completed or aborted. The file exists only while an
upload may be open: after a crash the next attempt resumes these uploads, and the next plan aborts them.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.open_upload import OpenUpload
from hyve_pipeline.core.runtime.atomic_write import make_folder, open_private
from hyve_pipeline.state.files import Folder

_SUFFIX = ".jsonl"


class ShardUploads:
    """The open uploads of one shard; an `UploadLog`. Use it as a context manager.

    Args:
        state: the sync's state.
        partition_key: the shard.
    """

    def __init__(self, state: Folder, partition_key: str) -> None:
        self._path = _folder(state) / f"{partition_key}{_SUFFIX}"
        self._lock = threading.Lock()
        self._open = {upload.key: upload for upload in _read(self._path)}
        self._file: IO[str] | None = None

    def __enter__(self) -> "ShardUploads":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            if not self._open:
                self._path.unlink(missing_ok=True)

    @property
    def open(self) -> list[OpenUpload]:
        """All open uploads."""
        with self._lock:
            return list(self._open.values())

    def find(self, key: str) -> OpenUpload | None:
        """See `UploadLog.find`."""
        with self._lock:
            return self._open.get(key)

    def begun(self, upload: OpenUpload) -> None:
        """See `UploadLog.begun`.

        Raises:
            StateError: it can't be written.
        """
        with self._lock:
            self._open[upload.key] = upload
            self._write({"begun": asdict(upload)})

    def ended(self, upload: OpenUpload) -> None:
        """See `UploadLog.ended`.

        Raises:
            StateError: it can't be written.
        """
        with self._lock:
            if self._open.get(upload.key) == upload:
                del self._open[upload.key]
            self._write({"ended": upload.upload_id})

    def _write(self, entry: dict[str, object]) -> None:
        try:
            if self._file is None:
                make_folder(self._path.parent)
                self._file = open_private(self._path, "a")
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
        except OSError as error:
            raise StateError(f"{self._path}: can't be written: {error.strerror or error}") from error


def uploads_left_by_others(state: Folder, plan_id: str) -> Iterator[ShardUploads]:
    """The open uploads of shards of other plans."""
    folder = _folder(state)
    if not folder.is_dir():
        return
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        partition_key = path.name.removesuffix(_SUFFIX)
        if partition_key.rpartition("-")[0] != plan_id:
            yield ShardUploads(state, partition_key)


def _folder(state: Folder) -> Path:
    assert state.local_path is not None  # noqa: S101
    return state.local_path / "uploads"


def _read(path: Path) -> list[OpenUpload]:
    """The uploads that were started and not completed or aborted."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StateError(f"{path}: can't be read: {error.strerror or error}") from error
    found: dict[str, OpenUpload] = {}
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            if "begun" in entry:
                upload = OpenUpload(**{**entry["begun"], "sizes": tuple(entry["begun"]["sizes"])})
                found[upload.upload_id] = upload
            else:
                found.pop(entry["ended"], None)
        except ValueError as error:
            if number == len(lines):
                break  # the process was killed while it wrote this line, before it sent a request for the upload
            raise StateError(f"{path}: damaged in line {number}: {error}") from error
        except (TypeError, KeyError) as error:
            # Valid JSON with other members.
            raise StateError(f"{path}: line {number} was written by a newer version of Hyve: upgrade Hyve") from error
    return list(found.values())
