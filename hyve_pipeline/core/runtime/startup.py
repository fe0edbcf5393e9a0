"""Faster startup, faster end and less garbage collection for a process that runs one command and nothing else.

It changes the whole process, so it is not for processes that run other code too, such as tests or Dagster.
"""

import ctypes
import gc
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime

# Some ten megabytes, if all of them are garbage. What 256 requests in flight have comes and goes by less than that.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000

# No command needs these. Arrow imports them only to check whether a value is one of their types, which costs a third
# of a second and 60 MiB. It checks once, and works without them.
_NOT_FOR_COMMANDS = frozenset({"numpy", "pandas"})

_ENVIRONMENT = {
    # Arrow's own allocator keeps freed memory: up to 60 MiB between the listing and the diff.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # Otherwise Pydantic searches all installed packages for plugins before it builds its first model.
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
}

# mallopt(3): the most arenas of the C library's allocator.
_M_ARENA_MAX = -8

_is_own_process = False

# What `begin` added to the environment of this process.
_added: dict[str, str] = {}


class _Hidden:
    """An import hook that hides some optional packages."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name in _NOT_FOR_COMMANDS:
            raise ModuleNotFoundError(f"{name} is hidden from this command", name=name)


_hidden = _Hidden()


def begin() -> None:
    """Set up this process for one command; call `finish` when everything is imported.

    Until then garbage collection is off, as imports make a million objects and hardly any garbage; and some packages
    can't be imported.
    """
    global _is_own_process
    _is_own_process = True
    _share_freed_memory()
    gc.disable()
    _added.update((name, value) for name, value in _ENVIRONMENT.items() if name not in os.environ)
    os.environ.update(_added)
    sys.meta_path.insert(0, _hidden)


def finish() -> None:
    """End the startup of a process that called `begin`; else do nothing."""
    if not _is_own_process or gc.isenabled():
        return
    import pyarrow as pa

    pa.array([datetime.now(UTC)]).to_pylist()  # Arrow checks for pandas here
    sys.meta_path.remove(_hidden)
    # With Python's default of 700, a collection runs for every other object copied and scans all that are in flight:
    # an eighth of all CPU time, to find nothing, since the requests leave no cycles.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 10, 10)
    _spare_collections()
    gc.enable()


def _share_freed_memory() -> None:
    """Let a thread take memory that another has freed, before there is a second one.

    Otherwise glibc gives each of up to 16 threads for two cores an arena of its own, which keeps what it had for one
    large object: with dozens of threads that stream parts, hundreds of megabytes, each of them new to the kernel.
    """
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    except (AttributeError, OSError, TypeError):
        return  # another C library, which has no arenas


def return_freed_memory() -> None:
    """Give memory that was freed back to the system, in a process that called `begin`; else do nothing.

    The C library does so by itself only at the end of its heap, and what it keeps between two things that are in use is
    touched again little by little. It takes a millisecond or two.
    """
    if _is_own_process:
        with suppress(AttributeError, OSError, TypeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def environment_for_other_code() -> dict[str, str]:
    """The environment for child processes that run other code too: without the variables that `begin` added."""
    return {name: value for name, value in os.environ.items() if name not in _added}


def end() -> None:
    """Skip the final garbage collection over all modules in a process that called `begin` and is about to end."""
    if _is_own_process and not gc.isenabled():
        _spare_collections()


def _spare_collections() -> None:
    """Exclude all present objects from garbage collection, including the slow one at the end of the process.

    DuckDB, which is loaded later, must be collected: it reports leaks otherwise.
    """
    gc.freeze()
