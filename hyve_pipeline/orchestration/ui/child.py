"""A server that never runs longer than the process that started it.

    python -m hyve_pipeline.orchestration.ui.child dagster-daemon run ...

runs a command line that a package offers, as its script does. Whoever starts it keeps the other end of its standard
input: to close that, or to die in whatever way, ends the server as Ctrl-C does.
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from importlib.metadata import entry_points
from typing import IO


def end_with_parent() -> None:
    """Let the end of standard input interrupt this process."""
    # A process that a script starts in the background ignores this signal, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_interrupt_at_end_of, args=(sys.stdin,), daemon=True).start()


def _interrupt_at_end_of(parent: IO[str]) -> None:
    while parent.read(1):
        pass
    os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    """Run the command line that the arguments name."""
    end_with_parent()
    # Not by its path: the folder of this Python's scripts need not be known.
    (script,) = entry_points(group="console_scripts", name=sys.argv[1])
    del sys.argv[0]
    with suppress(KeyboardInterrupt):
        script.load()()


if __name__ == "__main__":
    main()
