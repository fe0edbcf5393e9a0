"""Work in processes beside this one, where one core is the limit.

Python runs one thread at a time, so however many requests a process has in flight, one core prepares them all and
reads all answers. Processes of their own share nothing but the files of the sync: each has its own connections,
and the locks and journals of whatever it works on, as if a person had started it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any, TypeVar, TypeVarTuple, cast

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.model.plan import Plan, Shard
from hyve_pipeline.core.runtime.interruption import deferring_interrupts, raise_if_interrupted
from hyve_pipeline.core.runtime.progress import report
from hyve_pipeline.core.settings.model import GIB, Options
from hyve_pipeline.operations.workers.worker import Done, Failed, Interrupt, Note, Progress, Task

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Not `-m`: a module that is run has another name than one that is imported, and so have the messages in it. What
# can be imported is what this process can import.
_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from hyve_pipeline.operations.workers.worker import main; main()"
)

# A process needs most of a second of a core to begin, in which it could have made some 1,500 copies.
_COPIES_WORTH_A_PROCESS = 5_000

# What goes through a process takes some seconds of a core for so many bytes, most of them to be hashed.
_STREAMED_BYTES_WORTH_A_PROCESS = GIB

# One process that lists two buckets keeps 1.4 cores busy: most of the work on a page is not Python's. So two of them
# pay only where there are more cores than two, and only for listings of many seconds.
_OBJECTS_WORTH_A_PROCESS = 2_000_000
_CORES_FOR_TWO_LISTINGS = 4

# Amazon S3 takes 3,500 writes a second below one prefix, before it has cut it in two:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
# Four processes make more than that.
_MOST_PROCESSES = 4

# How often a thread that waits looks whether it is meant to end.
_LOOK_UP_SECONDS = 0.05

# After an interrupt, a worker gets this long to end its task: what is in flight, and then the journal.
_END_SECONDS = 15.0

# A worker that has nothing to do ends at once when it is left.
_LEAVE_SECONDS = 5.0


def usable_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processes_for(plan: Plan, shards: Sequence[Shard]) -> int:
    """How many processes are to do some of a plan's copy shards; 1 means that this one does them."""
    wanted = plan.options.processes
    if wanted is not None:
        return max(1, min(wanted, len(shards)))
    worthwhile = sum(shard.objects for shard in shards) * plan.transfer.cost / _COPIES_WORTH_A_PROCESS
    if plan.transfer.by == "stream":
        worthwhile += sum(shard.bytes for shard in shards) / _STREAMED_BYTES_WORTH_A_PROCESS
    return max(1, min(usable_cores(), len(shards), int(worthwhile), _MOST_PROCESSES))


def is_worth_two_processes(options: Options, objects: int) -> bool:
    """Whether two listings of so many objects in all are done sooner by a process each."""
    if options.processes is not None:
        return options.processes > 1
    return usable_cores() >= _CORES_FOR_TWO_LISTINGS and objects >= _OBJECTS_WORTH_A_PROCESS


class WorkerProcess:
    """A process that does one task at a time for this one. It ends with this one, however that ends.

    Args:
        module: where most functions are that it will be asked to call; it is loaded at once.
    """

    def __init__(self, module: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
                [sys.executable, "-P", "-c", _BEGIN, str(theirs.fileno()), module, json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # A terminal's Ctrl-C is for this process alone, which then says what is to end, see `worker.main`.
                process_group=0,
            )
        self._connection = Connection(ours.detach())

    @property
    def connection(self) -> Connection:
        """Where it sends what it has to say."""
        return self._connection

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Let the process call a function of a module, wait for that, and pass its progress on.

        Raises:
            HyveError: the process came to its end meanwhile.
            KeyboardInterrupt: this thread is to end; the process was told so, and has ended its task.
            BaseException: what the function raised.
        """
        try:
            self._connection.send(Task(function, arguments))
            try:
                answer = self._answer(raise_if_interrupted)
            except KeyboardInterrupt:
                self._interrupt()
                raise
        except (EOFError, OSError) as error:
            raise HyveError(self.end()) from error
        if isinstance(answer, Failed):
            raise answer.error
        return answer.value

    def _answer(self, look_up: Callable[[], None]) -> Done | Failed:
        while True:
            look_up()
            if not self._connection.poll(_LOOK_UP_SECONDS):
                continue
            message = self._connection.recv()
            if isinstance(message, Progress):
                report(message.activity, message.objects, message.size)
            elif not isinstance(message, Note):
                return message

    def _interrupt(self) -> None:
        """Tell the process to end its task, and wait until it has."""
        deadline = monotonic() + _END_SECONDS

        def look_up() -> None:
            if monotonic() > deadline:
                raise TimeoutError

        self._connection.send(Interrupt())
        with suppress(TimeoutError):
            self._answer(look_up)

    def end(self) -> str:
        """How the process ended, which has ended by itself, in words."""
        self.close()
        code = self._process.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"process {self.pid}, which worked for this command, {how}; what it did is in the journal, run it again"

    def close(self) -> None:
        """Leave the process, which then ends; should it not, it is killed."""
        self._connection.close()
        try:
            self._process.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def run_in_processes(
    count: int, function: Callable[..., object], arguments: Sequence[object], on_note: Callable[[Any], None]
) -> None:
    """Let so many processes call a function of a module, all with the same arguments, and wait until all have returned.

    Args:
        count: how many processes.
        function: what each calls; it passes notes on by `worker.tell`.
        arguments: what it is given.
        on_note: gets each note, in this thread.

    Raises:
        HyveError: a process came to its end meanwhile; the others were let go on to their own end.
        KeyboardInterrupt: this thread is to end; the processes were told so, and have ended what they did.
        BaseException: what the function raised in one of them; the others were told to end then.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(closing(WorkerProcess(function.__module__))) for _ in range(count)]
        team = _Team(workers, on_note)
        # A signal may come in the midst of a message.
        with deferring_interrupts():
            try:
                team.give(Task(function, tuple(arguments)))
                while team.is_working:
                    raise_if_interrupted()
                    team.hear()
            except BaseException:
                team.interrupt(_END_SECONDS)
                raise
        if team.failures:
            raise team.failures[0]


class _Team:
    """Some processes that do the same task, each a part of it."""

    def __init__(self, workers: Sequence[WorkerProcess], on_note: Callable[[Any], None]) -> None:
        self.failures: list[BaseException] = []
        self._working = {worker.connection: worker for worker in workers}
        self._on_note = on_note

    @property
    def is_working(self) -> bool:
        """Whether any has not ended yet."""
        return bool(self._working)

    def give(self, message: Task | Interrupt) -> None:
        """Send to each of those that work."""
        for connection in list(self._working):
            try:
                connection.send(message)
            except OSError:
                self._lost(connection)

    def hear(self) -> None:
        """Take in what the processes say, for a moment."""
        for ready in wait(list(self._working), _LOOK_UP_SECONDS):
            connection = cast(Connection, ready)
            try:
                message = connection.recv()
            except (EOFError, OSError):
                self._lost(connection)
                continue
            match message:
                case Progress():
                    report(message.activity, message.objects, message.size)
                case Note():
                    self._on_note(message.value)
                case Failed():
                    del self._working[connection]
                    self.failures.append(message.error)
                    self.give(Interrupt())
                case _:
                    del self._working[connection]

    def interrupt(self, seconds: float) -> None:
        """Tell all to end, and wait for that so long."""
        deadline = monotonic() + seconds
        self.give(Interrupt())
        while self._working and monotonic() < deadline:
            self.hear()

    def _lost(self, connection: Connection) -> None:
        self.failures.append(HyveError(self._working.pop(connection).end()))
