"""A server that never runs longer than the process that started it.

    python -m hyve_pipeline.orchestration.ui.child dagster-daemon run ...

runs the console script of a package. The parent holds the other end of the standard input: if the parent closes it, or
ends for any reason, the server ends as after Ctrl-C.
"""

import gc
import os
import signal
import sys
import threading
from contextlib import suppress
from importlib.metadata import entry_points
from typing import IO

# Some megabytes, if all of them are garbage.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def begin_server() -> None:
    """Let the end of standard input interrupt this process, and make it load sooner.

    To load Dagster makes a million objects, and hardly any garbage: to look through them every 700 takes a seventh of
    the time.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 20)
    # A script's background processes ignore this signal, and so would their children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_interrupt_at_end_of, args=(sys.stdin,), daemon=True).start()


def _interrupt_at_end_of(parent: IO[str]) -> None:
    while parent.read(1):
        pass
    os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    """Run the console script that the arguments name."""
    begin_server()
    # Not by its path: the folder of the scripts may be unknown.
    (script,) = entry_points(group="console_scripts", name=sys.argv[1])
    del sys.argv[0]
    with suppress(KeyboardInterrupt):
        script.load()()


if __name__ == "__main__":
    main()
