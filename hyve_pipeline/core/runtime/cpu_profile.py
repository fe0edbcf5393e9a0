"""Where the CPU time of a process goes, by room of this package and by library.

Every few milliseconds a thread reads how much CPU time each other thread has taken since, and what it is doing now.
That costs some percent of one core, whatever the process does; a profiler that is called at each function call doubles
the time of many functions.
Only Linux tells the CPU time of one thread to another.
"""

import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from hyve_pipeline.core.base.counts import counted

_SECONDS = 0.01

_PACKAGE = f"{Path(__file__).parents[2]}/"
_LIBRARIES = "/site-packages/"

# Rows that are neither rooms nor libraries.
PYTHON = "Python and its library"
NATIVE = "threads outside of Python"
START = "start of Python"
ITSELF = "this profile"

# Threads that Python did not start, such as those of AWS's Common Runtime: their native ids by Python's.
_foreign: dict[int, int] = {}


def know_thread() -> None:
    """Let profiles see the present thread, if Python did not start it."""
    _foreign[threading.get_ident()] = threading.get_native_id()


@dataclass
class Times:
    """CPU seconds.

    Attributes:
        own: by room or library, where the code that ran is.
        caused: by room, with those of the libraries that it called.
        processes: how many processes these are of.
    """

    own: dict[str, float] = field(default_factory=dict)
    caused: dict[str, float] = field(default_factory=dict)
    processes: int = 0

    def add(self, own: str, room: str | None, seconds: float) -> None:
        """Add what a thread has taken."""
        self.own[own] = self.own.get(own, 0.0) + seconds
        if room is not None:
            self.caused[room] = self.caused.get(room, 0.0) + seconds

    def merge(self, other: "Times") -> None:
        """Add those of another process, or of a later time."""
        self.processes += other.processes
        for name, seconds in other.own.items():
            self.own[name] = self.own.get(name, 0.0) + seconds
        for name, seconds in other.caused.items():
            self.caused[name] = self.caused.get(name, 0.0) + seconds

    def table(self) -> str:
        """The times as text, for people; what took the most comes first."""
        total = sum(self.own.values())
        processes = counted(self.processes, "process", "processes")
        lines = [
            f"CPU time: {total:.2f} s of {processes}",
            "",
            f"{'room':<26} {'own, s':>9} {'share':>6} {'with libraries, s':>18}",
        ]
        lines += [
            f"{name:<26} {self.own.get(name, 0.0):>9.2f} {_share(self.own.get(name, 0.0), total):>6} {caused:>18.2f}"
            for name, caused in _falling(self.caused)
        ]
        rest = {name: seconds for name, seconds in self.own.items() if name not in self.caused}
        lines += ["", f"{'library':<26} {'own, s':>9} {'share':>6}"]
        lines += [f"{name:<26} {seconds:>9.2f} {_share(seconds, total):>6}" for name, seconds in _falling(rest)]
        return "\n".join(lines) + "\n"


class CpuProfile:
    """A profile of this process. Use `begin_profile`."""

    def __init__(self) -> None:
        self._times = Times(processes=1)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        # By the native id of each thread: what it had taken when it was seen last.
        self._seen = {thread: _cpu_seconds(thread) or 0.0 for thread in _threads().values()}
        # All that was taken before belongs to the start.
        self._total = 0.0
        self._times.add(START, None, sum(self._seen.values()))
        self._known = sum(self._seen.values())
        self._thread = threading.Thread(target=self._run, name="cpu-profile", daemon=True)
        self._thread.start()

    def merge(self, other: Times) -> None:
        """Add the times of a process beside this one."""
        with self._lock:
            self._times.merge(other)

    def take(self) -> Times:
        """The times since the last call, or the beginning."""
        with self._lock:
            self._sample()
            # What ended between two samples, and threads that never ran Python.
            unseen = time.process_time() - self._known
            self._times.add(NATIVE, None, max(0.0, unseen))
            self._known += max(0.0, unseen)
            taken, self._times = self._times, Times()
            return taken

    def end(self) -> Times:
        """End it, and return the times since the last `take`."""
        global _running
        self._ended.set()
        self._thread.join()
        _running = None
        return self.take()

    def _run(self) -> None:
        while not self._ended.wait(_SECONDS):
            with self._lock:
                self._sample()

    def _sample(self) -> None:
        frames = sys._current_frames()
        for ident, thread in _threads().items():
            now = _cpu_seconds(thread)
            if now is None:
                continue
            before = self._seen.get(thread, 0.0)
            self._seen[thread] = now
            # The number of a thread that has ended is given to another one.
            taken = now - before if now >= before else now
            if taken:
                self._known += taken
                if ident == self._thread.ident:
                    self._times.add(ITSELF, None, taken)
                else:
                    self._times.add(*_places(frames.get(ident)), taken)
        # One of them is that of this call: together they would keep, until garbage is collected, all that threads had.
        del frames


_running: CpuProfile | None = None


def begin_profile() -> CpuProfile:
    """Begin to profile this process.

    Raises:
        NotImplementedError: the system does not tell the CPU time of a thread.
    """
    global _running
    if sys.platform != "linux":
        raise NotImplementedError("CPU profiles need Linux")
    _running = CpuProfile()
    return _running


def running_profile() -> CpuProfile | None:
    """The profile of this process, if there is one."""
    return _running


def place_of(file: str) -> str:
    """The room or the library that a file of code belongs to."""
    if file.startswith(_PACKAGE):
        folders = file.removeprefix(_PACKAGE).split("/")[:-1]
        return "/".join(folders[:2]) or "hyve_pipeline"
    if _LIBRARIES in file:
        return file.rpartition(_LIBRARIES)[2].partition("/")[0].removesuffix(".py")
    return PYTHON


def _places(frame: FrameType | None) -> tuple[str, str | None]:
    """Where a thread is, and the room on whose behalf."""
    if frame is None:
        return NATIVE, None
    own = place_of(frame.f_code.co_filename)
    while frame is not None:
        if frame.f_code.co_filename.startswith(_PACKAGE):
            return own, place_of(frame.f_code.co_filename)
        frame = frame.f_back
    return own, None


def _threads() -> Mapping[int, int]:
    """The native ids of all threads that may run Python, by Python's ids."""
    started = {thread.ident: thread.native_id for thread in threading.enumerate()}
    return _foreign | {ident: native for ident, native in started.items() if ident and native}


def _cpu_seconds(thread: int) -> float | None:
    """The CPU time of a thread; None if it has ended.

    Unlike `time.pthread_getcpuclockid`, this is safe for threads that have ended: it is the kernel's own number of the
    clock, see CPUCLOCK_PERTHREAD and CPUCLOCK_SCHED in linux/posix-timers.h.
    """
    try:
        return time.clock_gettime(~thread << 3 | 6)
    except OSError:
        return None


def _falling(times: Mapping[str, float]) -> Iterable[tuple[str, float]]:
    return sorted(times.items(), key=lambda entry: -entry[1])


def _share(seconds: float, total: float) -> str:
    return f"{seconds / total:.0%}" if total else ""
