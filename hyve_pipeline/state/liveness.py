"""Signs of life of Dagster's runs: each keeps a file locked and touched for as long as it goes on.

    runs/<run id>.alive

The system releases a lock when its owner ends, however that ends. A lock says nothing across machines that share
the folder by a file system without locks: there, the time of the last touch does.
"""

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import IO

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, make_folder, open_private
from hyve_pipeline.state.files import Folder

_SUFFIX = ".alive"
_CLOCK = ".clock"

# How often a run touches its file.
BEAT_SECONDS = 10.0

# A file that nobody has touched for so long is removed: its run was closed long ago.
_KEPT_SECONDS = 7 * 86_400.0

# Linux draws it anew at each boot; containers of one machine share it, as they share its locks.
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Sign:
    """What the file of a run says.

    Attributes:
        is_held: whether a process holds its lock.
        age: seconds since it was touched, by the clock of the file system.
        is_of_this_system: whether it was made under the kernel that this process runs under, so that a lock that is
            free proves that its owner has ended.
    """

    is_held: bool
    age: float
    is_of_this_system: bool


class RunSign:
    """The sign of life of a run that goes on in this process.

    Args:
        state: the sync's state.
        run_id: the run's id.
        beat: seconds between two touches.

    Attributes:
        path: its file.
    """

    def __init__(self, state: Folder, run_id: str, beat: float = BEAT_SECONDS) -> None:
        self.path = _file_of(state, run_id)
        self._beat = beat
        self._ended = Event()
        self._thread = Thread(target=self._touch, name="sign of life", daemon=True)
        self._file: IO[str] | None = None

    def begin(self) -> None:
        """Lock the file and keep it touched.

        Raises:
            StateError: it can't be written.
        """
        try:
            make_folder(self.path.parent)
            self._file = open_private(self.path, "w")
            # Shared: the steps of one run can be processes beside each other. Whoever looks, holds it for a moment.
            fcntl.flock(self._file, fcntl.LOCK_SH)
            self._file.write(f"{_system() or ''}\n")
            self._file.flush()
        except OSError as error:
            raise StateError(f"{self.path}: can't be written: {error.strerror or error}") from error
        self._thread.start()

    def end(self) -> None:
        """Release the lock. The file stays: a run is not at its end yet when its last step is."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _touch(self) -> None:
        while not self._ended.wait(self._beat):
            with suppress(OSError):  # a file system that is away for a moment; the lock is still there
                os.utime(self.path)


def last_sign(state: Folder, run_id: str) -> Sign | None:
    """What a run's file says now; None when it has none.

    Raises:
        StateError: it can't be read.
    """
    path = _file_of(state, run_id)
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                is_held = True
            else:
                is_held = False
            system = file.readline().strip()
            age = _now(path.parent) - os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path}: can't be read: {error.strerror or error}") from error
    return Sign(is_held, age, is_of_this_system=bool(system) and system == _system())


def remove_old_signs(state: Folder, kept_seconds: float = _KEPT_SECONDS) -> None:
    """Remove the files of runs that ended long ago."""
    folder = Path(state.path_of("runs"))
    with suppress(OSError):
        if not folder.is_dir():
            return
        now = _now(folder)
        for path in folder.glob(f"*{_SUFFIX}"):
            if now - path.stat().st_mtime > kept_seconds:
                path.unlink(missing_ok=True)


def _file_of(state: Folder, run_id: str) -> Path:
    return Path(state.path_of("runs")) / f"{run_id}{_SUFFIX}"


def _now(folder: Path) -> float:
    """The time by the clock that touched files have theirs from: that of a file server is not this machine's."""
    clock = folder / _CLOCK
    clock.touch(FILE_MODE)
    return clock.stat().st_mtime


def _system() -> str | None:
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return None
