"""The command line as a child process, and what only such a one can show."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def started(arguments: Sequence[str], **more: Any) -> Iterator["subprocess.Popen[str]"]:
    """Run `python -m hyve_pipeline` with this process's environment; it is killed if it is still there at the end.

    Args:
        arguments: what follows.
        more: for `subprocess.Popen`; standard output and error are pipes unless it says otherwise.
    """
    settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    settings.setdefault("preexec_fn", heed_signals)
    with subprocess.Popen([sys.executable, "-m", "hyve_pipeline", *arguments], text=True, **settings) as process:
        try:
            yield process
        finally:
            process.kill()


def heed_signals() -> None:
    """Let a child heed signals that this process may ignore, and so would what it starts.

    One that is started in the background ignores SIGINT, and by `nohup` SIGHUP; Dagster treats SIGTERM like SIGINT.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


# From Linux's headers: an option of prctl, and two capabilities.
_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


def heed_permissions() -> None:
    """Let a child heed the permissions of files even if it is root's, as anybody's would."""
    if os.geteuid() == 0:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            if prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "a capability can't be dropped")


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
