"""A folder of the state, and its manifests: small JSON documents that end with their own checksum."""

import hashlib
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.state.storage.local_storage import LocalStorage
from hyve_pipeline.state.storage.storage import Entry, Storage

Manifest = TypeVar("Manifest", bound=BaseModel)

# The member of a manifest that is the checksum of the others.
_DIGEST = "sha256"


class Folder:
    """A folder of a storage, and the files below it, named by relative paths with ``/``.

    Args:
        storage: the storage.
        path: the folder's path in it, without ``/`` at the end; empty means all of it.
    """

    def __init__(self, storage: Storage, path: str = "") -> None:
        self._storage = storage
        self._path = path

    @classmethod
    def local(cls, path: Path) -> "Folder":
        """A folder of this machine."""
        return cls(LocalStorage(path))

    @property
    def uri(self) -> str:
        """Where it is: an absolute path, or ``s3://bucket/prefix``."""
        return self.uri_of("").rstrip("/")

    @property
    def local_path(self) -> Path | None:
        """Its path on this machine, where the operating system's locks work; None for a folder of a bucket."""
        return None if self._storage.folder is None else self._storage.folder / self._path

    def below(self, name: str) -> "Folder":
        """The folder `name` in this one."""
        return Folder(self._storage, self._name(name))

    def impatient(self, seconds: float) -> "Folder":
        """See `Storage.impatient`."""
        return Folder(self._storage.impatient(seconds), self._path)

    def uri_of(self, name: str) -> str:
        """Where a file below this folder is."""
        return f"{self._storage.uri}/{self._name(name)}"

    def writing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A binary stream whose bytes become the file `name` when the block ends without an exception.

        Raises:
            StateError: the file can't be written; names the file and the system's reason.
        """
        return self._storage.writing(self._name(name))

    def open(self, name: str) -> pa.NativeFile:
        """See `Storage.open`."""
        return self._storage.open(self._name(name))

    def create(self, name: str, body: bytes) -> bool:
        """See `Storage.create`."""
        return self._storage.create(self._name(name), body)

    def write_text(self, name: str, text: str) -> None:
        """Write `text` as UTF-8, replacing the file."""
        with self.writing(name) as stream:
            stream.write(text.encode())

    def read_text(self, name: str) -> str:
        """The file's text.

        Raises:
            StateError: it is missing or can't be read.
        """
        try:
            return self._storage.read(self._name(name)).decode()
        except UnicodeDecodeError as error:
            raise StateError(f"{self.uri_of(name)}: can't be read: {error}") from error

    def write_manifest(self, name: str, manifest: BaseModel) -> None:
        """Write a manifest as JSON, whose last member is the SHA-256 of everything before it."""
        self.write_text(name, _manifest_text(manifest))

    def create_manifest(self, name: str, manifest: BaseModel) -> bool:
        """Create a manifest atomically, unless the file exists.

        Returns:
            Whether it was written; False when the file existed, which is left unchanged.

        Raises:
            StateError: it can't be written.
        """
        return self.create(name, _manifest_text(manifest).encode())

    def read_manifest(self, name: str, model: type[Manifest]) -> Manifest:
        """Read a manifest back.

        Raises:
            StateError: it is missing, damaged, or of a newer version of Hyve.
        """
        text, _, end = self.read_text(name).rpartition(f',\n "{_DIGEST}": ')
        if end != f'"{_digest(text)}"\n}}\n':
            raise StateError(f"{self.uri_of(name)}: damaged: it does not have the checksum it was written with")
        try:
            return model.model_validate_json(f"{text}\n}}")
        except ValidationError as error:
            # The checksum is right, so it is not damaged; and this version reads all that earlier versions wrote.
            first = error.errors()[0]
            place = displayed(".".join(str(part) for part in first["loc"]))
            raise StateError(
                f"{self.uri_of(name)}: written by a newer version of Hyve, which this one can't read "
                f"({place or 'its start'}: {first['msg']}): upgrade Hyve"
            ) from error

    def remove(self, name: str) -> tuple[int, int]:
        """Remove a file, or a folder with its content, if it exists.

        Returns:
            The number of files removed, and their bytes.

        Raises:
            StateError: it can't be removed.
        """
        return self._storage.remove(self._name(name))

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name.

        Raises:
            StateError: the check failed.
        """
        return self._storage.size(self._name(name)) is not None

    def names(self, path: str = "") -> list[str]:
        """Names of the files and folders directly in `path`, sorted; empty when there is no such folder.

        Raises:
            StateError: it can't be listed.
        """
        return [entry.name for entry in self._storage.names(self._name(path))]

    def entries(self, path: str = "", *, recursive: bool = False) -> list[Entry]:
        """See `Storage.names`."""
        return self._storage.names(self._name(path), recursive=recursive)

    def last_change(self, path: str) -> datetime | None:
        """When the newest non-empty file in or below `path` was written; None when there is none.

        Raises:
            StateError: they can't be listed.
        """
        # Empty files are locks, whose time changes with every attempt to take them.
        ages = [entry.age for entry in self.entries(path, recursive=True) if entry.size]
        return datetime.now(UTC) - timedelta(seconds=min(ages)) if ages else None

    def _name(self, name: str) -> str:
        return f"{self._path}/{name}".strip("/")


def _manifest_text(manifest: BaseModel) -> str:
    text = manifest.model_dump_json(indent=1).removesuffix("\n}")
    return f'{text},\n "{_DIGEST}": "{_digest(text)}"\n}}\n'


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
