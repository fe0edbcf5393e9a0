"""Runs ``python -m dagster`` until standard input ends, and so never longer than the process that started it.

    python -m hyve_pipeline.cli.dagster_child dev --port 3000 ...

Whoever starts it keeps the other end of the pipe: to close that, or to die in whatever way, ends Dagster as
Ctrl-C does.
"""

import os
import runpy
import signal
import sys
import threading
from typing import IO


def _interrupt_at_end_of(parent: IO[str]) -> None:
    while parent.read(1):
        pass
    os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    """Run the Dagster command that the arguments name."""
    # A process that a script starts in the background ignores this signal, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_interrupt_at_end_of, args=(sys.stdin,), daemon=True).start()
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
