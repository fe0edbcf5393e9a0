"""What tests need to know of processes that a command has started."""

import os
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any


def hyve_command(*arguments: str) -> list[str]:
    """The command line of one of our commands."""
    return [sys.executable, "-m", "hyve_pipeline", *arguments]


def run_hyve(
    *arguments: str, variables: Mapping[str, str] | None = None, folder: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run one of our commands to its end, as a person would."""
    return subprocess.run(
        hyve_command(*arguments),
        env={**(os.environ if variables is None else variables), **more},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )


def start_hyve(*arguments: str, variables: Mapping[str, str] | None = None, **more: Any) -> subprocess.Popen[str]:
    """Start one of our commands; whoever does so ends it."""
    return subprocess.Popen(
        hyve_command(*arguments),
        env=dict(os.environ if variables is None else variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def descendants(pid: int) -> set[int]:
    """The processes that a process has started, and those that they have."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        own = children.get(waiting.pop(), [])
        found.update(own)
        waiting += own
    return found


def living(pids: Collection[int]) -> set[int]:
    """Those of the processes that have not ended, with all their threads: the last one releases the locks."""
    return {pid for pid in pids if (fields := _stat(pid)) and (fields[0] != "Z" or _threads(pid) > 1)}


def living_after(pids: Collection[int], seconds: float) -> set[int]:
    """Those of the processes that have not ended in some time; returns as soon as all have."""
    deadline = time.monotonic() + seconds
    while (left := living(pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _threads(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return 0


def _stat(pid: int) -> Sequence[str]:
    """State, parent and so on of a process; empty when there is none. See proc(5)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
