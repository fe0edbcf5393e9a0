"""Doing the shards of a plan: exactly what is planned, once, and each outcome in the journal."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from urllib.parse import unquote

import pytest

from hyve_pipeline.core.errors import BucketError, HyveError, RefusedError
from hyve_pipeline.core.guard import Action
from hyve_pipeline.core.journal import AttemptSummary, JournalRow, ShardState
from hyve_pipeline.core.plan import Plan
from hyve_pipeline.core.progress import listening
from hyve_pipeline.flow.apply import apply_shard, check_allowed, is_worth_retrying
from hyve_pipeline.flow.context import SyncContext
from hyve_pipeline.flow.diff import diff_inventories
from hyve_pipeline.flow.inventory import take_inventories
from hyve_pipeline.flow.plan import freeze_plan
from hyve_pipeline.flow.status import plan_status
from hyve_pipeline.s3.window import Window
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.keys import ODD_KEYS, XML_KEYS
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import Bucket, MakePair, Pair, next_second


def _planned(context: SyncContext) -> Plan:
    taken = take_inventories(context, ["source", "store"])
    return freeze_plan(context, diff_inventories(context, taken["source"], taken["store"]))


def _apply(context: SyncContext, plan: Plan, action: Action) -> list[AttemptSummary]:
    return [apply_shard(context, plan, shard, f"run of {shard.number}") for shard in plan.shards_of(action)]


def _rows(context: SyncContext, plan: Plan) -> dict[str, JournalRow]:
    """What the journal says of each key."""
    journals = [ShardJournal(context.state, plan.id, shard) for shard in plan.shards]
    return {key: row for journal in journals for key, row in journal.last_rows().items()}


def _outcomes(context: SyncContext, plan: Plan) -> dict[str, tuple[str, str | None]]:
    return {key: (row.outcome.value, row.code) for key, row in _rows(context, plan).items()}


def _copied_keys(received: list[Received]) -> list[str]:
    return sorted(unquote(one.path.split("/", 2)[2]) for one in received if "x-amz-copy-source" in one.headers)


def _is_copy_of(received: Received, *names: str) -> bool:
    return unquote(received.headers.get("x-amz-copy-source", "")).endswith(names)


def test_a_shard_is_done_and_nothing_else(pair: Pair) -> None:
    pair.source.put({f"{number}": b"new" for number in range(6)}, ContentType="text/x-test", Metadata={"a": "b"})
    pair.store.put({"4": b"older", "gone": b"1"})
    context = pair.context(shard_objects=3)
    plan = _planned(context)
    before = pair.store.listing()

    summary = apply_shard(context, plan, plan.shards[1], "a run")
    assert (summary.tally.done, summary.tally.bytes, summary.attempt, summary.run_id) == (3, 9, 1, "a run")
    assert set(pair.store.listing()) == {"3", "4", "5", "gone"}
    assert pair.store.listing()["gone"] == before["gone"]
    assert pair.store.carried(["3", "4", "5"]) == pair.source.carried(["3", "4", "5"])

    source, rows = pair.source.listing(), _rows(context, plan)
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


def test_deletes_go_by_the_plan(pair: Pair) -> None:
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1", **{f"gone/{number}": b"22" for number in range(5)}})
    context = pair.context(shard_objects=3)
    plan = _planned(context)
    pair.store.put({"gone/later": b"not in the plan"})
    assert [summary.tally.done for summary in _apply(context, plan, "delete")] == [3, 2]
    assert pair.store.keys() == ["gone/later", "kept"]


def test_many_deletes_go_in_batches(make_pair: MakePair, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyve_pipeline.flow.apply._BATCH_KEYS", 10)
    pair = make_pair(through=faulty)
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1", **{f"gone/{number:02d}": b"22" for number in range(25)}})
    context = pair.context(concurrency=8)
    plan = _planned(context)
    faulty.received.clear()
    (summary,) = _apply(context, plan, "delete")
    assert (summary.tally.done, summary.tally.bytes) == (25, 50)
    assert sorted(one.body.count(b"<Key>") for one in faulty.received if "delete" in one.query) == [5, 10, 10]
    assert pair.store.keys() == ["kept"]


def test_a_batch_is_looked_at_and_deleted_in_a_few_requests(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    gone = {f"gone/{number:02d}": b"22" for number in range(40)}
    pair.source.put({"first": b"1", "last": b"1"})
    pair.store.put(gone | {"first": b"1", "last": b"1"})
    context = pair.context(concurrency=8)
    plan = _planned(context)
    pair.source.put({"gone/03": b"back"})
    pair.store.put({"gone/05": b"changed", "gone/055": b"not in the plan"})
    pair.store.delete("gone/39")
    faulty.received.clear()
    (summary,) = _apply(context, plan, "delete")
    assert (summary.tally.done, summary.skips) == (38, {"BackInSource": 1, "ChangedSincePlan": 1})
    assert pair.store.keys() == ["first", "gone/03", "gone/05", "gone/055", "last"]
    rows = _rows(context, plan)
    assert rows["gone/39"].code == "AlreadyGone"
    assert {row.version_before for row in rows.values()} == {None}
    # Two probes, a listing of either side, one look for versions, one more probe, the delete.
    assert len(faulty.received) == 7


def test_keys_between_many_others_are_asked_for_one_by_one(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    kept = {f"{number:03d}": b"1" for number in range(120)}
    gone = {f"{number:03d}-": b"1" for number in range(0, 120, 6)}
    pair.source.put(kept)
    pair.store.put(kept | gone)
    context = pair.context(concurrency=3)
    plan = _planned(context)
    pair.source.put({"006-": b"back", "114-": b"back"})
    faulty.page_keys = 10
    faulty.received.clear()
    (summary,) = _apply(context, plan, "delete")
    assert (summary.tally.done, summary.skips) == (18, {"BackInSource": 2})
    assert pair.store.keys() == sorted([*kept, "006-", "114-"])
    heads = dict.fromkeys((pair.source.name, pair.store.name), 0)
    for one in faulty.received:
        if one.method == "HEAD":
            heads[one.path.split("/")[1]] += 1
    # Four pages of ten tell of the source up to 038 or 039, and of the store up to 033 or 034.
    assert 13 <= heads[pair.source.name] <= 14
    assert 14 <= heads[pair.store.name] <= 16


def test_keys_that_can_not_be_listed_are_asked_for(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1"} | {f"gone/{number:02d}": b"22" for number in range(30)})
    context = pair.context(concurrency=4)
    plan = _planned(context)
    pair.source.put({"gone/03": b"back"})
    pair.store.put({"gone/05": b"changed"})
    # Probes ask for one key, and go through.
    faulty.fault = lambda received: error_answer(403, "AccessDenied") if "start-after" in received.query else None
    (summary,) = _apply(context, plan, "delete")
    assert (summary.tally.done, summary.skips) == (28, {"BackInSource": 1, "ChangedSincePlan": 1})
    assert pair.store.keys() == ["gone/03", "gone/05", "kept"]


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_versions_before_a_delete_are_journaled(status: str, make_pair: MakePair) -> None:
    pair = make_pair(versioned=True)
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1"} | {f"gone/{number:02d}": b"22" for number in range(30)})
    pair.store.client.put_bucket_versioning(Bucket=pair.store.name, VersioningConfiguration={"Status": status})
    context = pair.context()
    plan = _planned(context)
    head = pair.store.client.head_object(Bucket=pair.store.name, Key="gone/07")
    (summary,) = _apply(context, plan, "delete")
    assert summary.tally.done == 30
    rows = _rows(context, plan)
    assert rows["gone/07"].version_before == head["VersionId"]
    assert all(row.version_before for row in rows.values())


@pytest.mark.parametrize("transport", ["crt", "botocore"])
def test_every_odd_key_is_copied_and_deleted_by_either_transport(transport: str, pair: Pair) -> None:
    pair.source.put(dict.fromkeys(ODD_KEYS, b"1"))
    pair.store.put({f"{key}!": b"1" for key in XML_KEYS} | dict.fromkeys(ODD_KEYS[::3], b"old"))
    context = pair.context(transport=transport)
    plan = _planned(context)
    copies, deletes = _apply(context, plan, "copy"), _apply(context, plan, "delete")
    assert [summary.tally.done for summary in (*copies, *deletes)] == [len(ODD_KEYS), len(XML_KEYS)]
    assert pair.store.read() == pair.source.read()


def test_a_finished_shard_is_not_done_again(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1", "b": b"2"})
    context = pair.context(concurrency=8)
    plan = _planned(context)
    (first,) = _apply(context, plan, "copy")
    faulty.received.clear()
    assert _apply(context, plan, "copy") == [first]
    assert faulty.received == []


def test_what_changed_or_vanished_since_the_plan_is_skipped(pair: Pair) -> None:
    pair.source.put({"changed": b"1", "vanished": b"1", "plain": b"1", "archived": b"1"})
    pair.store.put({"changed": b"older", "back": b"1", "replaced": b"1", "gone": b"1", "deleted": b"1"})
    context = pair.context()
    plan = _planned(context)
    pair.source.put({"changed": b"22", "back": b"1"})
    pair.source.put({"archived": b"1"}, StorageClass="GLACIER")
    pair.source.delete("vanished")
    pair.store.put({"replaced": b"22"})
    pair.store.delete("deleted")
    _apply(context, plan, "copy")
    _apply(context, plan, "delete")
    assert _outcomes(context, plan) == {
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
    assert all(row.detail for row in _rows(context, plan).values() if row.outcome.value == "skipped")


def test_one_key_that_fails_does_not_keep_the_others(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number:02d}": b"1" for number in range(20)})
    pair.store.put({"gone": b"1"})
    context = pair.context(concurrency=4)
    plan = _planned(context)
    faulty.fault = lambda received: error_answer(403, "AccessDenied") if _is_copy_of(received, "/07", "/13") else None
    (summary,) = _apply(context, plan, "copy")
    assert (summary.tally.done, summary.tally.failed, summary.failures) == (18, 2, {"AccessDenied": 2})
    assert summary.state is ShardState.FAILED
    assert not is_worth_retrying(summary)
    with pytest.raises(RefusedError, match="copies_first"):
        _apply(context, plan, "delete")
    assert set(pair.store.listing()) == {f"{number:02d}" for number in range(20) if number not in (7, 13)} | {"gone"}

    faulty.fault = lambda _: None
    faulty.received.clear()
    (summary,) = _apply(context, plan, "copy")
    assert (summary.attempt, summary.tally.done, summary.tally.failed, summary.tally.bytes) == (2, 20, 0, 20)
    assert _copied_keys(faulty.received) == ["07", "13"]
    _apply(context, plan, "delete")
    assert pair.store.read() == pair.source.read()


def test_failures_that_pass_are_tried_again_and_counted(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1", "b": b"1"})
    context = pair.context(concurrency=4, transport="botocore")
    plan = _planned(context)
    # More than the transport tries by itself.
    left = [6]

    def busy(received: Received) -> Answer | None:
        if _is_copy_of(received, "/b") and left[0]:
            left[0] -= 1
            return error_answer(503, "SlowDown")
        return None

    faulty.fault = busy
    (summary,) = _apply(context, plan, "copy")
    assert left == [0]
    assert (summary.tally.done, summary.tally.failed) == (2, 0)
    assert {key: row.attempts for key, row in _rows(context, plan).items()} == {"a": 1, "b": 2}


def test_a_failure_that_may_pass_is_worth_another_run(
    make_pair: MakePair, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyve_pipeline.flow.tries._MOST_TRIES", 1)
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1", "b": b"1"})
    context = pair.context(concurrency=4)
    plan = _planned(context)
    faulty.fault = lambda received: error_answer(503, "SlowDown") if _is_copy_of(received, "/b") else None
    (summary,) = _apply(context, plan, "copy")
    assert (summary.tally.done, summary.failures) == (1, {"SlowDown": 1})
    assert is_worth_retrying(summary)


def test_a_delete_that_the_server_does_not_confirm_has_failed(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1", "a": b"1", "b": b"1", "c": b"1"})
    context = pair.context(concurrency=4)
    plan = _planned(context)
    answer = (
        b"<DeleteResult><Deleted><Key>a</Key></Deleted>"
        b"<Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"
    )
    faulty.fault = lambda received: Answer(answer) if "delete" in received.query else None
    (summary,) = _apply(context, plan, "delete")
    assert (summary.tally.done, summary.tally.failed) == (1, 2)
    assert _outcomes(context, plan) == {
        "a": ("done", None),
        "b": ("failed", "AccessDenied"),
        "c": ("failed", "NotMentioned"),
    }


def test_a_key_that_can_not_be_asked_for_is_not_deleted(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1", "hidden": b"1", "gone": b"1"})
    context = pair.context(concurrency=4)
    plan = _planned(context)
    faulty.fault = lambda received: Answer(status=403) if received.path == f"/{pair.source.name}/hidden" else None
    _apply(context, plan, "delete")
    assert _outcomes(context, plan) == {"hidden": ("failed", "AccessDenied"), "gone": ("done", None)}
    assert pair.store.keys() == ["hidden", "kept"]


@pytest.mark.parametrize("side", ["source", "store"])
def test_a_bucket_out_of_reach_is_one_failure_and_no_outcome(
    side: str, make_pair: MakePair, faulty: FaultyServer
) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1"})
    context = pair.context(concurrency=4)
    plan = _planned(context)
    name = getattr(pair, side).name
    faulty.fault = lambda received: error_answer(404, "NoSuchBucket") if received.path == f"/{name}" else None
    with pytest.raises(BucketError, match=name):
        _apply(context, plan, "copy")
    assert _rows(context, plan) == {}
    faulty.fault = lambda _: None
    assert [summary.tally.done for summary in _apply(context, plan, "copy")] == [1]


def test_rules_are_judged_before_anything_is_done(pair: Pair) -> None:
    pair.source.put({"a": b"newer", "new": b"1"})
    pair.store.put({"a": b"old", "gone": b"1"})
    context = pair.context(max_deletes="0", max_overwrites="0")
    plan = _planned(context)
    rules: dict[Action, str] = {"copy": "max_overwrites", "delete": "max_deletes"}
    for action, rule in rules.items():
        with pytest.raises(RefusedError, match=rule):
            check_allowed(context, plan, action)
        with pytest.raises(RefusedError, match=rule):
            _apply(context, plan, action)
    assert pair.store.read() == {"a": b"old", "gone": b"1"}
    assert all(entry.state is ShardState.PENDING for entry in plan_status(context, plan).shards)


def test_a_shard_is_done_by_one_at_a_time(pair: Pair) -> None:
    pair.source.put({"a": b"1"})
    context = pair.context()
    plan = _planned(context)
    with ShardJournal(context.state, plan.id, plan.shards[0]).locked():
        with pytest.raises(RefusedError, match="one_at_a_time"):
            _apply(context, plan, "copy")
        assert pair.store.keys() == []
    assert [summary.tally.done for summary in _apply(context, plan, "copy")] == [1]


def test_a_server_that_is_asked_too_much_is_asked_less(
    make_pair: MakePair, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number:03d}": b"1" for number in range(300)})
    context = pair.context(concurrency=32)
    plan = _planned(context)
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
            time.sleep(0.005)
            return error_answer(503, "SlowDown") if is_refused else faulty.forward(received)
        finally:
            with lock:
                now -= 1

    monkeypatch.setattr("hyve_pipeline.flow.apply.Window", window)
    faulty.fault = busy
    (summary,) = _apply(context, plan, "copy")
    assert (summary.tally.done, summary.tally.failed) == (300, 0)
    assert pair.store.read() == pair.source.read()
    assert limits[0] == 32
    assert min(limits) < 24


class _Interrupter:
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
    plan = _planned(context)
    with listening(_Interrupter(after)), pytest.raises(KeyboardInterrupt):
        _apply(context, plan, "copy")
    copied = set(pair.store.listing())
    assert {key for key, row in _rows(context, plan).items() if row.outcome.value == "done"} == copied
    assert after <= len(copied) <= after + 3
    assert [entry.state for entry in plan_status(context, plan).shards] == [ShardState.STARTED]

    faulty.received.clear()
    (summary,) = _apply(context, plan, "copy")
    assert (summary.attempt, summary.tally.done, summary.tally.bytes) == (2, 20, 40)
    assert _copied_keys(faulty.received) == sorted(set(pair.source.listing()) - copied)
    assert pair.store.read() == pair.source.read()


_KILLED = """
import os, signal, sys
from pathlib import Path
from hyve_pipeline.core.progress import listening
from hyve_pipeline.flow.apply import apply_shard
from hyve_pipeline.flow.context import Home, SyncContext

class Killer:
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
    plan = _planned(context)
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(pair.home)], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    copied = set(pair.store.listing())
    assert 7 <= len(copied) < 20
    assert [entry.state for entry in plan_status(context, plan).shards] == [ShardState.STARTED]

    faulty.received.clear()
    (summary,) = _apply(context, plan, "copy")
    assert (summary.tally.done, summary.tally.failed, summary.tally.skipped, summary.tally.bytes) == (20, 0, 0, 40)
    # What was done but not journaled is recognised, and not done again.
    assert set(_copied_keys(faulty.received)) == set(pair.source.listing()) - copied
    assert pair.store.read() == pair.source.read()


@pytest.fixture
def trash(make_pair: MakePair) -> tuple[Pair, Bucket]:
    """A sync, and the bucket of its trash."""
    pair = make_pair()
    place = pair.store.place.model_copy(update={"bucket": f"trash-{os.getpid()}-{id(pair)}"})
    bucket = Bucket(place, str(place.endpoint_url))
    bucket.client.create_bucket(Bucket=bucket.name)
    return pair, bucket


def test_what_is_overwritten_or_deleted_is_in_the_trash(trash: tuple[Pair, Bucket]) -> None:
    pair, bucket = trash
    pair.source.put({"changed": b"newer", "new": b"1"})
    pair.store.put({"changed": b"old", "gone ☃": b"2"}, ContentType="image/png", Metadata={"a": "b"})
    before = pair.store.carried(["changed", "gone ☃"])
    context = pair.context(trash=f"s3://{bucket.name}/images/")
    plan = _planned(context)
    _apply(context, plan, "copy")
    _apply(context, plan, "delete")
    assert pair.store.read() == pair.source.read()
    assert bucket.carried(bucket.keys()) == {f"images/{key}": carried for key, carried in before.items()}
    assert {key: row.trashed for key, row in _rows(context, plan).items()} == {
        "changed": True,
        "new": False,
        "gone ☃": True,
    }


def test_a_whole_batch_is_kept_in_the_trash(trash: tuple[Pair, Bucket]) -> None:
    pair, bucket = trash
    pair.source.put({"kept": b"1"})
    gone = {f"gone/{number:02d}": b"22" for number in range(30)}
    pair.store.put({"kept": b"1"} | gone)
    context = pair.context(trash=f"s3://{bucket.name}/", concurrency=8)
    plan = _planned(context)
    _apply(context, plan, "delete")
    assert bucket.read() == gone
    assert pair.store.keys() == ["kept"]
    assert all(row.trashed for row in _rows(context, plan).values())


def test_what_the_trash_does_not_take_is_left_as_it_is(trash: tuple[Pair, Bucket]) -> None:
    pair, bucket = trash
    pair.source.put({"changed": b"newer", "new": b"1"})
    pair.store.put({"changed": b"old", "gone": b"2"})
    context = pair.context(trash=f"s3://{bucket.name}/")
    plan = _planned(context)
    bucket.client.delete_bucket(Bucket=bucket.name)
    with pytest.raises(HyveError, match=bucket.name):
        _apply(context, plan, "copy")
    assert pair.store.read() == {"changed": b"old", "gone": b"2"}


def test_shards_can_be_done_at_the_same_time(pair: Pair) -> None:
    pair.source.put({f"{number:02d}": b"1" for number in range(20)})
    context = pair.context(shard_objects=5, concurrency=4)
    plan = _planned(context)
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


def _wrong_count(plan: Plan) -> Callable[[object, object], object]:
    """Reads one row less than a shard has."""
    from hyve_pipeline.flow.plan import read_shard

    return lambda *_: read_shard(plan, plan.shards[0]).slice(1)


def test_a_shard_with_too_few_outcomes_is_not_finished(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.source.put({"a": b"1", "b": b"1"})
    context = pair.context()
    plan = _planned(context)
    with monkeypatch.context() as patched:
        patched.setattr("hyve_pipeline.flow.apply.read_shard", _wrong_count(plan))
        with pytest.raises(HyveError, match="2 objects but 1 outcomes"):
            _apply(context, plan, "copy")
    assert [entry.state for entry in plan_status(context, plan).shards] == [ShardState.STARTED]
    assert [summary.tally.done for summary in _apply(context, plan, "copy")] == [2]
