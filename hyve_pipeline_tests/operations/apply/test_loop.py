"""One loop applies a plan: each free shard once, in one process or in several, and nobody else's."""

import os
import signal
import threading
import time
from collections import Counter

import pytest

from hyve_pipeline.core.base.errors import HyveError, RefusedError
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.journal import AttemptSummary, ShardState
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.runtime.progress import Listener, listening
from hyve_pipeline.operations.apply.loop import apply_plan, claim_shards
from hyve_pipeline.operations.apply.shard import apply_shard
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.s3.connection.retry_policy import RetryPolicy
from hyve_pipeline.state import journals
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.forks import begin_forks
from hyve_pipeline_tests.operations.applying import copied_keys, planned
from hyve_pipeline_tests.processes import descendants
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import MakePair, Pair

# How often one request may be sent: a machine that is busy gets to fewer within the patience.
_POLICY = RetryPolicy()


class _Endings:
    """Notes each shard that ended."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def __call__(self, shard: Shard, summary: AttemptSummary) -> None:
        assert threading.current_thread() is threading.main_thread()
        assert summary.tally.done + summary.tally.failed == shard.objects
        self.numbers.append(shard.number)


class _Progress(Listener):
    def __init__(self) -> None:
        self.expected = self.done = 0

    def expect(self, activity: str, objects: int, size: int) -> None:
        self.expected += objects

    def advance(self, activity: str, objects: int, size: int) -> None:
        self.done += objects


def _filled(pair: Pair) -> None:
    pair.source.put({f"{number:02d}": b"new" for number in range(12)})
    pair.store.put({"gone": b"1"})


def _states(context: SyncContext, plan: Plan) -> list[ShardState]:
    return [entry.state for entry in plan_status(context, plan).shards]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.both_states
def test_every_shard_is_done_once_and_told_of(processes: int, pair: Pair) -> None:
    _filled(pair)
    context = pair.context(shard_objects=2, processes=processes)
    plan = planned(context)
    endings, progress = _Endings(), _Progress()
    with listening(progress):
        status = apply_plan(context, plan, "copy", on_shard_ended=endings)
    assert sorted(endings.numbers) == [1, 2, 3, 4, 5, 6]
    assert (progress.expected, progress.done) == (12, 12)
    assert [entry.state for entry in status.shards] == [ShardState.FINISHED] * 6 + [ShardState.PENDING]
    assert status == plan_status(context, plan)
    assert {entry.run_id for entry in status.shards[:6]} == {context.actor.id}
    events = [event for event in context.events.after(0, 100) if event.kind is EventKind.SHARD_ENDED]
    assert Counter((event.shard, event.attempt) for event in events) == Counter({(n, 1): 1 for n in range(1, 7)})
    assert {(event.plan, event.actor) for event in events} == {(plan.id, context.actor)}
    assert apply_plan(context, plan, "delete").state == "finished"
    assert pair.store.read() == pair.source.read()


@pytest.mark.both_states
def test_what_another_process_works_on_is_left_to_it(pair: Pair) -> None:
    _filled(pair)
    context = pair.context(shard_objects=4, processes=1)
    plan = planned(context)
    endings = _Endings()
    with ShardJournal(context.state, plan.id, plan.shards[1]).claimed(context.actor):
        status = apply_plan(context, plan, "copy", on_shard_ended=endings)
    assert endings.numbers == [1, 3]
    assert [shard.number for shard in status.unfinished("copy")] == [2]
    apply_plan(context, plan, "copy", on_shard_ended=endings)
    assert endings.numbers == [1, 3, 2]


@pytest.mark.both_states
def test_what_another_process_has_done_meanwhile_is_left_alone(pair: Pair) -> None:
    _filled(pair)
    context = pair.context(shard_objects=4)
    plan = planned(context)
    apply_shard(context, plan, plan.shards[0], "another run")
    endings = _Endings()
    with context.applying(plan.id) as epoch:
        claim_shards(context, plan, epoch, [(shard, 0) for shard in plan.shards_of("copy")], endings)
    assert endings.numbers == [2, 3]


def test_no_request_is_sent_more_often_than_one_policy_says(make_pair: MakePair, faulty: FaultyServer) -> None:
    """Connection, object, shard and command do not multiply their tries."""
    pair = make_pair(through=faulty)
    context = pair.context(shard_objects=4, processes=1, patience_seconds=4)
    # The copy that comes first finds out what the server keeps, and is sent once more for that where it is refused.
    pair.source.put({"first": b"new"})
    apply_plan(context, planned(context), "copy")
    _filled(pair)
    plan = planned(context)
    broken = {"01": error_answer(503, "SlowDown"), "06": error_answer(403, "AccessDenied")}

    def fail(received: Received) -> Answer | None:
        return broken.get(received.path[-2:]) if "x-amz-copy-source" in received.headers else None

    faulty.fault = fail
    faulty.received.clear()
    endings = _Endings()
    status = apply_plan(context, plan, "copy", on_shard_ended=endings)
    assert endings.numbers == [1, 2, 3]
    assert status.reasons() == {"SlowDown": 1, "AccessDenied": 1}
    sent = Counter(copied_keys(faulty.received))
    assert _POLICY.fewest_sends <= sent.pop("01") <= _POLICY.most_sends
    assert set(sent.values()) == {1}
    del broken["01"]
    endings.numbers.clear()
    faulty.received.clear()
    apply_plan(context, plan, "copy", on_shard_ended=endings)
    assert (endings.numbers, copied_keys(faulty.received)) == ([1, 2], ["01", "06"])


def test_a_request_that_tries_a_condition_has_the_same_policy(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    # The first copy of a connection is sent with a condition that can't hold: here it is the only one.
    pair.source.put({"01": b"new"})
    context = pair.context(processes=1, patience_seconds=4)
    plan = planned(context)
    faulty.fault = lambda received: error_answer(503, "SlowDown") if "x-amz-copy-source" in received.headers else None
    faulty.received.clear()
    assert apply_plan(context, plan, "copy").reasons() == {"SlowDown": 1}
    assert _POLICY.fewest_sends <= len(copied_keys(faulty.received)) <= _POLICY.most_sends


@pytest.mark.both_states
def test_a_killed_process_leaves_its_shard_and_the_others_go_on(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    _filled(pair)
    context = pair.context(shard_objects=2, processes=2)
    plan = planned(context)
    killed = threading.Event()
    begin_forks()
    before = descendants(os.getpid())

    busy: set[int] = set()
    lock = threading.Lock()

    def kill_one(received: Received) -> Answer | None:
        if "x-amz-copy-source" in received.headers and not killed.is_set():
            with lock:  # one, and not the other after it
                busy.add(int(received.path[-2:]) // 2)
                if len(busy) == 2 and not killed.is_set():  # each has a shard
                    os.kill(min(descendants(os.getpid()) - before), signal.SIGKILL)
                    killed.set()
            killed.wait(60)
        return None

    faulty.fault = kill_one
    endings = _Endings()
    with pytest.raises(HyveError, match="killed by SIGKILL"):
        apply_plan(context, plan, "copy", on_shard_ended=endings)
    states = _states(context, plan)[:6]
    assert states.count(ShardState.FINISHED) == len(endings.numbers) == 5
    faulty.fault = lambda _: None
    assert apply_plan(context, plan, "copy").unfinished("copy") == []
    assert apply_plan(context, plan, "delete").state == "finished"
    assert pair.store.read() == pair.source.read()


def test_a_plan_beside_another_is_refused(pair: Pair) -> None:
    _filled(pair)
    context = pair.context()
    plan = planned(context)
    with context.applying("another"), pytest.raises(RefusedError, match="another"):
        apply_plan(context, plan, "copy")
    assert set(_states(context, plan)) == {ShardState.PENDING}


@pytest.mark.both_states
def test_deletes_wait_for_all_copies(pair: Pair) -> None:
    _filled(pair)
    context = pair.context(shard_objects=4)
    plan = planned(context)
    with pytest.raises(RefusedError, match="copies_first"):
        apply_plan(context, plan, "delete")
    assert "gone" in pair.store.listing()


def test_the_journals_of_finished_shards_are_not_read_to_delete(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their markers say enough: a plan may have two thousand."""
    pair.source.put({f"{number:02d}": b"1" for number in range(20)})
    pair.store.put({f"gone/{number:02d}": b"1" for number in range(20)})
    context = pair.context(shard_objects=1, max_deletes="100%", processes=1)
    plan = planned(context)
    apply_plan(context, plan, "copy")
    reads: list[ShardJournal] = []
    latest = ShardJournal.latest

    def counted(journal: ShardJournal) -> tuple[ShardState, AttemptSummary | None]:
        reads.append(journal)
        return latest(journal)

    monkeypatch.setattr(journals.ShardJournal, "latest", counted)
    assert apply_plan(context, plan, "delete").state == "finished"
    assert len(reads) == 20  # of each delete shard, before it is done


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_share_the_requests_a_second(processes: int, make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number:02d}": b"new" for number in range(80)})
    context = pair.context(shard_objects=10, processes=processes)
    plan = planned(context)
    arrivals: list[float] = []
    faulty.fault = lambda _: arrivals.append(time.monotonic())
    apply_plan(pair.context(requests_per_second=40, processes=processes), plan, "copy")
    assert pair.store.read() == pair.source.read()
    assert len(arrivals) >= 80
    # Each process may have saved up for a twentieth of a second before its first request.
    saved = 0.05 * 40 + processes
    begun = arrivals[0]
    assert all(count <= 40 * 1.05 * (at - begun) + saved for count, at in enumerate(arrivals, start=1))


def test_streamed_content_is_limited_in_each_direction(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number:02d}": b"x" * 25_000 for number in range(40)} | {"large": b"y" * 300_000})
    plan = planned(pair.context(transfer="stream"))
    passed: dict[str, list[tuple[float, int]]] = {"GET": [], "PUT": []}

    def count(received: Received) -> Answer:
        answer = faulty.forward(received)
        if not received.query and received.method in passed:
            size = len(received.body) if received.method == "PUT" else len(answer.body)
            passed[received.method].append((time.monotonic() - begun, size))
        return answer

    faulty.fault = count
    begun = time.monotonic()
    apply_plan(pair.context(bandwidth=500_000), plan, "copy")
    assert pair.store.read() == pair.source.read()
    for method, sizes in passed.items():
        total = 0
        for moment, size in sizes:
            # Of large content, the server sees the answer begin before it has passed.
            total += size if method == "PUT" or size < 300_000 else 0
            assert total <= 500_000 * 1.05 * moment
