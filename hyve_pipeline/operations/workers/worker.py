"""A process that works for another one: it does what it is told, one thing at a time, until the other is gone.

Started by `processes`, with one end of a connection and the module of its tasks as its arguments.
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
from hyve_pipeline.core.runtime.interruption import interrupted_by
from hyve_pipeline.core.runtime.progress import listening

# How often progress is passed on at most: each message costs both processes a little.
_PROGRESS_SECONDS = 0.1


@dataclass(frozen=True)
class Task:
    """Do this."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Interrupt:
    """End what you do."""


@dataclass(frozen=True)
class Progress:
    """So many more objects and bytes are done in an activity."""

    activity: str
    objects: int
    size: int


@dataclass(frozen=True)
class Note:
    """What the task has to tell meanwhile."""

    value: Any


@dataclass(frozen=True)
class Done:
    """The task has ended well."""

    value: Any


@dataclass(frozen=True)
class Failed:
    """The task has raised this."""

    error: BaseException


# The one of this process.
_worker: "_Worker | None" = None


def tell(value: object) -> None:
    """Pass something on from a task to the process that gave it, before the task ends."""
    if _worker is None:
        raise RuntimeError("only a worker process has another one to tell")
    _worker.tell(value)


class _Worker:
    """Does tasks and says what came of them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tasks: SimpleQueue[tuple[Task, Event]] = SimpleQueue()
        # Work may report its progress from threads of its own.
        self._saying = Lock()
        self._untold: dict[str, tuple[int, int]] = {}
        self._told = monotonic()

    def serve(self) -> NoReturn:
        """Do tasks for ever."""
        Thread(target=self._listen, name="listen", daemon=True).start()
        with listening(self):
            while True:
                task, wish = self._tasks.get()
                answer = _answer(task, wish)
                with self._saying:
                    self._tell_progress()
                    self._connection.send(answer)

    def _listen(self) -> None:
        wish = Event()
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                # Whoever gave the tasks is gone, perhaps killed, and all locks that it had are free: whoever
                # comes next must not meet this process at work. Requests in flight end as they would have.
                os._exit(1)
            if isinstance(message, Task):
                wish = Event()
                self._tasks.put((message, wish))
            else:
                wish.set()

    def expect(self, activity: str, objects: int, size: int) -> None:
        """What is to come is told by whoever gives the tasks."""

    def advance(self, activity: str, objects: int, size: int) -> None:
        """Pass progress on, now or together with what comes soon."""
        with self._saying:
            before = self._untold.get(activity, (0, 0))
            self._untold[activity] = before[0] + objects, before[1] + size
            if monotonic() - self._told >= _PROGRESS_SECONDS:
                self._tell_progress()

    def tell(self, value: object) -> None:
        """Pass a task's note on, after the progress that came before it."""
        with self._saying:
            self._tell_progress()
            self._connection.send(Note(value))

    def _tell_progress(self) -> None:
        for activity, (objects, size) in self._untold.items():
            self._connection.send(Progress(activity, objects, size))
        self._untold = {}
        self._told = monotonic()


def _answer(task: Task, wish: Event) -> Done | Failed:
    try:
        with interrupted_by(wish):
            return Done(task.function(*task.arguments))
    except BaseException as error:  # noqa: BLE001 - whoever gave the task gets it
        return Failed(_portable(error))


def _portable(error: BaseException) -> BaseException:
    """The error as it can be sent: with its traceback as text, and without what can't be sent."""
    error.add_note("".join(traceback.format_exception(error)).rstrip())
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made right here
    except Exception:  # noqa: BLE001 - anything can be wrong with somebody's exception
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def main() -> NoReturn:
    """Serve whoever is at the other end of the connection."""
    connection, module = sys.argv[1:]
    # Whoever asks a whole service to end sends these to each of its processes. This one ends with the command,
    # which first lets it end its requests and its journal.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    startup.begin()
    # Now, so that it is there when the first task comes.
    importlib.import_module(module)
    startup.finish()
    global _worker
    _worker = _Worker(Connection(int(connection)))
    _worker.serve()
