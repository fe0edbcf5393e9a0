"""What a place for the files of the state must be able to do.

Files are named by relative paths with ``/``. Every file appears complete or not at all, and what is read is one version
of it, even if it is replaced meanwhile.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa

from hyve_pipeline.core.base.errors import StateError


class MissingFileError(StateError):
    """There is no file of that name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of a listing.

    Attributes:
        name: its path below the folder that was listed.
        size: bytes; 0 for a folder.
        age: seconds since it was last written, by the clock of the server or file system; 0 for a folder.
        is_folder: whether it is a folder.
    """

    name: str
    size: int = 0
    age: float = 0.0
    is_folder: bool = False


class Storage(Protocol):
    """Files of the state. Thread-safe; it can be pickled for other processes.

    Attributes:
        uri: where it is: an absolute path, or ``s3://bucket/prefix``.
        folder: its local folder, where the operating system's locks work; None for a bucket.
    """

    @property
    def uri(self) -> str:
        """See the class."""
        ...

    @property
    def folder(self) -> Path | None:
        """See the class."""
        ...

    def impatient(self, seconds: float) -> "Storage":
        """The same files, for requests that are worthless after so many seconds: each is sent once."""
        ...

    def create(self, name: str, body: bytes) -> bool:
        """Write a file atomically, unless it exists.

        Returns:
            Whether this call wrote it; of several at the same time, exactly one does.

        Raises:
            StateError: it can't be written.
            ConfigurationError: the server ignores the condition that this requires.
        """
        ...

    def writing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A binary stream whose bytes become the file when the block ends without an exception, else nothing does.

        Raises:
            StateError: it can't be written.
        """
        ...

    def read(self, name: str) -> bytes:
        """A file's content.

        Raises:
            MissingFileError: there is no such file.
            StateError: it can't be read.
        """
        ...

    def open(self, name: str) -> pa.NativeFile:
        """A file for reads at any position; all of them are of one version.

        Raises:
            MissingFileError: there is no such file.
            StateError: it can't be read.
        """
        ...

    def size(self, name: str) -> int | None:
        """A file's bytes; None when there is no such file.

        Raises:
            StateError: the check failed.
        """
        ...

    def names(self, folder: str, *, recursive: bool = False) -> list[Entry]:
        """The files and folders directly in a folder, or all files below it, sorted by name.

        Returns:
            Nothing when there is no such folder. Files that are still being written are left out.

        Raises:
            StateError: it can't be listed.
        """
        ...

    def remove(self, name: str) -> tuple[int, int]:
        """Remove a file, or a folder with all files below it, if it exists.

        Returns:
            The number of files removed, and their bytes.

        Raises:
            StateError: it can't be removed.
        """
        ...
