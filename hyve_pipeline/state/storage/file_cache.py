"""Local copies of files of a state in a bucket.

A copy is named by the file's name, ETag and size, so it is never out of date. The least recently used ones are removed
when all of them are larger than the bound.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from hyve_pipeline.core.base.sizes import GIB
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, make_folder, replace_file

CACHE_VARIABLE = "HYVE_CACHE"
_MOST_BYTES = 4 * GIB

# How many bytes are added between two checks of the bound.
_CHECK_BYTES = _MOST_BYTES // 16


class FileCache:
    """Copies of files in a local folder, shared by all processes that name it.

    Attributes:
        folder: the folder.

    Args:
        folder: the folder; it need not exist yet. Without one nothing is kept.
        most_bytes: the most bytes of all copies.
    """

    def __init__(self, folder: Path | None, most_bytes: int = _MOST_BYTES) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        # A first copy of this process checks the bound: earlier processes may have left many.
        self._unchecked = most_bytes

    @classmethod
    def from_environment(cls) -> "FileCache":
        """The cache that ``HYVE_CACHE`` names, else ``hyve`` in the user's folder of caches, if there is one."""
        named = os.environ.get(CACHE_VARIABLE)
        default = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "hyve"
        # Not `Path.expanduser`: it raises where there is no home directory.
        expanded = os.path.expanduser(named or default)  # noqa: PTH111
        return cls(None if expanded.startswith("~") else Path(expanded))

    def open(self, identity: str, size: int, read: Callable[[], bytes]) -> pa.NativeFile:
        """The copy of a file; without room for one, the file in memory.

        Args:
            identity: what names this version of the file.
            size: its bytes; a copy of another size is damaged, and replaced.
            read: reads the file.
        """
        if self.folder is None:
            return pa.BufferReader(read())
        path = self.folder / hashlib.sha256(f"{identity} {size}".encode()).hexdigest()
        with suppress(OSError):
            file = pa.OSFile(str(path))
            if file.size() == size:
                os.utime(path)
                return file
        body = read()
        with suppress(OSError):  # a full disk, or a folder that can't be written
            make_folder(self.folder)
            replace_file(path, body, FILE_MODE)
            self._unchecked += len(body)
            if self._unchecked >= min(_CHECK_BYTES, self._most_bytes):
                self._unchecked = 0
                self._remove_oldest(self.folder)
        return pa.BufferReader(body)

    def _remove_oldest(self, folder: Path) -> None:
        found = [(entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(folder)]
        excess = sum(size for _, size, _ in found) - self._most_bytes
        for _, size, path in sorted(found):
            if excess <= 0:
                return
            Path(path).unlink(missing_ok=True)
            excess -= size
