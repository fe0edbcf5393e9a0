"""Whether a process exists, and on which system its number means something."""

import os
from contextlib import suppress
from functools import cache
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")

# Missing in many containers, which have the boot id.
_MACHINE = Path("/etc/machine-id")


def is_running(pid: int) -> bool:
    """Whether a process with this id has not ended on this machine; it may be a later one that reuses the id."""
    try:
        os.kill(pid, 0)  # signal 0 only checks
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it exists and belongs to another user
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended, but not for its parent, which in a container may never ask; see proc(5)."""
    process = Path(f"/proc/{pid}")
    with suppress(OSError):  # not on Linux, or it is gone meanwhile
        state = process.joinpath("stat").read_text(errors="replace").rpartition(")")[2].split()[0]
        # It is one, too, when only its first thread has ended.
        return state == "Z" and len(list(process.joinpath("task").iterdir())) == 1
    return False


@cache
def pid_system() -> str | None:
    """What is the same for all processes among which process ids are unique: machine, boot and PID namespace.

    Host names are not: containers may share one. None where the system does not say it.
    """
    machine = ""
    with suppress(OSError):
        machine = _MACHINE.read_text(encoding="ascii", errors="replace").strip()
    with suppress(OSError):
        return f"{machine} {_BOOT.read_text(encoding='ascii').strip()} {_PID_NAMESPACE.readlink()}"
    return None
