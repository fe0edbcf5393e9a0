"""Processes that hold something of a state until they are ended or told to go on."""

import pickle
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.heartbeat import ClaimTimes
from hyve_pipeline_tests.forks import fork_code

# Ages have whole seconds on moto's server, so that less is too little.
FAST = ClaimTimes(beat=0.2, stale=4, give_up=2)

_BEGIN = """
import pickle, sys, time
from base64 import b64decode
if {seconds_off}:
    real = time.time
    time.time = lambda: real() + {seconds_off}
if {is_elsewhere}:
    from hyve_pipeline.state import holder
    holder.pid_system = lambda: "another host"
state, times = pickle.loads(b64decode(sys.argv[1]))
def held():
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holder(
    code: str, state: Folder, *, seconds_off: float = 0, is_elsewhere: bool = False
) -> Iterator["subprocess.Popen[str]"]:
    """A process that has run `code` up to its call of `held()`, which returns when the process gets a line.

    Args:
        code: it has a folder `state` and `times`.
        state: the folder.
        seconds_off: how much its clock is ahead.
        is_elsewhere: it acts as a process of another host, whose process ids mean nothing here.
    """
    argument = b64encode(pickle.dumps((state, FAST))).decode()
    begin = _BEGIN.format(seconds_off=seconds_off, is_elsewhere=is_elsewhere)
    with fork_code(begin + code, argument, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def go_on(process: "subprocess.Popen[str]") -> str:
    """Let `held()` return; what the process prints until it ends."""
    return process.communicate("\n", timeout=60)[0]
