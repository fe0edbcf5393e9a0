"""Files in a folder that is named by a URI: a local path today, ``s3://`` in the same way.

Every file appears complete or not at all. A local file is written under another name, flushed to the disk and
then renamed; an object store shows an object only when its upload is complete.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from pyarrow import fs
from pydantic import BaseModel, ValidationError

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, UNFINISHED, create_file, make_folder, replacing

Manifest = TypeVar("Manifest", bound=BaseModel)

# The member of a manifest that is the checksum of the others.
_DIGEST = "sha256"


class Folder:
    """A folder and the files below it, named by relative paths with ``/``.

    Args:
        uri: an absolute path, or a URI that `pyarrow.fs` knows.
    """

    def __init__(self, uri: str) -> None:
        if "://" in uri:
            self.filesystem, self._root = fs.FileSystem.from_uri(uri)
        else:
            self.filesystem, self._root = fs.LocalFileSystem(), str(Path(uri).absolute())
        self.uri = uri.rstrip("/")

    def below(self, name: str) -> "Folder":
        """The folder `name` in this one."""
        return Folder(f"{self.uri}/{name}")

    def uri_of(self, path: str) -> str:
        """The URI of a file below this folder."""
        return f"{self.uri}/{path}"

    def path_of(self, path: str) -> str:
        """The path of a file in its filesystem, without a scheme."""
        return f"{self._root}/{path}"

    @contextmanager
    def writing(self, path: str) -> Iterator[BinaryIO]:
        """A binary stream whose bytes become the file `path` when the block ends without an exception.

        Raises:
            StateError: the file can't be written; names the file and the system's reason.
        """
        try:
            if isinstance(self.filesystem, fs.LocalFileSystem):
                place = Path(self.path_of(path))
                make_folder(place.parent)
                with replacing(place, FILE_MODE) as stream:
                    yield stream
            else:
                with self.filesystem.open_output_stream(self.path_of(path)) as stream:
                    yield cast(BinaryIO, stream)
        except OSError as error:
            raise StateError(f"{self.uri_of(path)}: can't be written: {error.strerror or error}") from error

    def write_text(self, path: str, text: str) -> None:
        """Write `text` as UTF-8, replacing the file."""
        with self.writing(path) as stream:
            stream.write(text.encode())

    def read_text(self, path: str) -> str:
        """The file's text.

        Raises:
            StateError: it is missing or can't be read.
        """
        try:
            with self.filesystem.open_input_stream(self.path_of(path)) as stream:
                return stream.read().decode()
        except FileNotFoundError as error:
            raise StateError(f"{self.uri_of(path)}: missing") from error
        except (OSError, UnicodeDecodeError) as error:
            raise StateError(f"{self.uri_of(path)}: can't be read: {error}") from error

    def write_manifest(self, path: str, manifest: BaseModel) -> None:
        """Write a manifest as JSON, whose last member is the SHA-256 of everything before it."""
        self.write_text(path, _manifest_text(manifest))

    def create_manifest(self, path: str, manifest: BaseModel) -> bool:
        """Create a manifest atomically, unless the file exists.

        Returns:
            Whether it was written; False when the file existed, which is left unchanged.

        Raises:
            StateError: it can't be written.
        """
        place = Path(self.path_of(path))
        try:
            make_folder(place.parent)
            return create_file(place, _manifest_text(manifest).encode())
        except OSError as error:
            raise StateError(f"{self.uri_of(path)}: can't be written: {error.strerror or error}") from error

    def read_manifest(self, path: str, model: type[Manifest]) -> Manifest:
        """Read a manifest back.

        Raises:
            StateError: it is missing, damaged, or of a newer version of Hyve.
        """
        text, _, end = self.read_text(path).rpartition(f',\n "{_DIGEST}": ')
        if end != f'"{_digest(text)}"\n}}\n':
            raise StateError(f"{self.uri_of(path)}: damaged: it does not have the checksum it was written with")
        try:
            return model.model_validate_json(f"{text}\n}}")
        except ValidationError as error:
            # The checksum is right, so it is not damaged; and this version reads all that earlier versions wrote.
            first = error.errors()[0]
            place = displayed(".".join(str(part) for part in first["loc"]))
            raise StateError(
                f"{self.uri_of(path)}: written by a newer version of Hyve, which this one can't read "
                f"({place or 'its start'}: {first['msg']}): upgrade Hyve"
            ) from error

    def remove(self, path: str) -> tuple[int, int]:
        """Remove a file, or a folder with its content, if it exists.

        Returns:
            The number of files removed, and their bytes.

        Raises:
            StateError: it can't be removed.
        """
        place = self.path_of(path)
        try:
            found = self.filesystem.get_file_info(place)
            if found.type == fs.FileType.File:
                self.filesystem.delete_file(place)
                return 1, found.size
            if found.type != fs.FileType.Directory:
                return 0, 0
            below = self.filesystem.get_file_info(fs.FileSelector(place, recursive=True))
            self.filesystem.delete_dir(place)
        except OSError as error:
            raise StateError(f"{self.uri_of(path)}: can't be removed: {error.strerror or error}") from error
        sizes = [info.size for info in below if info.type == fs.FileType.File]
        return len(sizes), sum(sizes)

    def exists(self, path: str) -> bool:
        """Whether there is a file of that name.

        Raises:
            StateError: the check failed.
        """
        try:
            return self.filesystem.get_file_info(self.path_of(path)).type == fs.FileType.File
        except OSError as error:
            raise StateError(f"{self.uri_of(path)}: can't be read: {error.strerror or error}") from error

    def names(self, path: str = "") -> list[str]:
        """Names of the files and folders directly in `path`, sorted; empty when there is no such folder.

        Raises:
            StateError: it can't be listed.
        """
        selector = fs.FileSelector(self.path_of(path).rstrip("/"), allow_not_found=True)
        try:
            found = self.filesystem.get_file_info(selector)
        except FileNotFoundError:
            # Arrow checks twice: another process has created the folder in between.
            return []
        except OSError as error:
            raise StateError(f"{self.uri_of(path)}: can't be listed: {error.strerror or error}") from error
        return sorted(info.base_name for info in found if not info.base_name.startswith(UNFINISHED))

    def last_change(self, path: str) -> datetime | None:
        """When the newest non-empty file in or below `path` was written; None when there is none.

        Raises:
            StateError: they can't be listed.
        """
        selector = fs.FileSelector(self.path_of(path).rstrip("/"), allow_not_found=True, recursive=True)
        try:
            found = self.filesystem.get_file_info(selector)
        except FileNotFoundError:
            return None  # created or removed meanwhile
        except OSError as error:
            raise StateError(f"{self.uri_of(path)}: can't be listed: {error.strerror or error}") from error
        # Empty files are locks, whose time changes with every attempt to take them.
        files = [info for info in found if info.type == fs.FileType.File and info.size]
        times = [info.mtime for info in files if info.mtime is not None]
        return max(times, default=None)


def _manifest_text(manifest: BaseModel) -> str:
    text = manifest.model_dump_json(indent=1).removesuffix("\n}")
    return f'{text},\n "{_DIGEST}": "{_digest(text)}"\n}}\n'


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
