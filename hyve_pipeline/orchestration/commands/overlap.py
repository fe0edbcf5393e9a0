"""Several runs of this process at the same time, so that the next shard's objects fill the gap at a shard's end.

Dagster does not expect that of one process. Two runs in two threads come to a standstill: one configures Python's
logging for its run, which takes the lock of `logging` and then those of all handlers, while the other holds the
lock of a handler, in which it writes an event, and SQLAlchemy there asks for the lock of `logging`. So only one
run at a time is in Dagster's hands, and lets the others have their turn while its own work goes on. That work is
nearly all of the time.

Signals interrupt the main thread, which waits here. It asks the runs to end, as the UI's button does, so they end
as canceled.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from time import monotonic

import dagster as dg

from hyve_pipeline.core.runtime.interruption import interrupted_by
from hyve_pipeline.orchestration.commands.inprocess import RunOutcome

# After an interrupt, runs get this long to end: what is in flight is waited for, and then journaled.
_END_SECONDS = 20.0

# Makes one run to its end; it hands the run's id on when it begins.
RunMaker = Callable[[Callable[[str], None]], RunOutcome]

_turn: ContextVar["Lock | None"] = ContextVar("turn", default=None)
_sharers: ContextVar[int] = ContextVar("sharers", default=1)


@contextmanager
def out_of_turn() -> Iterator[None]:
    """Let other runs have their turn with Dagster while this one works without."""
    turn = _turn.get()
    if turn is None:
        yield
        return
    turn.release()
    try:
        yield
    finally:
        turn.acquire()


def share_of(number: int) -> int:
    """This run's share of a number of things that all runs that overlap have together, at least one."""
    return max(1, number // _sharers.get())


def run_overlapping(
    instance: dg.DagsterInstance,
    makers: Sequence[RunMaker],
    most: int,
    is_last: Callable[[RunOutcome], bool],
    sharers: int | None = None,
) -> list[RunOutcome]:
    """Make runs, in their order, at most `most` of them at the same time.

    Args:
        instance: Dagster's storage.
        makers: make one run each.
        most: how many go on at the same time.
        is_last: whether no further run is to begin, after one that came to this.
        sharers: how many of them work at the same time, see `share_of`; by default all that go on.

    Returns:
        What the runs came to that were begun, in their order.

    Raises:
        KeyboardInterrupt: this thread was interrupted; the runs that went on are canceled.
    """
    count = min(most, len(makers))
    lanes = _Lanes(instance, makers, is_last, sharers or count)
    try:
        lanes.run(count)
    except KeyboardInterrupt:
        lanes.cancel()
        raise
    return lanes.outcomes()


class _Lanes:
    """Threads that each make one run after the other."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        makers: Sequence[RunMaker],
        is_last: Callable[[RunOutcome], bool],
        sharers: int,
    ) -> None:
        self._instance = instance
        self._is_last = is_last
        self._sharers = sharers
        self._left = deque(enumerate(makers))
        self._turn = Lock()
        self._stop = Event()
        self._begun: dict[int, str] = {}
        self._outcomes: dict[int, RunOutcome] = {}
        self._failures: list[BaseException] = []
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._running = 0

    def run(self, lanes: int) -> None:
        """Make all runs."""
        for number in range(lanes):
            # A daemon, so that a run that does not end when it is asked to can't keep the process from ending.
            thread = Thread(target=copy_context().run, args=(self._drive,), name=f"run-{number}", daemon=True)
            self._running += 1
            thread.start()
        while self._running:
            self._await_one()

    def _await_one(self) -> None:
        self._ended.get()
        self._running -= 1

    def outcomes(self) -> list[RunOutcome]:
        """What came of the runs; raises what was raised in place of an outcome."""
        if self._failures:
            raise self._failures[0]
        return [outcome for _, outcome in sorted(self._outcomes.items())]

    def _drive(self) -> None:
        _turn.set(self._turn)
        _sharers.set(self._sharers)
        try:
            with interrupted_by(self._stop):
                while not self._stop.is_set():
                    with self._turn:
                        # Looked at only now: while this lane waited for its turn, another may have taken the last.
                        if not self._left:
                            break
                        number, maker = self._left.popleft()
                        outcome = maker(lambda run_id: self._begun.__setitem__(number, run_id))  # noqa: B023
                        self._outcomes[number] = outcome
                        if self._is_last(outcome):
                            self._left.clear()
        except BaseException as error:  # noqa: BLE001 - the thread that waits gets it
            self._failures.append(error)
            self._left.clear()
        finally:
            self._ended.put(None)

    def cancel(self) -> None:
        """Ask the runs to end, and wait for that for a while."""
        deadline = monotonic() + _END_SECONDS
        self._left.clear()
        # First the request, then the interrupt: a run that was not asked to end calls an interrupt a failure.
        self._report(self._instance.report_run_canceling, deadline)
        self._stop.set()
        while self._running and (left := deadline - monotonic()) > 0:
            try:
                self._ended.get(timeout=left)
            except Empty:
                break
            self._running -= 1
        self._report(self._instance.report_run_canceled, deadline)

    def _report(self, report: Callable[[dg.DagsterRun], object], deadline: float) -> None:
        if not self._turn.acquire(timeout=max(0.0, deadline - monotonic())):
            return
        try:
            for run_id in self._begun.values():
                run = self._instance.get_run_by_id(run_id)
                if run is not None and not run.is_finished:
                    report(run)
        finally:
            self._turn.release()
