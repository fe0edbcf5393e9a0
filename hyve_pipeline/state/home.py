"""The home: the folder of the configuration, the lists and all state."""

import hashlib
import os
import re
import secrets
import stat
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, FOLDER_MODE, create_file, make_folder
from hyve_pipeline.core.settings.fields import is_sync_name
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.storage.bucket_storage import BucketStorage
from hyve_pipeline.state.storage.open_storage import open_storage
from hyve_pipeline.state.storage.storage import Storage

HOME_VARIABLE = "HYVE_HOME"
DAGSTER_VARIABLE = "DAGSTER_HOME"

_DEFAULT = "~/.hyve"

# ``s3://bucket`` as `Path` writes it.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")

# The content of a home, at its top level.
_FOLDERS = ("state", "out", "dagster")
_FILES = ("hyve.toml", "hyve.schema.json", "ui.log", "workspace.yaml", "id")

# Bytes of a home's id; it is written as hexadecimal digits.
_ID_BYTES = 4


class Home:
    """The layout of ``HYVE_HOME``.

    Args:
        path: the folder; it need not exist yet. A leading ``~`` is the user's home directory.

    Raises:
        ConfigurationError: the path is not valid for a home.
    """

    def __init__(self, path: Path) -> None:
        _check(path)
        self.path = _absolute(_expanded(path, f"set {HOME_VARIABLE} to a folder"))

    @classmethod
    def from_environment(cls) -> "Home":
        """The home that ``HYVE_HOME`` names, else ``~/.hyve``."""
        return cls(Path(os.environ.get(HOME_VARIABLE) or _DEFAULT))

    @property
    def id(self) -> str:
        """The id of this home among those of one Dagster instance: eight characters, created once and kept in the home.

        Where the home can't be written, for example when definitions are only checked, it is derived from the path.
        Where the state is in a bucket, it is derived from the bucket and prefix: the homes of all machines that work on
        one state are one home for Dagster, since they share partitions and runs.

        Raises:
            ConfigurationError: the name of the state's bucket is not valid.
        """
        if self.storage.folder is None:
            return _digest(self.storage.uri)
        file = self.path / "id"
        with suppress(OSError, ValueError):
            if not file.exists():
                make_folder(self.path)
                create_file(file, f"{secrets.token_hex(_ID_BYTES)}\n".encode())
            return f"{int(file.read_text(encoding='ascii'), 16):08x}"
        return _digest(str(self.path))

    @property
    def settings_file(self) -> Path:
        """The configuration."""
        return self.path / "hyve.toml"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage: ``DAGSTER_HOME`` when that is set, else a folder of the home.

        Raises:
            ConfigurationError: ``DAGSTER_HOME`` is relative, which Dagster refuses too: it would be another storage
                in every working directory.
        """
        named = os.environ.get(DAGSTER_VARIABLE)
        if not named:
            return self.path / "dagster"
        path = _expanded(Path(named), f"set {DAGSTER_VARIABLE} to an absolute path")
        if not path.is_absolute():
            raise ConfigurationError(f"{DAGSTER_VARIABLE}: {displayed(named)} is relative: set it to an absolute path")
        return path

    @cached_property
    def storage(self) -> Storage:
        """Where the state of all syncs is: the folder ``state``, or the bucket that is named instead.

        Raises:
            ConfigurationError: the name of the bucket is not valid.
        """
        return open_storage(self.path / "state", self.settings_file)

    def syncs(self) -> list[str]:
        """The names of the syncs that have a state.

        Raises:
            StateError: it can't be listed.
        """
        return [entry.name for entry in self.storage.names("") if entry.is_folder and is_sync_name(entry.name)]

    @property
    def state_place(self) -> BucketSettings | None:
        """The bucket and prefix of the state; None where it is a folder.

        Raises:
            ConfigurationError: the name of the bucket is not valid.
        """
        return self.storage.place if isinstance(self.storage, BucketStorage) else None

    def lists(self, sync: str) -> Folder:
        """The folder of the newest plan's three text lists."""
        return Folder.local(self.path / "out" / sync)

    def state(self, sync: str) -> Folder:
        """The folder of a sync's inventories, diffs, plans and journals."""
        return Folder(self.storage, sync)

    def make_private(self) -> None:
        """Remove the permissions of other users on the home.

        It changes Hyve's own folders and files, and the home itself if it contains nothing else: a folder that is
        also a project keeps its mode. Links, and what belongs to another user, are left unchanged.
        """
        with suppress(OSError):  # what can't be read or changed raises an error when it is used
            names = {path.name for path in self.path.iterdir()}
            if all(name in _FOLDERS or name in _FILES or name.startswith(".") for name in names):
                _make_private(self.path, FOLDER_MODE)
            for known, mode in ((_FOLDERS, FOLDER_MODE), (_FILES, FILE_MODE)):
                for name in known:
                    if name in names:
                        _make_private(self.path / name, mode)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[: 2 * _ID_BYTES]


def _make_private(path: Path, mode: int) -> None:
    found = path.lstat()
    is_shared = found.st_mode & 0o077 and not found.st_mode & stat.S_ISVTX
    if is_shared and not stat.S_ISLNK(found.st_mode) and found.st_uid == os.geteuid():
        path.chmod(found.st_mode & 0o777 & mode)


def _check(path: Path) -> None:
    text = str(path)
    if _URI.match(text):
        problem = "is not a local folder; only the state of a home can be in a bucket"
    elif any(ord(character) < 32 or ord(character) == 127 for character in text):
        problem = "contains a control character"
    elif not text.isascii() and text.encode(errors="replace").decode() != text:
        problem = "is not UTF-8"
    else:
        return
    raise ConfigurationError(f"the home {displayed(text)} {problem}: choose another by --home or {HOME_VARIABLE}")


def _absolute(path: Path) -> Path:
    try:
        return path.absolute()
    except FileNotFoundError:
        reason = "the folder that this process is in was deleted: go to another, or give the whole path of the home"
        raise ConfigurationError(f"{displayed(str(path))}: {reason}") from None


def _expanded(path: Path, advice: str) -> Path:
    try:
        if str(path).startswith("~") and not os.environ.get("HOME", "/").startswith("/"):
            raise RuntimeError
        return path.expanduser()
    except RuntimeError:
        whose = "this user has no home directory" if path.parts[0] == "~" else "there is no such user"
        raise ConfigurationError(f"{displayed(str(path))}: {whose}: {advice}") from None
