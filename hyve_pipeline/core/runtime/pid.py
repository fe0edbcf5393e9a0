"""Whether a process exists."""

import os


def is_running(pid: int) -> bool:
    """Whether a process with this id exists on this machine; it may be a later one that reuses the id."""
    try:
        os.kill(pid, 0)  # signal 0 only checks
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it exists and belongs to another user
    return True
