"""``hyve follow``: by its exit codes, its lines and its end."""

import json
import signal
import time

import pytest

from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.queues import OwnQueue, event_of
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair


@pytest.fixture
def pair(make_pair: MakePair, queue_endpoint: str) -> Pair:
    """A sync on the server that has queues."""
    return make_pair(endpoint_url=queue_endpoint)


def test_one_round_says_what_it_did(pair: Pair, queue: OwnQueue, hyve: Hyve) -> None:
    pair.automate("all")
    queue.follow(pair)
    pair.source.put({"a": b"1"})
    queue.send(event_of(pair.source.name, "a"), "garbage")
    done = hyve("follow", "--once")
    assert done.code == 0
    assert "1 key named by 2 messages: copied 1" in done.out
    assert done.err == ("note: 1 message is not understood and left to the queue's redrive policy: no JSON\n")
    assert pair.store.read() == {"a": b"1"}
    document = hyve("follow", "--once", "--json").document
    assert (document["messages"], document["plan"], document["refused"]) == (0, None, None)
    shown = hyve("show", "latest", "--json").document
    assert (shown["named"]["by"], shown["named"]["keys"]) == ("events", 1)
    refused = hyve("prove", shown["plan"])
    assert refused.code == 3
    assert "is of 1 key named by events" in refused.err


def test_what_is_refused_is_said_in_one_line(pair: Pair, queue: OwnQueue, hyve: Hyve) -> None:
    unset = hyve("follow", "--once")
    assert unset.code == 2
    assert "set queue_url in [sync.images.events]" in unset.only_line
    missing = OwnQueue(f"{queue.url}-that-is-not-there", queue.client)
    missing.follow(pair)
    there_is_none = hyve("follow", "--once")
    assert there_is_none.code == 4
    assert "there is no such queue" in there_is_none.only_line
    pair.configure()
    queue.follow(pair, queue_url_of="x")
    assert hyve("follow").code == 2


def test_it_follows_until_it_is_interrupted(pair: Pair, queue: OwnQueue, hyve: Hyve) -> None:
    pair.automate("all")
    queue.follow(pair, interval_seconds=0)
    pair.source.put({"a": b"1", "b": b"2"})
    with started(["follow", "--json"]) as child:
        for key in ("a", "b"):
            queue.send(event_of(pair.source.name, key))
            until = time.monotonic() + 60
            while pair.store.keys().count(key) == 0 and time.monotonic() < until:
                time.sleep(0.1)
        while queue.counts() != (0, 0):
            time.sleep(0.1)
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert [json.loads(line)["copied"] for line in out.splitlines()] == [1, 1]


def test_policy_and_doctor_know_the_queue(pair: Pair, queue: OwnQueue, hyve: Hyve) -> None:
    assert "has no queue" in hyve("iam-policy", "--side", "queue").only_line
    queue.follow(pair, region="eu-west-1")
    (statement,) = hyve("iam-policy", "--side", "queue").document["Statement"]
    assert "sqs:ChangeMessageVisibility" in statement["Action"]
    assert statement["Resource"] == [f"arn:aws:sqs:eu-west-1:123456789012:{queue.url.rpartition('/')[2]}"]
    pair.configure()
    queue.follow(pair)
    queue.send("garbage")
    findings = hyve("doctor", "--json").document["checks"]
    of_queue = [finding for finding in findings if finding["place"] == "queue"]
    assert [finding["verdict"] for finding in of_queue] == ["ok", "warn"]
    assert "about 1 message waits" in of_queue[0]["detail"]
