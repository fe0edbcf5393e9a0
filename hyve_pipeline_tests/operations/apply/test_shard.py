"""Doing the shards of a plan: exactly what is planned, once, and each outcome in the journal."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from hyve_pipeline.core.base.errors import BucketError, HyveError, RefusedError
from hyve_pipeline.core.model.journal import AttemptSummary, ShardState
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.core.runtime.progress import Listener, listening
from hyve_pipeline.operations.apply.shard import apply_shard, check_allowed
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import apply, copied_keys, is_copy_of, outcomes, planned, rows_of
from hyve_pipeline_tests.s3.keys import ODD_KEYS, XML_KEYS
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import MakePair, Pair, next_second


def test_a_shard_is_done_and_nothing_else(pair: Pair) -> None:
    pair.source.put({f"{number}": b"new" for number in range(6)}, ContentType="text/x-test", Metadata={"a": "b"})
    pair.store.put({"4": b"older", "gone": b"1"})
    context = pair.context(shard_objects=3)
    plan = planned(context)
    before = pair.store.listing()

    summary = apply_shard(context, plan, plan.shards[1], "a run")
    assert (summary.tally.done, summary.tally.bytes, summary.attempt, summary.run_id) == (3, 9, 1, "a run")
    assert set(pair.store.listing()) == {"3", "4", "5", "gone"}
    assert pair.store.listing()["gone"] == before["gone"]
    assert pair.store.carried(["3", "4", "5"]) == pair.source.carried(["3", "4", "5"])

    source, rows = pair.source.listing(), rows_of(context, plan)
    assert set(rows) == {"3", "4", "5"}
    for key, row in rows.items():
        assert (row.action, row.outcome.value, row.bytes, row.attempts) == ("copy", "done", 3, 1)
        assert row.etag_after == source[key][1].strip('"')
    assert rows["4"].etag_before == before["4"][1].strip('"')
    assert [entry.state for entry in plan_status(context, plan).shards] == [
        ShardState.PENDING,
        ShardState.FINISHED,
        ShardState.PENDING,
    ]


@pytest.mark.parametrize("transport", ["crt", "botocore"])
def test_every_odd_key_is_copied_and_deleted_by_either_transport(transport: str, pair: Pair) -> None:
    pair.source.put(dict.fromkeys(ODD_KEYS, b"1"))
    pair.store.put({f"{key}!": b"1" for key in XML_KEYS} | dict.fromkeys(ODD_KEYS[::3], b"old"))
    context = pair.context(transport=transport)
    plan = planned(context)
    copies, deletes = apply(context, plan, "copy"), apply(context, plan, "delete")
    assert [summary.tally.done for summary in (*copies, *deletes)] == [len(ODD_KEYS), len(XML_KEYS)]
    assert pair.store.read() == pair.source.read()


def test_a_finished_shard_is_not_done_again(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1", "b": b"2"})
    context = pair.context(concurrency=8)
    plan = planned(context)
    (first,) = apply(context, plan, "copy")
    faulty.received.clear()
    assert apply(context, plan, "copy") == [first]
    assert faulty.received == []


def test_what_changed_or_vanished_since_the_plan_is_skipped(pair: Pair) -> None:
    pair.source.put({"changed": b"1", "vanished": b"1", "plain": b"1", "archived": b"1"})
    pair.store.put({"changed": b"older", "back": b"1", "replaced": b"1", "gone": b"1", "deleted": b"1"})
    context = pair.context()
    plan = planned(context)
    pair.source.put({"changed": b"22", "back": b"1"})
    pair.source.put({"archived": b"1"}, StorageClass="GLACIER")
    pair.source.delete("vanished")
    pair.store.put({"replaced": b"22"})
    pair.store.delete("deleted")
    apply(context, plan, "copy", "delete")
    assert outcomes(context, plan) == {
        "changed": ("skipped", "ChangedSincePlan"),
        "vanished": ("skipped", "ChangedSincePlan"),
        "archived": ("skipped", "Archived"),
        "plain": ("done", None),
        "back": ("skipped", "BackInSource"),
        "replaced": ("skipped", "ChangedSincePlan"),
        "deleted": ("done", "AlreadyGone"),
        "gone": ("done", None),
    }
    assert pair.store.read() == {"changed": b"older", "plain": b"1", "back": b"1", "replaced": b"22"}
    status = plan_status(context, plan)
    assert (status.changed("copy"), status.changed("delete")) == (2, 2)
    assert all(row.detail for row in rows_of(context, plan).values() if row.outcome.value == "skipped")


def test_one_key_that_fails_does_not_keep_the_others(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number:02d}": b"1" for number in range(20)})
    pair.store.put({"gone": b"1"})
    context = pair.context(concurrency=4)
    plan = planned(context)
    faulty.fault = lambda received: error_answer(403, "AccessDenied") if is_copy_of(received, "/07", "/13") else None
    (summary,) = apply(context, plan, "copy")
    assert (summary.tally.done, summary.tally.failed, summary.failures) == (18, 2, {"AccessDenied": 2})
    assert summary.state is ShardState.FAILED
    with pytest.raises(RefusedError, match="copies_first"):
        apply(context, plan, "delete")
    assert set(pair.store.listing()) == {f"{number:02d}" for number in range(20) if number not in (7, 13)} | {"gone"}

    faulty.fault = lambda _: None
    faulty.received.clear()
    (summary,) = apply(context, plan, "copy")
    assert (summary.attempt, summary.tally.done, summary.tally.failed, summary.tally.bytes) == (2, 20, 0, 20)
    assert copied_keys(faulty.received) == ["07", "13"]
    apply(context, plan, "delete")
    assert pair.store.read() == pair.source.read()


def test_failures_that_pass_are_tried_again_and_counted(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1", "b": b"1"})
    context = pair.context(concurrency=4, transport="botocore")
    plan = planned(context)
    left = [2]

    def busy(received: Received) -> Answer | None:
        if is_copy_of(received, "/b") and left[0]:
            left[0] -= 1
            return error_answer(503, "SlowDown")
        return None

    faulty.fault = busy
    (summary,) = apply(context, plan, "copy")
    assert left == [0]
    assert (summary.tally.done, summary.tally.failed) == (2, 0)
    assert {key: row.attempts for key, row in rows_of(context, plan).items()} == {"a": 1, "b": 3}


@pytest.mark.parametrize("side", ["source", "store"])
def test_a_bucket_out_of_reach_is_one_failure_and_no_outcome(
    side: str, make_pair: MakePair, faulty: FaultyServer
) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1"})
    context = pair.context(concurrency=4)
    plan = planned(context)
    name = getattr(pair, side).name
    faulty.fault = lambda received: error_answer(404, "NoSuchBucket") if received.path == f"/{name}" else None
    with pytest.raises(BucketError, match=name):
        apply(context, plan, "copy")
    assert rows_of(context, plan) == {}
    faulty.fault = lambda _: None
    assert [summary.tally.done for summary in apply(context, plan, "copy")] == [1]


def test_rules_are_judged_before_anything_is_done(pair: Pair) -> None:
    pair.source.put({"a": b"newer", "new": b"1"})
    pair.store.put({"a": b"old", "gone": b"1"})
    context = pair.context(max_deletes="0", max_overwrites="0")
    plan = planned(context)
    rules: dict[Action, str] = {"copy": "max_overwrites", "delete": "max_deletes"}
    for action, rule in rules.items():
        with pytest.raises(RefusedError, match=rule):
            check_allowed(context, plan, action)
        with pytest.raises(RefusedError, match=rule):
            apply(context, plan, action)
    assert pair.store.read() == {"a": b"old", "gone": b"1"}
    assert all(entry.state is ShardState.PENDING for entry in plan_status(context, plan).shards)


def test_a_shard_is_done_by_one_at_a_time(pair: Pair) -> None:
    pair.source.put({"a": b"1"})
    context = pair.context()
    plan = planned(context)
    with ShardJournal(context.state, plan.id, plan.shards[0]).claimed(context.actor):
        with pytest.raises(RefusedError, match="one_at_a_time"):
            apply(context, plan, "copy")
        assert pair.store.keys() == []
    assert [summary.tally.done for summary in apply(context, plan, "copy")] == [1]


def test_a_server_that_is_asked_too_much_is_asked_less(
    make_pair: MakePair, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number:03d}": b"1" for number in range(150)})
    context = pair.context(concurrency=32, patience_seconds=60)
    plan = planned(context)
    windows: list[Window] = []
    limits: list[int] = []
    lock = threading.Lock()
    now = 0

    def window(ceiling: int, refusals: Callable[[], int]) -> Window:
        windows.append(Window(ceiling, refusals))
        return windows[-1]

    def busy(received: Received) -> Answer | None:
        nonlocal now
        if "x-amz-copy-source" not in received.headers:
            return None
        with lock:
            now += 1
            limits.append(windows[0].limit)
            is_refused = now > 3
        try:
            time.sleep(0.02)  # so long that the others come meanwhile
            return error_answer(503, "SlowDown") if is_refused else faulty.forward(received)
        finally:
            with lock:
                now -= 1

    monkeypatch.setattr("hyve_pipeline.operations.apply.shard.Window", window)
    faulty.fault = busy
    (summary,) = apply(context, plan, "copy")
    assert (summary.tally.done, summary.tally.failed) == (150, 0)
    assert pair.store.read() == pair.source.read()
    assert limits[0] == 32
    assert min(limits) < 24


class _Interrupter(Listener):
    """Interrupts whoever reports the n-th object."""

    def __init__(self, after: int) -> None:
        self._left = after

    def expect(self, activity: str, objects: int, size: int) -> None:
        """Nothing is expected."""

    def advance(self, activity: str, objects: int, size: int) -> None:
        self._left -= objects
        if self._left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [1, 7, 19])
def test_an_interrupt_loses_nothing_and_repeats_nothing(after: int, make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number:02d}": b"12" for number in range(20)})
    next_second()
    context = pair.context(concurrency=3)
    plan = planned(context)
    with listening(_Interrupter(after)), pytest.raises(KeyboardInterrupt):
        apply(context, plan, "copy")
    copied = set(pair.store.listing())
    assert {key for key, row in rows_of(context, plan).items() if row.outcome.value == "done"} == copied
    assert after <= len(copied) <= after + 3
    assert [entry.state for entry in plan_status(context, plan).shards] == [ShardState.STARTED]

    faulty.received.clear()
    (summary,) = apply(context, plan, "copy")
    assert (summary.attempt, summary.tally.done, summary.tally.bytes) == (2, 20, 40)
    assert copied_keys(faulty.received) == sorted(set(pair.source.listing()) - copied)
    assert pair.store.read() == pair.source.read()


_KILLED = """
import os, signal, sys
from pathlib import Path
from hyve_pipeline.core.runtime.progress import Listener, listening
from hyve_pipeline.operations.apply.shard import apply_shard
from hyve_pipeline.operations.context import Home, SyncContext

class Killer(Listener):
    done = 0
    def expect(self, activity, objects, size): pass
    def advance(self, activity, objects, size):
        self.done += objects
        if self.done == 7:
            os.kill(os.getpid(), signal.SIGKILL)

context = SyncContext.choose(Home(Path(sys.argv[1])), None)
plan = context.plans.newest()
with listening(Killer()):
    apply_shard(context, plan, plan.shards[0], "a run")
"""


def test_a_killed_process_loses_nothing(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty, concurrency=2)
    pair.source.put({f"{number:02d}": b"12" for number in range(20)})
    # The store's copies are younger than what they are copies of, also in whole seconds.
    next_second()
    context = SyncContext.choose(pair.context().home, None)
    plan = planned(context)
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(pair.home)], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    copied = set(pair.store.listing())
    assert 7 <= len(copied) < 20
    assert [entry.state for entry in plan_status(context, plan).shards] == [ShardState.STARTED]

    faulty.received.clear()
    (summary,) = apply(context, plan, "copy")
    assert (summary.tally.done, summary.tally.failed, summary.tally.skipped, summary.tally.bytes) == (20, 0, 0, 40)
    # What was done but not journaled is recognised, and not done again.
    assert set(copied_keys(faulty.received)) == set(pair.source.listing()) - copied
    assert pair.store.read() == pair.source.read()


def test_shards_can_be_done_at_the_same_time(pair: Pair) -> None:
    pair.source.put({f"{number:02d}": b"1" for number in range(20)})
    context = pair.context(shard_objects=5, concurrency=4)
    plan = planned(context)
    summaries: list[AttemptSummary] = []
    threads = [
        threading.Thread(target=lambda shard=shard: summaries.append(apply_shard(context, plan, shard, "a run")))
        for shard in plan.shards
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [summary.tally.done for summary in summaries] == [5, 5, 5, 5]
    assert pair.store.read() == pair.source.read()


def _wrong_count(context: SyncContext, plan: Plan) -> Callable[[object, object], object]:
    """Reads one row less than a shard has."""
    from hyve_pipeline.operations.plan.freeze import read_shard

    return lambda *_: read_shard(context, plan, plan.shards[0]).slice(1)


def test_a_shard_with_too_few_outcomes_is_not_finished(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.source.put({"a": b"1", "b": b"1"})
    context = pair.context()
    plan = planned(context)
    with monkeypatch.context() as patched:
        patched.setattr("hyve_pipeline.operations.apply.shard.read_shard", _wrong_count(context, plan))
        with pytest.raises(HyveError, match="2 objects but 1 outcomes"):
            apply(context, plan, "copy")
    assert [entry.state for entry in plan_status(context, plan).shards] == [ShardState.STARTED]
    assert [summary.tally.done for summary in apply(context, plan, "copy")] == [2]
