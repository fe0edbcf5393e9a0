"""Rounds of following a sync by its events: what is lost, doubled, late or foreign does no harm."""

import json
import random
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from hyve_pipeline.core.base.errors import RefusedError
from hyve_pipeline.core.model.batch import OpenRound
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.operations.apply.loop import apply_plan
from hyve_pipeline.operations.follow.follow import Follower, drain, open_queue
from hyve_pipeline.operations.follow.round import Round, do_round, gather
from hyve_pipeline.operations.follow.turns import turn_of_events
from hyve_pipeline.operations.plan.dryrun import take_plan
from hyve_pipeline.operations.plan.planning import is_planning, planning
from hyve_pipeline.operations.undo import undo_plan
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline.s3.events.queue import Message, Queue
from hyve_pipeline_tests.faults import faulty_server
from hyve_pipeline_tests.operations.follow.rounds import one_round
from hyve_pipeline_tests.queues import OwnQueue, event_of, following, send_events
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import MakePair, Pair

_KEYS = ["a", "a//b", "a b+c", "100%", "é\n.jpg", "dir/", *(f"{number}.jpg" for number in range(12))]


@pytest.fixture
def pair(make_pair: MakePair, queue_endpoint: str) -> Pair:
    """A sync on the server that has queues."""
    return make_pair(endpoint_url=queue_endpoint)


def test_what_is_written_and_deleted_reaches_the_store_and_can_be_undone(
    make_pair: MakePair, queue_endpoint: str, queue: OwnQueue
) -> None:
    pair = make_pair(endpoint_url=queue_endpoint, versioned=True)
    context = following(pair.context(), queue)
    pair.source.put({"stays": b"1", "gone": b"1"})
    pair.store.take_from(pair.source, ["gone"])
    before = pair.context().lists
    send_events(pair.source, queue)
    pair.source.put({"a b+c%/é\n.jpg": b"new", "stays": b"22"})
    pair.source.delete("gone")
    queue.send(event_of(pair.source.name, "gone", "ObjectRemoved:DeleteMarkerCreated"))
    done = one_round(context)
    assert pair.store.read() == pair.source.read()
    assert (done.copied, done.deleted, done.verified, done.exit_code) == (2, 1, True, 0)
    assert queue.counts() == (0, 0)
    assert before.names() == []  # the lists are those of the user's own plan
    assert done.plan is not None
    assert undo_plan(context, context.plans.load(done.plan), "undo").restored == 1
    assert pair.store.read()["gone"] == b"1"


@pytest.mark.parametrize("seed", range(2))
def test_lost_doubled_and_late_events_end_in_the_same_store(seed: int, pair: Pair, queue: OwnQueue) -> None:
    chosen = random.Random(seed)
    context = following(pair.context(max_deletes="100%"), queue)
    pair.source.put({"always": b"1"})
    send_events(pair.source, queue)
    late: list[str] = []
    for _ in range(3):
        for key in chosen.sample(_KEYS, 8):
            if chosen.random() < 0.7:
                pair.source.put({key: chosen.choice([b"", b"1", b"22", b"333"])})
            else:
                pair.source.delete(key)
        late = queue.disturb(chosen, late)
        one_round(context)
        store = pair.store.read()
        # Nothing was spoiled: a copy is of some time, and complete.
        assert set(store.values()) <= {b"", b"1", b"22", b"333"}
        assert all(key in _KEYS or key == "always" for key in store)
    source = pair.source.read()
    plan = take_plan(context)
    assert plan.refusals == ()
    apply_plan(context, plan, "copy")
    apply_plan(context, plan, "delete")
    assert pair.store.read() == source
    assert verify_plan(context, plan).verified
    queue.send(*late)
    assert one_round(context).plan is None  # what is very late finds nothing to do
    assert pair.store.read() == source


def test_a_crash_before_messages_are_deleted_repeats_harmlessly(pair: Pair, queue: OwnQueue) -> None:
    context = following(pair.context(), queue)
    send_events(pair.source, queue)
    pair.source.put({"a": b"1", "b": b"2"})

    with patch.object(Queue, "delete", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        one_round(context)
    written = pair.store.listing()
    assert pair.store.read() == pair.source.read()
    assert queue.counts() == (0, 3)  # with that which tries the queue; they come again when their time is over
    queue.send(event_of(pair.source.name, "a"), event_of(pair.source.name, "b"))
    again = one_round(context)
    assert (again.messages, again.plan, again.settled) == (2, None, 2)
    assert pair.store.listing() == written


def test_messages_of_others_are_told_apart(make_pair: MakePair, queue_endpoint: str, queue: OwnQueue) -> None:
    pair = make_pair(endpoint_url=queue_endpoint, prefixes=("in/", "out/"), exclude=["*.tmp"])
    context = following(pair.context(exclude=["*.tmp"]), queue)
    name = pair.source.name
    pair.source.put({"in/a+b c.jpg": b"1", "in/x.tmp": b"1", "elsewhere": b"1", "in/bridge": b"2", "in/sns": b"3"})
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": name}
    bridge = {"source": "aws.s3", "detail": {"bucket": {"name": name}, "object": {"key": "in/bridge"}}}
    wrapped = {"Type": "Notification", "Message": event_of(name, "in/sns")}
    queue.send(
        json.dumps(test),
        event_of(name, "in/a%2Bb+c.jpg"),
        event_of(name, "in/x.tmp"),
        event_of(name, "elsewhere"),
        json.dumps(bridge),
        json.dumps(wrapped),
        event_of("another-bucket", "in/a"),
        "garbage",
    )
    done = one_round(context)
    assert pair.store.keys() == ["out/a+b c.jpg", "out/bridge", "out/sns"]
    assert (done.messages, done.settled, done.exit_code) == (8, 6, 0)
    assert queue.counts() == (0, 2)
    assert [note.partition(" and left")[0] for note in done.notes] == [
        "1 message is of other buckets",
        "1 message is not understood",
    ]


def test_nothing_is_deleted_where_apply_says_copies(pair: Pair, queue: OwnQueue) -> None:
    context = following(pair.context(), queue, apply="copies")
    pair.store.put({"gone": b"1"})
    pair.source.put({"other": b"1"})
    queue.send(event_of(pair.source.name, "gone", "ObjectRemoved:Delete"), event_of(pair.source.name, "other"))
    done = one_round(context)
    assert (done.copied, done.deleted, done.deletes_left, done.verified) == (1, 0, 1, True)
    assert pair.store.keys() == ["gone", "other"]
    assert done.plan is not None
    assert context.plans.load(done.plan).count(ChangeSet.DUPLICATE).objects == 0
    assert queue.counts() == (0, 0)


def test_deletes_that_a_rule_refuses_are_left_and_said(pair: Pair, queue: OwnQueue) -> None:
    context = following(pair.context(max_deletes=1), queue)
    pair.store.put({"a": b"1", "b": b"1"})
    pair.source.put({"new": b"1"})
    queue.send(*(event_of(pair.source.name, key) for key in ("a", "b", "new")))
    done = one_round(context)
    assert (done.copied, done.deleted, done.deletes_left, done.exit_code) == (1, 0, 2, 3)
    assert [refusal.rule for refusal in done.refused] == ["max_deletes"]
    assert queue.counts() == (0, 0)
    assert pair.store.keys() == ["a", "b", "new"]


def test_a_round_whose_copies_are_refused_keeps_its_messages(pair: Pair, queue: OwnQueue) -> None:
    context = following(pair.context(max_overwrites=0), queue)
    pair.store.put({"a": b"1"})
    pair.source.put({"a": b"22"})
    queue.send(event_of(pair.source.name, "a"))
    assert one_round(context).exit_code == 3
    assert queue.counts() == (0, 1)
    assert pair.store.read() == {"a": b"1"}


def test_the_message_of_an_object_that_failed_comes_again(
    make_pair: MakePair, queue_endpoint: str, queue: OwnQueue
) -> None:
    with faulty_server(queue_endpoint) as faulty:
        pair = make_pair(endpoint_url=queue_endpoint, through=faulty)
        context = following(pair.context(patience_seconds=0), queue)
        pair.source.put({"bad": b"1", "good": b"1"})
        queue.send(event_of(pair.source.name, "bad"), event_of(pair.source.name, "good"))
        faulty.fault = lambda received: _refused(received, f"/{pair.store.name}/bad")
        done = one_round(context)
    assert (done.copied, done.failed, done.settled, done.exit_code) == (1, 1, 1, 1)
    assert queue.counts() == (0, 1)


def _refused(received: Received, path: str) -> Answer | None:
    return Answer(status=403) if received.path == path and received.method == "PUT" else None


def test_events_wait_while_a_plan_of_all_keys_is_made_or_applied(pair: Pair, queue: OwnQueue) -> None:
    context = following(pair.context(), queue)
    queue.send(event_of(pair.source.name, "a"))
    with planning(context), pytest.raises(RefusedError, match="a plan of all keys is being made"):
        one_round(context)
    assert queue.counts() == (1, 0)


def test_the_users_plan_stays_the_newest(pair: Pair, queue: OwnQueue) -> None:
    context = following(pair.context(), queue)
    pair.source.put({"a": b"1", "b": b"2"})
    plan = take_plan(context)
    queue.send(event_of(pair.source.name, "a"))
    done = one_round(context)
    newest = context.plans.newest()
    assert newest is not None
    assert newest.id == plan.id
    assert context.plans.newest_id() == done.plan
    apply_plan(context, plan, "copy")
    assert pair.store.read() == pair.source.read()


def test_events_wait_while_jobs_of_batch_operations_copy(pair: Pair, queue: OwnQueue) -> None:
    context = following(pair.context(), queue)
    pair.source.put({"a": b"1"})
    queue.send(event_of(pair.source.name, "a"))
    context.state.write_manifest("batch/open.json", OpenRound(plan="000001-20260101T000000000Z-00000000", number=1))
    with pytest.raises(RefusedError, match="jobs of S3 Batch Operations copy"):
        one_round(context)
    assert queue.counts() == (1, 0)
    assert context.plans.ids() == []


def test_a_round_gives_way_to_a_plan_that_was_begun_meanwhile(pair: Pair, queue: OwnQueue) -> None:
    context = following(pair.context(), queue)
    pair.source.put({"a": b"1"})
    queue.send(event_of(pair.source.name, "a"))
    own = open_queue(context)
    with ExitStack() as stack:
        stack.callback(own.close)

        def gather_and_begin(*arguments: Any) -> list[Message]:
            stack.enter_context(planning(context))
            return gather(*arguments)

        stack.enter_context(patch("hyve_pipeline.operations.follow.follow.gather", gather_and_begin))
        assert drain(context, own) == []
        assert queue.counts() == (1, 0)  # given back at once
    assert context.plans.ids() == []
    assert pair.store.read() == {}


@pytest.mark.both_states
def test_a_plan_of_all_keys_waits_for_a_round_and_is_not_refused(pair: Pair, queue: OwnQueue) -> None:
    context = following(pair.context(), queue)
    pair.source.put({"a": b"1"})
    plan = take_plan(context)
    steps: list[str] = []

    def plan_anew() -> None:
        with planning(context):
            steps.append("planned")

    def apply() -> None:
        apply_plan(context, plan, "copy")
        steps.append("applied")

    threads = [threading.Thread(target=work, daemon=True) for work in (apply, plan_anew)]
    with turn_of_events(context) as at_work, at_work.applying("of-events"):
        for thread in threads:
            thread.start()
        while not is_planning(context):
            time.sleep(0.01)
        with pytest.raises(RefusedError, match="another process follows"):
            do_round(context, open_queue(context), [])
        steps.append("round ended")
    for thread in threads:
        thread.join()
    assert steps[0] == "round ended"
    assert sorted(steps[1:]) == ["applied", "planned"]
    assert pair.store.read() == {"a": b"1"}


def test_what_can_not_be_reached_is_tried_again_with_the_same_messages(
    make_pair: MakePair, queue_endpoint: str, queue: OwnQueue
) -> None:
    with faulty_server(queue_endpoint) as faulty:
        pair = make_pair(endpoint_url=queue_endpoint, through=faulty)
        context = following(pair.context(patience_seconds=0), queue, endpoint_url=faulty.endpoint_url)
        pair.source.put({"a": b"1"})
        queue.send(event_of(pair.source.name, "a"))
        own = open_queue(context)
        away = ["ReceiveMessage", f"/{pair.source.name}/a", f"/{pair.store.name}/a", "DeleteMessage"]
        left = [*away]

        def fault(received: Received) -> Answer | None:
            asked = received.headers.get("x-amz-target", received.path)
            if not any(name in asked for name in left):
                return None
            return Answer(status=403 if received.path == "/" else 503)  # the queue would be asked for long

        faulty.fault = fault
        lines: list[str] = []
        for found in Follower(replace(context, bounds=WorkBounds(retry_seconds=0.0)), own):
            if isinstance(found, Round):
                break
            lines.append(found)
            left.pop(0)
        own.close()
        received = [one for one in faulty.received if "ReceiveMessage" in one.headers.get("x-amz-target", "")]
    assert len(lines) == len(away)
    assert all("trying again in 0 seconds" in line for line in lines)
    assert pair.store.read() == {"a": b"1"}
    assert queue.counts() == (0, 0)
    # Each time that a message is received counts for the redrive policy: once in vain, with it, and to the end.
    assert len(received) == 3
