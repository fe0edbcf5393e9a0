"""The record of open multipart uploads.

    uploads/<plan>-<shard>-<digest of the upload's id>.json

There is one file for each upload, from before its first part is sent until it is completed or aborted. After a crash,
the next attempt resumes these uploads, and the next plan aborts them.
"""

import hashlib
import threading
from collections.abc import Iterable, Iterator

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.open_upload import OpenUpload
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.storage.storage import MissingFileError

_FOLDER = "uploads"
_SUFFIX = ".json"


class _Record(Frozen):
    """The content of a file."""

    upload: OpenUpload


class ShardUploads:
    """The open uploads of one shard; an `UploadLog`.

    Args:
        state: the sync's state.
        partition_key: the shard.

    Raises:
        StateError: they can't be read.
    """

    def __init__(self, state: Folder, partition_key: str) -> None:
        self._folder = state.below(_FOLDER)
        self._partition_key = partition_key
        self._lock = threading.Lock()
        names = [name for name in self._folder.names() if _partition_of(name) == partition_key]
        self._open = {upload.key: upload for upload in _read(self._folder, names)}

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
        self._folder.write_manifest(self._name(upload), _Record(upload=upload))

    def ended(self, upload: OpenUpload) -> None:
        """See `UploadLog.ended`.

        Raises:
            StateError: it can't be written.
        """
        with self._lock:
            if self._open.get(upload.key) == upload:
                del self._open[upload.key]
        self._folder.remove(self._name(upload))

    def _name(self, upload: OpenUpload) -> str:
        return f"{self._partition_key}-{hashlib.sha256(upload.upload_id.encode()).hexdigest()}{_SUFFIX}"


def uploads_left_by_others(state: Folder, plan_id: str) -> Iterator[ShardUploads]:
    """The open uploads of shards of other plans.

    Raises:
        StateError: they can't be read.
    """
    for partition_key in sorted({_partition_of(name) for name in state.names(_FOLDER)}):
        if partition_key.rpartition("-")[0] not in ("", plan_id):
            yield ShardUploads(state, partition_key)


def _partition_of(name: str) -> str:
    """The shard of a file; empty for a file of another kind."""
    return name.rpartition("-")[0] if name.endswith(_SUFFIX) else ""


def _read(folder: Folder, names: Iterable[str]) -> Iterator[OpenUpload]:
    for name in names:
        try:
            yield folder.read_manifest(name, _Record).upload
        except MissingFileError:  # another process has just completed or aborted it
            continue
