"""The command line as a child process, and what only such a one can show."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hyve_pipeline_tests.forks import fork_hyve
from hyve_pipeline_tests.heeding import heed_signals


@contextmanager
def started(
    arguments: Sequence[str], *, is_new_interpreter: bool = False, **more: Any
) -> Iterator["subprocess.Popen[str]"]:
    """Run `python -m hyve_pipeline` with this process's environment; it is killed if it is still there at the end.

    Args:
        arguments: what follows.
        is_new_interpreter: whether it loads everything itself, for tests of that.
        more: for `subprocess.Popen`; standard output and error are pipes unless it says otherwise.
    """
    settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
    if is_new_interpreter:
        command = [sys.executable, "-m", "hyve_pipeline", *arguments]
        child = subprocess.Popen(command, **{"preexec_fn": heed_signals, **settings})
    else:
        child = fork_hyve(arguments, **settings)
    with child as process:
        try:
            yield process
        finally:
            process.kill()


def cpu_seconds(command: Sequence[str]) -> float:
    """The processor time, user and system, that a command takes; its output goes nowhere."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


def blocks_of(master: int) -> Iterator[bytes]:
    """What is written to a terminal, until the last one has closed it."""
    while True:
        try:
            block = os.read(master, 65536)
        except OSError:  # this is how Linux says it
            return
        if not block:
            return
        yield block
