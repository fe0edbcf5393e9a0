"""What a process that does one command, and nothing else, can do to begin early and to collect little garbage.

Nothing of it is for a process of somebody else's, such as a test's or Dagster's: it concerns all of a process.
"""

import gc
import os
import sys
from datetime import UTC, datetime

# Some megabytes, should all of them be garbage.
_OBJECTS_BETWEEN_COLLECTIONS = 20_000

# What no command needs, and Arrow would import only to know whether it was given something of theirs: a third of a
# second and 60 MiB. It does without where they are not. It looks once; should it look again one day, no more is
# lost than that.
_NOT_FOR_COMMANDS = frozenset({"numpy", "pandas"})

_is_own_process = False


class _Hidden:
    """An import hook that finds none of some packages, which others use only where they are there."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name in _NOT_FOR_COMMANDS:
            raise ModuleNotFoundError(f"{name} is not for this command", name=name)


_hidden = _Hidden()


def begin() -> None:
    """Say that this process is there for one command; `finish` comes when all is imported.

    Until then no garbage is collected: importing makes a million objects and hardly any garbage. And some packages
    can't be imported.
    """
    global _is_own_process
    _is_own_process = True
    gc.disable()
    # Arrow's own allocator keeps what it was given back: between listing and comparing that is up to 60 MiB.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    sys.meta_path.insert(0, _hidden)


def finish() -> None:
    """Get this process ready for work, when it is one that has begun with `begin`."""
    if not _is_own_process or gc.isenabled():
        return
    import pyarrow as pa

    pa.array([datetime.now(UTC)]).to_pylist()  # looks for pandas
    sys.meta_path.remove(_hidden)
    # By Python's own 700 a collection comes every other object that is copied, and looks through all that are in
    # flight: an eighth of all CPU time, to find nothing, since the requests leave no cycles.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 10, 10)
    gc.enable()
