"""Locks of the operating system, so that one plan of a sync is applied at a time; see `epochs` for a state in a bucket.

    applying/<plan>.lock

Each process that works on a plan holds a shared lock on the plan's file, so that several can do its shards; one that
undoes it holds an exclusive lock. Before that it checks that no process holds the file of another plan. The operating
system releases a lock when its owner ends, even if it is killed.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock

from hyve_pipeline.core.base.errors import RefusedError, StateError, naming_file
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, make_folder, open_private
from hyve_pipeline.core.runtime.pid import is_running, pid_system
from hyve_pipeline.state.files import Folder

_SUFFIX = ".lock"

# The lock under which a process checks the locks of others, for a moment.
_LOOKING = "looking"


@contextmanager
def locking(state: Folder, sync: str, plan_id: str, *, alone: bool = False) -> Iterator[None]:
    """Prevent other plans of the sync from being applied until the block ends.

    Args:
        state: the sync's state.
        sync: its name.
        plan_id: the plan that is applied, perhaps by other processes too.
        alone: lock out other processes that apply this plan, as undo does.

    Raises:
        RefusedError: another plan of the sync is being applied, or this one by another process, and one of both is
            `alone`.
        StateError: the lock can't be created.
    """
    folder = _folder(state)
    with naming_file(folder, "locked", StateError):
        make_folder(folder)
        with FileLock(folder / _LOOKING, mode=FILE_MODE):
            _refuse_beside_others(folder, sync, plan_id)
            held = _hold(folder / f"{plan_id}{_SUFFIX}", sync, alone=alone)
    with closing(held):
        yield


def locked_beside(state: Folder, plan_id: str | None = None) -> str | None:
    """The plan, other than `plan_id`, that is being applied; None when there is none.

    Raises:
        StateError: the locks can't be read.
    """
    folder = _folder(state)
    with naming_file(folder, "read", StateError):
        if not folder.is_dir():
            return None
        with FileLock(folder / _LOOKING, mode=FILE_MODE):
            return next((path.stem for path in _others(folder, plan_id) if _is_held(path)), None)


def _folder(state: Folder) -> Path:
    assert state.local_path is not None  # noqa: S101 - locks of the operating system need a local folder
    return state.local_path / "applying"


def _refuse_beside_others(folder: Path, sync: str, plan_id: str) -> None:
    for path in _others(folder, plan_id):
        if _is_held(path):
            raise RefusedError(
                "one_at_a_time",
                f"plan {path.stem} of sync {sync} is being applied by {_owner_in_words(path)}; "
                f"apply plan {plan_id} when that has ended",
            )
        # It is free, and no other process can take it while this one checks.
        path.unlink(missing_ok=True)


def _others(folder: Path, plan_id: str | None) -> list[Path]:
    return [path for path in sorted(folder.glob(f"*{_SUFFIX}")) if path.stem != plan_id]


def _is_held(path: Path) -> bool:
    with open_private(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _hold(path: Path, sync: str, *, alone: bool) -> IO[str]:
    file = open_private(path, "a+")
    try:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            doing = "applied or undone" if alone else "undone"
            raise RefusedError(
                "one_at_a_time", f"plan {path.stem} of sync {sync} is being {doing} by {_owner_in_words(path)}"
            ) from None
        # The first process is recorded: it started to apply the plan.
        if _owner(path) is None:
            file.truncate(0)
            file.write(f"{os.getpid()} {pid_system()}")
            file.flush()
    except BaseException:
        file.close()
        raise
    return file


def _owner(path: Path) -> int | None:
    """The recorded owner of the lock, if that process still exists."""
    try:
        noted, _, system = path.read_text(encoding="utf-8").partition(" ")
        # Of another host that shares the folder, or of another container, the number says nothing here.
        return int(noted) if system == str(pid_system()) and is_running(int(noted)) else None
    except (OSError, ValueError):
        return None


def _owner_in_words(path: Path) -> str:
    """The owner of the lock, for messages."""
    owner = _owner(path)
    return f"process {owner}" if owner is not None else "another process"
