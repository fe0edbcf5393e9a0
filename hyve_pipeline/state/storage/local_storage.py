"""The files of the state in a local folder."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, UNFINISHED, create_file, make_folder, replacing
from hyve_pipeline.state.storage.storage import Entry, MissingFileError


class LocalStorage:
    """A `Storage` in a local folder.

    Args:
        folder: the folder; it need not exist yet.

    Attributes:
        uri, folder: see `Storage`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.uri = str(self.folder)

    def impatient(self, seconds: float) -> "LocalStorage":
        """See `Storage.impatient`; calls of the operating system have no limit of time."""
        return self

    def create(self, name: str, body: bytes) -> bool:
        """See `Storage.create`."""
        path = self.folder / name
        with self._reporting(name, "written"):
            make_folder(path.parent)
            return create_file(path, body)

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """See `Storage.writing`."""
        path = self.folder / name
        with self._reporting(name, "written"):
            make_folder(path.parent)
            with replacing(path, FILE_MODE) as stream:
                yield stream

    def read(self, name: str) -> bytes:
        """See `Storage.read`."""
        with self._reporting(name, "read"):
            return (self.folder / name).read_bytes()

    def open(self, name: str) -> pa.NativeFile:
        """See `Storage.open`."""
        with self._reporting(name, "read"):
            return pa.OSFile(str(self.folder / name))

    def size(self, name: str) -> int | None:
        """See `Storage.size`."""
        path = self.folder / name
        with self._reporting(name, "read"):
            try:
                return path.stat().st_size if path.is_file() else None
            except FileNotFoundError:
                return None  # removed just now

    def names(self, folder: str, *, recursive: bool = False) -> list[Entry]:
        """See `Storage.names`."""
        with self._reporting(folder, "listed"):
            return sorted(_entries(self.folder / folder, "", recursive=recursive), key=lambda entry: entry.name)

    def remove(self, name: str) -> tuple[int, int]:
        """See `Storage.remove`."""
        path = self.folder / name
        with self._reporting(name, "removed"):
            if path.is_dir():
                found = list(_entries(path, "", recursive=True))
                shutil.rmtree(path)
                return len(found), sum(entry.size for entry in found)
            try:
                size = path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                return 0, 0
            return 1, size

    @contextmanager
    def _reporting(self, name: str, doing: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise MissingFileError(f"{self.folder / name}: missing") from error
        except OSError as error:
            raise StateError(f"{self.folder / name}: can't be {doing}: {error.strerror or error}") from error


def _entries(folder: Path, above: str, *, recursive: bool) -> Iterator[Entry]:
    try:
        found = list(os.scandir(folder))
    except FileNotFoundError:
        return  # created or removed meanwhile
    now = time.time()
    for entry in found:
        if entry.name.startswith(UNFINISHED):
            continue
        name = f"{above}{entry.name}"
        if entry.is_dir():
            if recursive:
                yield from _entries(Path(entry.path), f"{name}/", recursive=True)
            else:
                yield Entry(name, is_folder=True)
            continue
        try:
            status = entry.stat()
        except FileNotFoundError:
            continue
        yield Entry(name, status.st_size, max(0.0, now - status.st_mtime))
