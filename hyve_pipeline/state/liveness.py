"""Heartbeats of Dagster runs: each run keeps a file locked and touched while it is running.

    runs/<run id>.alive

The operating system releases a lock when its owner ends, even if it is killed. Between machines that share the folder
by a file system without locks, and in a bucket, the time of the last touch counts instead.
"""

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import IO

from hyve_pipeline.core.base.errors import StateError, naming_file
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, make_folder, open_private
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.heartbeat import ClaimTimes, Heartbeat, elapsed_time

_FOLDER = "runs"
_SUFFIX = ".alive"
_CLOCK = ".clock"

# How often a run touches its file.
BEAT_SECONDS = 10.0

# Seconds after which a run gives up its heartbeat: nothing is taken over from it.
_NEVER = 1e9

# A file that was not touched for this long is removed: its run was closed long ago.
_KEPT_SECONDS = 7 * 86_400.0

# Linux creates a new id at each boot; containers on one machine share it, as they share its locks.
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Sign:
    """The heartbeat of a run, as its file shows it.

    Attributes:
        is_held: whether a process holds its lock.
        age: seconds since it was touched, by the clock of the file system.
        is_of_this_system: whether the run is on this machine since its last boot, so that a free lock proves that its
            owner has ended.
    """

    is_held: bool
    age: float
    is_of_this_system: bool


class RunSign:
    """The heartbeat of a run in this process.

    Args:
        state: the sync's state.
        run_id: the run's id.
        beat: seconds between two heartbeats.

    Attributes:
        path: its file; None in a bucket.
    """

    def __init__(self, state: Folder, run_id: str, beat: float = BEAT_SECONDS) -> None:
        if state.local_path is None:
            self.path = None
            self._sign = _Written(state.below(_FOLDER), run_id, beat)
        else:
            self.path = _file_of(state, run_id)
            self._sign = _Locked(self.path, beat)

    def begin(self) -> None:
        """Lock the file and keep it touched; in a bucket, keep it written.

        Raises:
            StateError: it can't be written.
        """
        self._sign.begin()

    def end(self) -> None:
        """Release the lock. The file stays: a run ends a moment after its last step."""
        self._sign.end()


class _Written:
    """A heartbeat in a bucket."""

    def __init__(self, folder: Folder, run_id: str, beat: float) -> None:
        self._folder = folder
        self._name = f"{run_id}{_SUFFIX}"
        times = ClaimTimes(beat, stale=_NEVER + 2 * beat, give_up=_NEVER)
        self._heartbeat = Heartbeat(folder, self._name, b"", f"run {run_id}", times)

    def begin(self) -> None:
        sent = elapsed_time()
        self._folder.write_text(self._name, "")
        self._heartbeat.begin(sent)

    def end(self) -> None:
        self._heartbeat.end()


class _Locked:
    """A heartbeat in a local folder."""

    def __init__(self, path: Path, beat: float) -> None:
        self._path = path
        self._beat = beat
        self._ended = Event()
        self._thread = Thread(target=self._touch, name="sign of life", daemon=True)
        self._file: IO[str] | None = None

    def begin(self) -> None:
        with naming_file(self._path, "written", StateError):
            make_folder(self._path.parent)
            self._file = open_private(self._path, "w")
            # Shared: the steps of one run can be several processes. A reader holds the lock for a moment.
            fcntl.flock(self._file, fcntl.LOCK_SH)
            self._file.write(f"{_system() or ''}\n")
            self._file.flush()
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _touch(self) -> None:
        while not self._ended.wait(self._beat):
            with suppress(OSError):  # the file system may be unavailable for a moment; the lock is still held
                os.utime(self._path)


def last_sign(state: Folder, run_id: str) -> Sign | None:
    """The heartbeat of a run; None when it has no file.

    Raises:
        StateError: it can't be read.
    """
    if state.local_path is None:
        ages = {entry.name: entry.age for entry in state.entries(_FOLDER)}
        age = ages.get(f"{run_id}{_SUFFIX}")
        return None if age is None else Sign(is_held=False, age=age, is_of_this_system=False)
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
    if state.local_path is None:
        with suppress(StateError):
            for entry in state.entries(_FOLDER):
                if entry.age > kept_seconds:
                    state.remove(f"{_FOLDER}/{entry.name}")
        return
    folder = _folder(state)
    with suppress(OSError):
        if not folder.is_dir():
            return
        now = _now(folder)
        for path in folder.glob(f"*{_SUFFIX}"):
            if now - path.stat().st_mtime > kept_seconds:
                path.unlink(missing_ok=True)


def _file_of(state: Folder, run_id: str) -> Path:
    return _folder(state) / f"{run_id}{_SUFFIX}"


def _folder(state: Folder) -> Path:
    assert state.local_path is not None  # noqa: S101 - locks of the operating system need a local folder
    return state.local_path / _FOLDER


def _now(folder: Path) -> float:
    """The time by the clock of the file system: a file server's clock may differ from this machine's."""
    clock = folder / _CLOCK
    clock.touch(FILE_MODE)
    return clock.stat().st_mtime


def _system() -> str | None:
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return None
