"""A worker process: it does the tasks of its parent process, one at a time, until the parent ends.

`pool` starts it, with one end of a connection, the module of its tasks, the level of its log if that is shown, and
whether it takes a profile.
"""

import importlib
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, NoReturn

from hyve_pipeline.core.runtime import startup
from hyve_pipeline.core.runtime.cpu_profile import Times, begin_profile, running_profile
from hyve_pipeline.core.runtime.interruption import interrupted_by
from hyve_pipeline.core.runtime.log import show_log
from hyve_pipeline.core.runtime.progress import Listener, listening

# Progress is sent at most this often: each message costs both processes a little.
_PROGRESS_SECONDS = 0.1

# Progress that no other has followed is sent after so long.
_LATEST_SECONDS = 0.5


@dataclass(frozen=True)
class Task:
    """A function to call."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Interrupt:
    """A request to end the task."""


@dataclass(frozen=True)
class Progress:
    """Objects and bytes done in an activity since the last report."""

    activity: str
    objects: int
    size: int


@dataclass(frozen=True)
class Report:
    """A call of a method of `Listener` other than `advance`."""

    method: str
    arguments: tuple[Any, ...]

    def repeat(self, listener: Listener) -> None:
        """Call it."""
        getattr(listener, self.method)(*self.arguments)


@dataclass(frozen=True)
class Note:
    """A value that a task sends before it ends."""

    value: Any


@dataclass(frozen=True)
class Profile:
    """The CPU time that was taken since the last one."""

    times: Times


@dataclass(frozen=True)
class Done:
    """The value that the task returned."""

    value: Any


@dataclass(frozen=True)
class Failed:
    """The error that the task raised."""

    error: BaseException


# The worker of this process, if it is a worker process.
_worker: "_Worker | None" = None


def send_note(value: object) -> None:
    """Send a value from a running task to the parent process."""
    if _worker is None:
        raise RuntimeError("only a worker process can send notes")
    _worker.send_note(value)


class _Worker(Listener):
    """Does tasks and sends their results."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tasks: SimpleQueue[tuple[Task, Event]] = SimpleQueue()
        # Tasks may report progress from several threads.
        self._sending = Lock()
        self._unsent: dict[str, tuple[int, int]] = {}
        self._sent_at = monotonic()

    def serve(self) -> NoReturn:
        """Do tasks until the parent process ends."""
        Thread(target=self._listen, name="listen", daemon=True).start()
        with listening(self):
            while True:
                task, stop = self._tasks.get()
                answer = _answer(task, stop)
                profile = running_profile()
                with self._sending:
                    self._send_progress()
                    if profile is not None:
                        self._connection.send(Profile(profile.take()))
                    self._connection.send(answer)

    def _listen(self) -> None:
        stop = Event()
        while True:
            try:
                while not self._connection.poll(_LATEST_SECONDS):
                    self._send_held_progress()
                message = self._connection.recv()
            except (EOFError, OSError):
                # The parent has ended, perhaps killed, and its locks are free: this process must not work on beside
                # the next one. Requests in flight end as if it had been killed too.
                os._exit(1)
            if isinstance(message, Task):
                stop = Event()
                self._tasks.put((message, stop))
            else:
                stop.set()
                self._send_held_progress()

    def expect(self, activity: str, objects: int, size: int) -> None:
        """Report the total to the parent process."""
        self._send_at_once(Report("expect", (activity, objects, size)))

    def estimate(self, activity: str, objects: int) -> None:
        """Report the likely total to the parent process."""
        self._send_at_once(Report("estimate", (activity, objects)))

    def end(self, activity: str, objects: int | None, size: int | None, failed: int) -> None:
        """Report the end to the parent process."""
        self._send_at_once(Report("end", (activity, objects, size, failed)))

    def advance(self, activity: str, objects: int, size: int) -> None:
        """Report progress, now or together with the next report."""
        with self._sending:
            before = self._unsent.get(activity, (0, 0))
            self._unsent[activity] = before[0] + objects, before[1] + size
            if monotonic() - self._sent_at >= _PROGRESS_SECONDS:
                self._send_progress()

    def send_note(self, value: object) -> None:
        """Send a note, after the progress before it."""
        self._send_at_once(Note(value))

    def _send_at_once(self, message: Report | Note) -> None:
        with self._sending:
            self._send_progress()
            self._connection.send(message)

    def _send_held_progress(self) -> None:
        """Send what no further report may follow, as when a server does not answer."""
        with self._sending:
            if self._unsent:
                self._send_progress()

    def _send_progress(self) -> None:
        for activity, (objects, size) in self._unsent.items():
            self._connection.send(Progress(activity, objects, size))
        self._unsent = {}
        self._sent_at = monotonic()


def _answer(task: Task, stop: Event) -> Done | Failed:
    try:
        with interrupted_by(stop):
            return Done(task.function(*task.arguments))
    except BaseException as error:  # noqa: BLE001 - the parent process raises it
        return Failed(_portable(error))


def _portable(error: BaseException) -> BaseException:
    """The error in a form that can be pickled, with its traceback as text."""
    error.add_note("".join(traceback.format_exception(error)).rstrip())
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled in this line
    except Exception:  # noqa: BLE001 - unpickling can raise anything
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def main() -> NoReturn:
    """Do the tasks of the process at the other end of the connection."""
    connection, module, log_level, is_profiled = sys.argv[1:]
    # A service manager sends these to each process of a service. This one ends with its parent, which first lets it
    # end its requests and its journal.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    startup.begin()
    if is_profiled:
        begin_profile()
    if log_level:
        show_log(int(log_level))
    # Imported now, so that the first task does not wait for it.
    importlib.import_module(module)
    startup.finish()
    global _worker
    _worker = _Worker(Connection(int(connection)))
    _worker.serve()
