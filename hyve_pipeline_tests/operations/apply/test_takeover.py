"""Two processes and one shard, with the state in a bucket: one is paused or killed, and the other takes over."""

import pickle
import signal
import subprocess
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import unquote

import pytest

from hyve_pipeline.core.model.journal import Outcome, ShardState
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.apply.join import join_plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.undo import undo_plan
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.forks import fork_code
from hyve_pipeline_tests.operations.applying import planned, rows_of
from hyve_pipeline_tests.places import MakeBucket
from hyve_pipeline_tests.processes import start_hyve
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.state.holders import FAST
from hyve_pipeline_tests.syncs import MakePair, Pair, next_second

pytestmark = pytest.mark.parametrize("state_kind", ["s3"], indirect=True)

_APPLY = """
import pickle, sys
from base64 import b64decode
from hyve_pipeline.operations.apply.loop import apply_plan
context, plan_id, action = pickle.loads(b64decode(sys.argv[1]))
status = apply_plan(context, context.plans.load(plan_id), action)
print(status.state)
"""

_OBJECTS = 40
_PASSED = 10
_IN_FLIGHT = 8


@contextmanager
def _process(context: SyncContext, plan: Plan, action: str) -> Iterator["subprocess.Popen[str]"]:
    argument = b64encode(pickle.dumps((context, plan.id, action))).decode()
    with fork_code(_APPLY, argument, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


class _Gate:
    """Lets some writes to the store through, and holds back those after until they are released."""

    def __init__(self, server: FaultyServer, operation: str) -> None:
        self.passed = 0
        self.held: list[str] = []
        self.is_open = False
        self.released = threading.Event()
        self.written: Counter[str] = Counter()
        self._operation = operation
        self._lock = threading.Lock()
        self._server = server
        server.fault = self

    def __call__(self, received: Received) -> Answer | None:
        if received.method != self._operation:
            return None
        key = unquote(received.path)
        with self._lock:
            self.written[key] += 1
            self.passed += 1
            if self.is_open or self.passed <= _PASSED:
                return None
            self.held.append(key)
        self.released.wait(90)
        return None

    def wait_for_held(self, count: int) -> None:
        """Wait until so many requests are held back: no other is between its check and the server."""
        deadline = time.monotonic() + 90
        while len(self.held) < count:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def _finished(context: SyncContext, plan: Plan, action: str) -> bool:
    assert action in ("copy", "delete")
    status = join_plan(context, plan, action, until_done=True, poll_seconds=0.2)
    return not status.unfinished(action)


def _fast(pair: Pair, **options: object) -> SyncContext:
    return replace(pair.context(**options), claim_times=FAST)


def test_what_a_paused_process_did_counts_and_it_does_no_more(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number:03d}": b"%d" % number for number in range(_OBJECTS)})
    next_second()  # a copy of the same second could be an older object, and is made again
    context = _fast(pair, concurrency=_IN_FLIGHT, transport="botocore", processes=1)
    plan = planned(context)
    gate = _Gate(faulty, "PUT")
    with _process(context, plan, "copy") as process:
        gate.wait_for_held(_IN_FLIGHT)
        process.send_signal(signal.SIGSTOP)
        gate.is_open = True
        assert _finished(context, plan, "copy")
        before = gate.passed
        gate.released.set()  # what was in flight arrives late
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=90)
    assert (out, err) == ("finished\n", "")
    assert gate.passed == before, "it wrote something after it was taken over"
    assert pair.store.read() == pair.source.read()
    in_flight = set(gate.held)
    assert {key for key, times in gate.written.items() if times > 1} <= in_flight

    journal = ShardJournal(context.state, plan.id, plan.shards[0])
    attempts = [name for name in context.state.names(f"journals/{plan.id}/0001") if name.isdecimal()]
    assert len(attempts) >= 2
    rows = rows_of(context, plan)
    assert len(rows) == _OBJECTS
    assert {row.outcome for row in rows.values()} == {Outcome.DONE}
    state, summary = journal.latest()
    assert state is ShardState.FINISHED
    assert summary is not None
    assert (summary.tally.done, summary.attempt) == (_OBJECTS, 2)
    # The first attempt journaled all that it did.
    first = context.state.entries(f"journals/{plan.id}/0001/0001")
    assert [entry.name for entry in first if entry.name.endswith(".parquet")]


def test_a_paused_delete_is_undone_too(make_pair: MakePair, faulty: FaultyServer, make_bucket: MakeBucket) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"kept": b"1"})
    pair.store.put({f"{number:03d}": b"%d" % number for number in range(_OBJECTS)})
    before = pair.store.read()
    options = {"trash": f"s3://{make_bucket('trash')}/", "max_deletes": "100%"}
    context = _fast(pair, transport="botocore", **options)
    plan = planned(context)
    assert _finished(context, plan, "copy")
    gate = _Gate(faulty, "POST")
    gate.passed = _PASSED
    with _process(context, plan, "delete") as process:
        gate.wait_for_held(1)
        process.send_signal(signal.SIGSTOP)
        gate.is_open = True
        gate.released.set()  # the request is done, and its answer waits for the process
        assert _finished(context, plan, "delete")
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=90) == ("finished\n", "")
    assert pair.store.keys() == ["kept"]
    rows = [row for row in rows_of(context, plan).values() if row.action == "delete"]
    assert len(rows) == _OBJECTS
    assert {row.outcome for row in rows} == {Outcome.DONE}
    undo_plan(context, plan, "an undo")
    assert pair.store.read() == before | {"kept": b"1"}


def test_two_deletes_at_once_journal_nothing_wrong(make_pair: MakePair, make_bucket: MakeBucket) -> None:
    options = {"trash": f"s3://{make_bucket('trash')}/", "max_deletes": "100%", "shard_objects": 10}
    pair = make_pair(**options)
    pair.source.put({"kept": b"1"})
    next_second()
    pair.store.take_from(pair.source, ["kept"])
    pair.store.put({f"{number:03d}": b"%d" % number for number in range(_OBJECTS)})
    before = pair.store.read()
    context = pair.context(**options)
    plan = planned(context)
    processes = [start_hyve("delete", "--home", str(pair.home)) for _ in range(2)]
    codes = [process.wait(120) for process in processes]
    messages = [process.communicate()[1] for process in processes]
    # One that finds shards with the other says so, and ends with 1.
    assert set(codes) <= {0, 1}, messages
    assert _finished(context, plan, "delete")
    rows = rows_of(context, plan)
    assert len(rows) == _OBJECTS
    assert {(row.outcome, row.code) for row in rows.values()} == {(Outcome.DONE, None)}
    assert pair.store.keys() == ["kept"]
    undo_plan(context, plan, "an undo")
    assert pair.store.read() == before
