"""Runs work in worker processes, where one core is the limit.

Python runs one thread at a time, so one core prepares all requests of a process and reads all responses. Worker
processes share only the files of the sync: each has its own connections, locks and journals, like a command that was
started separately.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any, TypeVar, TypeVarTuple, cast

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.base.sizes import GIB
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.core.runtime.cpu_profile import running_profile
from hyve_pipeline.core.runtime.interruption import deferring_interrupts, raise_if_interrupted
from hyve_pipeline.core.runtime.log import shown_level
from hyve_pipeline.core.runtime.progress import listener, report
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.workers.worker import Failed, Interrupt, Note, Profile, Progress, Report, Task

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Not `-m`: a module that is run is named `__main__`, and so are the classes of its messages. The worker gets this
# process's import path.
_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from hyve_pipeline.operations.workers.worker import main; main()"
)

# Starting a process takes most of a second of a core, enough for some 1,500 copies.
_COPIES_WORTH_A_PROCESS = 5_000

# Streaming so many bytes takes some seconds of a core, mostly for hashes.
_STREAMED_BYTES_WORTH_A_PROCESS = GIB

# One process that lists two buckets uses 1.4 cores: most of the work on a page is native code. So two processes pay
# off only with more than two cores, and for listings of many seconds.
_OBJECTS_WORTH_A_PROCESS = 2_000_000
_CORES_FOR_TWO_LISTINGS = 4

# Amazon S3 accepts 3,500 writes a second per prefix until it has partitioned it:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
# Four processes send more than that.
_MOST_PROCESSES = 4

# How often a waiting thread checks whether it is interrupted.
_POLL_SECONDS = 0.05

# An idle worker ends at once when its connection is closed.
_CLOSE_SECONDS = 5.0


def usable_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processes_for(plan: Plan, shards: Sequence[Shard]) -> int:
    """How many processes to use for some copy shards of a plan; 1 means this process alone."""
    wanted = plan.options.processes
    if wanted is not None:
        return max(1, min(wanted, len(shards)))
    worthwhile = sum(shard.objects for shard in shards) * plan.transfer.cost / _COPIES_WORTH_A_PROCESS
    if plan.transfer.by == "stream":
        worthwhile += sum(shard.bytes for shard in shards) / _STREAMED_BYTES_WORTH_A_PROCESS
    return max(1, min(usable_cores(), len(shards), int(worthwhile), _MOST_PROCESSES))


def is_worth_two_processes(options: Options, objects: int) -> bool:
    """Whether two listings of so many objects in all are faster with a process each."""
    if options.processes is not None:
        return options.processes > 1
    return usable_cores() >= _CORES_FOR_TWO_LISTINGS and objects >= _OBJECTS_WORTH_A_PROCESS


class WorkerProcess(Closing):
    """A worker process that does one task at a time. It ends when this process ends, even if that is killed.

    Args:
        module: a module that it imports at once, with the functions that it will call.
        end_seconds: after an interrupt, it gets so long to end its task: requests in flight, then the journal.

    Attributes:
        connection: the connection that it sends its messages on.
        end_seconds: as given.
    """

    def __init__(self, module: str, end_seconds: float = 15.0) -> None:
        self.end_seconds = end_seconds
        ours, theirs = socket.socketpair()
        # The worker logs to the standard error of this process, and as much; and takes a profile if this one does.
        profile = "profile" if running_profile() is not None else ""
        arguments = [str(theirs.fileno()), module, str(shown_level() or ""), profile]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
                [sys.executable, "-P", "-c", _BEGIN, *arguments, json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # A terminal's Ctrl-C goes to this process alone, which then interrupts the worker, see `worker.main`.
                process_group=0,
            )
        self.connection = Connection(ours.detach())

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Let the process call a function of a module, wait for the result, and report its progress here.

        Raises:
            HyveError: the process ended before the function returned.
            KeyboardInterrupt: this thread was interrupted; the process was interrupted too, and ended its task.
            BaseException: what the function raised.
        """
        return _run([self], Task(function, arguments), lambda _: None)[0]

    def describe_end(self) -> str:
        """Close the connection to a process that ended unexpectedly, and describe how it ended."""
        self.close()
        code = self._process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"worker process {self.pid} {how}; its outcomes are in the journal: run the command again"

    def close(self) -> None:
        """Close the connection, so that the process ends; kill it if it does not."""
        self.connection.close()
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def run_in_processes(
    count: int, function: Callable[..., object], arguments: Sequence[object], on_note: Callable[[Any], None]
) -> None:
    """Let some processes call a function of a module with the same arguments, and wait until all have returned.

    Args:
        count: how many processes.
        function: what each calls; it sends notes by `worker.send_note`.
        arguments: the arguments.
        on_note: gets each note, in this thread.

    Raises:
        HyveError: a process ended before the function returned; the others were allowed to finish.
        KeyboardInterrupt: this thread was interrupted; the processes were interrupted too, and have ended.
        BaseException: what the function raised in one of them; the others were interrupted.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(WorkerProcess(function.__module__)) for _ in range(count)]
        _run(workers, Task(function, tuple(arguments)), on_note)


def _run(workers: Sequence[WorkerProcess], task: Task, on_note: Callable[[Any], None]) -> list[Any]:
    """Let each worker do a task, and wait until all have ended it.

    Returns:
        What the function returned, in the order of the endings.

    Raises:
        BaseException: see `run_in_processes`.
    """
    team = _Team(workers, on_note)
    # A signal may come in the middle of a message.
    with deferring_interrupts():
        try:
            team.send(task)
            while team.is_working:
                raise_if_interrupted()
                team.receive()
        except BaseException:
            team.interrupt(max(worker.end_seconds for worker in workers))
            raise
    if team.failures:
        raise team.failures[0]
    return team.values


class _Team:
    """Processes that share one task."""

    def __init__(self, workers: Sequence[WorkerProcess], on_note: Callable[[Any], None]) -> None:
        self.failures: list[BaseException] = []
        self.values: list[Any] = []
        self._working = {worker.connection: worker for worker in workers}
        self._on_note = on_note

    @property
    def is_working(self) -> bool:
        """Whether any has not ended its task."""
        return bool(self._working)

    def send(self, message: Task | Interrupt) -> None:
        """Send a message to each working process."""
        for connection in list(self._working):
            try:
                connection.send(message)
            except OSError:
                self._lost(connection)

    def receive(self) -> None:
        """Receive messages for a moment."""
        for ready in wait(list(self._working), _POLL_SECONDS):
            connection = cast(Connection, ready)
            try:
                message = connection.recv()
            except (EOFError, OSError):
                self._lost(connection)
                continue
            match message:
                case Progress():
                    report(message.activity, message.objects, message.size)
                case Report():
                    message.repeat(listener())
                case Profile():
                    if (profile := running_profile()) is not None:
                        profile.merge(message.times)
                case Note():
                    self._on_note(message.value)
                case Failed():
                    del self._working[connection]
                    self.failures.append(message.error)
                    self.send(Interrupt())
                case _:
                    del self._working[connection]
                    self.values.append(message.value)

    def interrupt(self, seconds: float) -> None:
        """Interrupt all, and wait so long for them to end."""
        deadline = monotonic() + seconds
        self.send(Interrupt())
        while self._working and monotonic() < deadline:
            self.receive()

    def _lost(self, connection: Connection) -> None:
        self.failures.append(HyveError(self._working.pop(connection).describe_end()))
