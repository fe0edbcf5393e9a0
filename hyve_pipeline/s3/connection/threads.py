"""Threads for requests: some at most, made when they are needed, and none that keeps the process from ending.

The threads of a `ThreadPoolExecutor` are waited for when the interpreter ends, also one whose server sends a byte a
second, for ever.
"""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

Job = Callable[[], None]


class Threads:
    """Runs jobs in the order they came, on at most so many threads."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[tuple[Job, Job] | None] = SimpleQueue()
        self._count = 0
        self._idle = 0
        self._is_closed = False

    def do(self, job: Job, cancel: Job) -> None:
        """Run a job as soon as a thread is free, or `cancel` if `close` is called before. Neither may raise.

        Raises:
            RuntimeError: it is closed.
        """
        with self._lock:
            if self._is_closed:
                raise RuntimeError(f"{self._name} is closed")
            self._jobs.put((job, cancel))
            if self._idle:
                self._idle -= 1
            elif self._count < self._most:
                self._count += 1
                threading.Thread(target=self._run, name=f"{self._name}-{self._count}", daemon=True).start()

    def close(self) -> None:
        """Begin no further job; those that run go on. Calling it again does nothing."""
        with self._lock:
            self._is_closed = True
        try:
            while (waiting := self._jobs.get_nowait()) is not None:
                waiting[1]()
        except Empty:
            pass
        self._jobs.put(None)

    def _run(self) -> None:
        while self._run_next():
            with self._lock:
                self._idle += 1
        self._jobs.put(None)

    def _run_next(self) -> bool:
        # In a frame of its own: one that waits for the next job must not keep the last one, which has the content of a
        # part, alive meanwhile.
        waiting = self._jobs.get()
        if waiting is None:
            return False
        waiting[0]()
        return True
