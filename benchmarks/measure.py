"""Runs a command and measures what it costs."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MIB = 1024 * 1024

_SHOWN = 2000


@dataclass(frozen=True)
class Usage:
    """What one run of a command cost.

    Attributes:
        wall: seconds from start to end.
        cpu: seconds of user and system time of the process and all that it waited for.
        memory: the peak of resident memory in bytes, of the process that had the most.
        is_stopped: it was ended before it was done, so that its cost is more than this.
    """

    wall: float
    cpu: float
    memory: int
    is_stopped: bool = False


class CommandFailedError(Exception):
    """A command that was to be measured did not end with 0; the message has the end of what it wrote."""


def run(command: Sequence[str], environment: Mapping[str, str], *, most: float | None = None) -> Usage:
    """Run a command to its end, without its output.

    The kernel counts the parent's memory at the start as the child's, so this process must stay small: it imports
    nothing that it measures.

    Args:
        command: the command.
        environment: its whole environment.
        most: it is killed after so many seconds; None lets it take any time.

    Raises:
        CommandFailedError: it ended with another code than 0.
    """
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        )
        stop = threading.Timer(most or threading.TIMEOUT_MAX, process.kill)
        stop.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            stop.cancel()
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        is_stopped = most is not None and wall >= most and process.returncode == -signal.SIGKILL
        if process.returncode != 0 and not is_stopped:
            errors.seek(0)
            said = errors.read().decode(errors="replace")[-_SHOWN:]
            raise CommandFailedError(f"{' '.join(command)} ended with {process.returncode}: {said}")
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, is_stopped)
