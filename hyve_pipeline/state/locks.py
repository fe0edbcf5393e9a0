"""One plan of a sync at a time, whoever applies it: commands, runs from the UI, sensors.

    applying/<plan>.lock

Each process that works on a plan holds a shared lock on the plan's file, so that its shards can be done by
several; one that undoes it holds the file alone. Before that it makes sure that nobody holds the file of another
plan. The system lets go of a lock when its owner ends, however that ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock

from hyve_pipeline.core.base.errors import RefusedError, StateError
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, make_folder, open_private
from hyve_pipeline.core.runtime.pid import is_running
from hyve_pipeline.state.files import Folder

_SUFFIX = ".lock"

# Who looks at the locks of others, one at a time; for a moment each.
_LOOKING = "looking"


@contextmanager
def applying(state: Folder, sync: str, plan_id: str, *, alone: bool = False) -> Iterator[None]:
    """Keep other plans of the sync from being applied until the block ends.

    Args:
        state: the sync's state.
        sync: its name.
        plan_id: the plan that is applied, perhaps by others at the same time.
        alone: it must not be applied by others either, as while it is undone.

    Raises:
        RefusedError: another plan of the sync is being applied, or this one by others, where one of them is `alone`.
        StateError: the lock can't be made.
    """
    folder = Path(state.path_of("applying"))
    try:
        make_folder(folder)
        with FileLock(folder / _LOOKING, mode=FILE_MODE):
            _refuse_beside_others(folder, sync, plan_id)
            held = _hold(folder / f"{plan_id}{_SUFFIX}", sync, alone=alone)
    except OSError as error:
        raise StateError(f"{folder}: can't be locked: {error.strerror or error}") from error
    with closing(held):
        yield


def applied_beside(state: Folder, plan_id: str | None = None) -> str | None:
    """Which plan, other than `plan_id`, is being applied at this moment; None when there is none.

    Raises:
        StateError: the locks can't be looked at.
    """
    folder = Path(state.path_of("applying"))
    try:
        if not folder.is_dir():
            return None
        with FileLock(folder / _LOOKING, mode=FILE_MODE):
            return next((path.stem for path in _others(folder, plan_id) if _is_held(path)), None)
    except OSError as error:
        raise StateError(f"{folder}: can't be looked at: {error.strerror or error}") from error


def _refuse_beside_others(folder: Path, sync: str, plan_id: str) -> None:
    for path in _others(folder, plan_id):
        if _is_held(path):
            raise RefusedError(
                "one_at_a_time",
                f"plan {path.stem} of sync {sync} is being applied by {_owner_in_words(path)}; "
                f"plan {plan_id} can be when that has ended",
            )
        # Nobody holds it, and nobody can begin to as long as this process looks.
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
        # Whoever was first is named: the others may be there only to help.
        if _owner(path) is None:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
    except BaseException:
        file.close()
        raise
    return file


def _owner(path: Path) -> int | None:
    """The process that is noted as the one that has the lock, where there still is one."""
    try:
        noted = int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return noted if is_running(noted) else None


def _owner_in_words(path: Path) -> str:
    """The same, as a part of a message."""
    owner = _owner(path)
    return f"process {owner}" if owner is not None else "another process"
