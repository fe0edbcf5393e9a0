"""Keeps Python's state of a thread that Python did not start, such as those of AWS's Common Runtime.

Such a thread calls into Python by ``PyGILState_Ensure`` and ``PyGILState_Release``, which count how deep it is. Each
time that the count comes back to zero, Python deletes the thread's state, and makes another for the next callback. The
state has a stack of its own, which is mapped into memory and unmapped again, and that interrupts every core on which
the process runs: with some callbacks for each request, half of all CPU time.
"""

import ctypes
import threading

from hyve_pipeline.core.runtime.cpu_profile import know_thread

_thread = threading.local()


def keep_thread_state() -> None:
    """Let Python keep the present thread's state from now on. Cheap to call again; call it in a callback.

    It counts one level more, for ever. Python frees the state when it ends itself; of a thread that ends before, a few
    kilobytes are left.
    """
    if not hasattr(_thread, "is_kept"):
        # https://docs.python.org/3/c-api/init.html#c.PyGILState_Ensure
        ctypes.pythonapi.PyGILState_Ensure()
        _thread.is_kept = True
        know_thread()
