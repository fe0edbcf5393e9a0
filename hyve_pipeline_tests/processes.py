"""The command line as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any


def start_hyve(arguments: Sequence[str], **more: Any) -> "subprocess.Popen[str]":
    """Start `python -m hyve_pipeline` with this process's environment; more is for `subprocess.Popen`."""
    return subprocess.Popen(
        [sys.executable, "-m", "hyve_pipeline", *arguments],
        **{"stdin": subprocess.DEVNULL, "text": True, "preexec_fn": _heed_interrupts, **more},
    )


def _heed_interrupts() -> None:
    """A process that is started in the background ignores SIGINT, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def cpu_seconds(command: Sequence[str]) -> float:
    """The processor time, user and system, that a command takes; its output goes nowhere."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime
