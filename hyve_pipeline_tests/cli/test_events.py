"""What a command did is in the state, as events: in order, whole, and with who did it."""

import os
import socket
import threading
from pathlib import Path

import pytest

from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair


def test_every_step_of_a_sync_is_an_event(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    pair.store.put({"gone": b"1"})
    plan = hyve("sync", "--json").document["plan"]
    events = pair.events()
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert [(event.kind, event.plan, event.side, event.shard) for event in events] == [
        (EventKind.INVENTORY_TAKEN, None, "source", None),
        (EventKind.INVENTORY_TAKEN, None, "store", None),
        (EventKind.PLAN_FROZEN, plan, None, None),
        (EventKind.SHARD_ENDED, plan, None, 1),
        (EventKind.SHARD_ENDED, plan, None, 2),
        (EventKind.SHARD_ENDED, plan, None, 3),
        (EventKind.PLAN_VERIFIED, plan, None, None),
    ]
    actor = events[0].actor
    assert all(event.actor == actor for event in events)
    assert (actor.command, actor.host, actor.pid, actor.dagster_run) == (
        "sync",
        socket.gethostname(),
        os.getpid(),
        None,
    )
    assert actor.user


def test_the_ids_of_events_lead_to_all_that_was_done(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    assert hyve("sync").code == 0
    source, store, frozen, shard, _, verified = pair.events()
    context = pair.context()
    for event in (source, store):
        assert event.side is not None
        assert event.inventory is not None
        assert context.inventories(event.side).load(event.inventory).id == event.inventory
    assert frozen.plan is not None
    assert frozen.diff is not None
    plan = context.plans.load(frozen.plan)
    assert context.diffs.load(frozen.diff).source.id == source.inventory
    assert shard.attempt is not None
    summary = ShardJournal(context.state, plan.id, plan.shards[0]).summary(shard.attempt)
    assert (summary.tally.done, summary.run_id) == (5, shard.actor.id)
    assert context.state.exists(f"verifications/{plan.id}/{verified.verification}.json")


def test_refused_approved_and_undone_plans_are_events(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(versioned=True)
    pair.source.put({"new": b"1"})
    pair.store.put({"a": b"1", "b": b"1"})
    document = hyve("sync", "--max-deletes", "1", "--json").document
    assert document["refused"]["rule"] == "max_deletes"
    assert hyve("delete", "--max-deletes", "2").code == 0
    assert hyve("undo", document["plan"]).code == 0
    about = [(event.actor.command, event.kind) for event in pair.events() if event.plan == document["plan"]]
    assert about == [
        ("sync", EventKind.PLAN_FROZEN),
        ("sync", EventKind.SHARD_ENDED),
        ("delete", EventKind.PLAN_APPROVED),
        ("delete", EventKind.SHARD_ENDED),
        ("undo", EventKind.PLAN_UNDONE),
    ]


def test_a_proof_is_an_event_that_leads_to_it(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"new": b"1"})
    plan = hyve("sync", "--json").document["plan"]
    assert hyve("prove").code == 0
    *_, verified, proved = pair.events()
    assert (proved.kind, proved.plan, proved.actor.command) == (EventKind.PLAN_PROVED, plan, "prove")
    assert proved.verification == verified.verification
    assert pair.context().state.exists(f"proofs/{plan}/{proved.verification}.json")


def test_what_only_looks_leaves_no_event(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"new": b"1"})
    plan = hyve("dryrun", "--json").document["plan"]
    before = pair.events()
    for command in (["plans"], ["show", plan], ["report"], ["doctor"], ["iam-policy"]):
        assert hyve(*command).code == 0
    assert pair.events() == before


def test_commands_leave_nothing_behind_in_the_process(
    pair: Pair, hyve: Hyve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    assert hyve("sync").code == 0
    threads, descriptors = set(threading.enumerate()), set(Path("/proc/self/fd").iterdir())
    for _ in range(2):
        assert hyve("sync").code == 0
    assert set(threading.enumerate()) <= threads
    assert len(set(Path("/proc/self/fd").iterdir())) <= len(descriptors)
    assert list(temporary.iterdir()) == []
