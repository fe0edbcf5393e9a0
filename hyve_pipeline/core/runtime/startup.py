"""What a process that runs one command, and nothing else, can do to begin early and to end at once.

Nothing of it is for a process of somebody else's, such as a test's or Dagster's: it concerns all of a process.
"""

import atexit
import gc
import os
import sys
from datetime import UTC, datetime
from typing import NoReturn

# Some megabytes, should all of them be garbage.
_OBJECTS_BETWEEN_COLLECTIONS = 20_000

_is_own_process = False


def begin() -> None:
    """Say that this process is there for one command; `finish` comes when all is imported.

    Until then no garbage is looked for: importing makes a million objects and hardly any garbage. And some
    packages are not found.
    """
    global _is_own_process
    _is_own_process = True
    gc.disable()
    # Arrow's own allocator keeps what it was given back: between listing and comparing that is up to 60 MiB.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # A terminal gets bars, which rich draws.
    _hidden.names = _NOT_FOR_COMMANDS if sys.stderr.isatty() else _NOT_FOR_COMMANDS | _DECORATION
    sys.meta_path.insert(0, _hidden)


def finish() -> None:
    """Get this process ready for work, when it is one that has begun with `begin`."""
    if not _is_own_process or gc.isenabled():
        return
    import pyarrow as pa

    pa.array([datetime.now(UTC)]).to_pylist()  # looks for pandas
    sys.meta_path.remove(_hidden)
    # What is there now stays to the end: no need to look through it again and again.
    gc.freeze()
    # By Python's own 700 a collection comes every other object that is copied, and looks through all that are in
    # flight: an eighth of all CPU time, to find nothing, since the requests leave no cycles.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 10, 10)
    gc.enable()


def end(code: int) -> NoReturn:
    """End this process with an exit code.

    To take a process down, Python first frees every object of every module: half a second for what Dagster
    has loaded. So when `finish` has come, the system is left to do it. Whatever a command opens it has closed
    by then, and what libraries have asked to be called at the end is called.
    """
    if not gc.get_freeze_count():
        sys.exit(code)
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 1
    os._exit(code)


class _Hidden:
    """An import hook that finds none of some packages, which others use only where they are there."""

    names: frozenset[str] = frozenset()

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name in self.names:
            raise ModuleNotFoundError(f"{name} is not for this command", name=name)


# What no command needs, and Arrow would import only to know whether it was given something of theirs: half a
# second and 60 MiB. It does without where they are not. It looks once; should it look again one day, no more is
# lost than that.
_NOT_FOR_COMMANDS = frozenset({"numpy", "pandas"})

# What libraries of Dagster's would import to colour tracebacks: an eighth of a second.
_DECORATION = frozenset({"rich", "pygments"})

_hidden = _Hidden()
