"""Whether a process is there."""

import os


def is_running(pid: int) -> bool:
    """Whether there is a process of this number on this machine, be it the one that is meant or a later one."""
    try:
        os.kill(pid, 0)  # only asks
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there, and somebody else's
    return True
