"""Servers that fail: what could be done is done, nothing is deleted, and a rerun continues."""

import threading
from collections import Counter
from urllib.parse import unquote

import pytest

from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import Bucket, Hyve, MakePair, Pair


def deny_listing(bucket: Bucket, faulty: FaultyServer) -> None:
    faulty.fault = lambda received: error_answer(403, "AccessDenied") if received.path == f"/{bucket.name}" else None


def _is_copy_of(received: Received, *names: str) -> bool:
    source = unquote(received.headers.get("x-amz-copy-source", ""))
    return received.method == "PUT" and source.endswith(names)


def _is_second_page(received: Received, bucket: str) -> bool:
    is_listing = received.method == "GET" and received.path == f"/{bucket}"
    return is_listing and bool({"continuation-token", "start-after"} & set(received.query))


@pytest.fixture
def broken(make_pair: MakePair, faulty: FaultyServer) -> Pair:
    """A sync behind the proxy, with three copy shards and one delete shard."""
    pair = make_pair(through=faulty, shard_objects=4, concurrency=8)
    pair.source.put({f"{number:02d}": b"new" for number in range(12)})
    pair.store.put({"06": b"older", "gone": b"1"})
    return pair


def test_a_failed_copy_deletes_nothing_and_a_retry_does_only_what_is_left(
    broken: Pair, faulty: FaultyServer, hyve: Hyve
) -> None:
    faulty.fault = lambda received: (
        error_answer(403, "AccessDenied", "not this one") if _is_copy_of(received, "/05", "/06") else None
    )
    synced = hyve("sync", "--json", "--sync", "images")
    assert synced.code == 1
    document = synced.document
    assert (document["copied"], document["copy_failed"], document["deleted"]) == (10, 2, 0)
    assert (document["verified"], document["refused"]) == (None, None)
    why = f"'hyve show {document['plan']} --failed --sync images' shows why, 'hyve retry --sync images' tries again"
    assert synced.err.splitlines()[-1] == f"failed: 2 objects, and nothing was deleted after that: {why}"
    assert broken.store.read() == {
        **{f"{number:02d}": b"new" for number in range(12) if number not in (5, 6)},
        "06": b"older",
        "gone": b"1",
    }

    plan = document["plan"]
    (entry,) = hyve("plans", "--json").document["plans"]
    assert (entry["state"], entry["copy"]["failed"], entry["delete"]["done"]) == ("failed", 2, 0)
    shown = hyve("show", plan, "--json").document
    assert [(shard["action"], shard["state"]) for shard in shown["shards"]] == [
        ("copy", "finished"),
        ("copy", "failed"),
        ("copy", "finished"),
        ("delete", "pending"),
    ]
    assert shown["reasons"] == {"AccessDenied": 2}
    failed = hyve("show", plan, "--failed", "--json").document["objects"]
    assert {(row["key"], row["outcome"], row["code"]) for row in failed} == {
        ("05", "failed", "AccessDenied"),
        ("06", "failed", "AccessDenied"),
    }
    assert "not this one" in failed[0]["detail"]
    watched = hyve("show", plan, "--watch", "0.1").out
    assert f"nobody works at plan {plan}; left: 2 objects to copy, 1 object to delete, 2 failed: " in watched

    refused = hyve("delete", "--json")
    assert (refused.code, refused.document["refused"]["rule"]) == (3, "copies_first")
    assert refused.err.splitlines()[-1].startswith(
        "! refused by copies_first (copies are missing): not all copies of plan"
    )

    faulty.fault = lambda _: None
    faulty.received.clear()
    retried = hyve("retry", "--json")
    assert (retried.code, retried.document["copied"], retried.document["copy_failed"]) == (0, 12, 0)
    assert [(event.shard, event.attempt) for event in broken.events() if event.shard is not None][3:] == [(2, 2)]
    copies = [received.path.rpartition("/")[2] for received in faulty.received if _is_copy_of(received, "")]
    assert sorted(path for path in copies if path) == ["05", "06"]
    assert hyve("delete").code == 0
    assert broken.store.read() == broken.source.read()


def test_a_failed_copy_is_told_in_words(broken: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    faulty.fault = lambda received: error_answer(403, "AccessDenied") if _is_copy_of(received, "/05") else None
    synced = hyve("sync")
    assert synced.code == 1
    assert "nothing was deleted" in synced.err
    assert "--failed" in synced.err
    assert "hyve retry" in synced.err
    assert "Traceback" not in synced.out + synced.err
    # Everything still fails, and the failures are reported again.
    assert hyve("retry").code == 1


def test_a_failed_delete_is_counted_and_can_be_retried(broken: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    faulty.fault = lambda received: error_answer(403, "AccessDenied") if "delete" in received.query else None
    synced = hyve("sync", "--json")
    assert synced.code == 1
    assert (synced.document["copied"], synced.document["deleted"], synced.document["delete_failed"]) == (12, 0, 1)
    faulty.fault = lambda _: None
    retried = hyve("retry", "--json")
    assert (retried.code, retried.document["deleted"], retried.document["delete_failed"]) == (0, 1, 0)
    assert broken.store.read() == broken.source.read()


def test_a_passing_failure_is_not_seen(broken: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    seen: Counter[str] = Counter()

    def fail_at_first(received: Received) -> Answer | None:
        seen[received.target] += 1
        if _is_copy_of(received, "/03") and seen[received.target] == 1:
            return error_answer(200, "InternalError")
        return error_answer(503, "SlowDown") if seen[received.target] % 2 else None

    faulty.fault = fail_at_first
    faulty.page_keys = 4
    synced = hyve("sync", "--json")
    assert (synced.code, synced.document["copied"], synced.document["verified"]) == (0, 12, True)
    assert broken.store.read() == broken.source.read()


def test_a_listing_that_ends_early_makes_no_plan(broken: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    faulty.page_keys = 4
    store = broken.store.listing()
    for command, answer in (
        ("dryrun", error_answer(503, "SlowDown")),
        ("sync", error_answer(403, "AccessDenied")),
        ("copy", Answer(b"<ListBucketResult><IsTrunc")),
    ):
        faulty.fault = lambda received, a=answer: a if _is_second_page(received, broken.source.name) else None
        failed = hyve(command, "--json")
        assert (failed.code, failed.out) == (4, ""), command
        assert f"s3://{broken.source.name}/" in failed.err
        assert "Traceback" not in failed.err
    assert broken.store.listing() == store
    assert hyve("plans", "--json").document["plans"] == []
    assert not (broken.home / "out").exists()


def test_a_failed_listing_leaves_the_last_plan_and_its_lists(broken: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    plan = hyve("dryrun", "--json").document["plan"]
    lists = [broken.lines(name) for name in ("new", "modified", "duplicate_stores")]
    broken.source.put({"later": b"1"})
    deny_listing(broken.store, faulty)
    failed = hyve("dryrun")
    assert failed.code == 4
    assert "AccessDenied" in failed.err.splitlines()[-1]
    assert [broken.lines(name) for name in ("new", "modified", "duplicate_stores")] == lists
    assert [entry["plan"] for entry in hyve("plans", "--json").document["plans"]] == [plan]


def test_a_sync_that_can_not_list_the_store_again_says_what_it_did(
    broken: Pair, faulty: FaultyServer, hyve: Hyve
) -> None:
    """Exit code 4 would promise that nothing was changed."""
    deleted = threading.Event()

    def deny(received: Received) -> Answer | None:
        if "delete" in received.query:
            deleted.set()
        is_listing = received.method == "GET" and received.path == f"/{broken.store.name}"
        return error_answer(403, "AccessDenied") if deleted.is_set() and is_listing else None

    faulty.fault = deny
    synced = hyve("sync", "--json")
    assert synced.code == 1
    assert (synced.document["copied"], synced.document["deleted"], synced.document["verified"]) == (12, 1, None)
    last = synced.err.splitlines()[-1]
    assert last.startswith("hyve: ")
    assert "AccessDenied" in last
    assert "what was done before is in the journal" in last
    faulty.fault = lambda _: None
    assert broken.store.read() == broken.source.read()


def test_a_bucket_that_can_not_be_reached_before_the_first_copy_is_no_change(
    broken: Pair, faulty: FaultyServer, hyve: Hyve
) -> None:
    assert hyve("dryrun").code == 0
    deny_listing(broken.store, faulty)
    copied = hyve("copy", "--json")
    assert (copied.code, copied.out) == (4, "")
    assert f"s3://{broken.store.name}" in copied.err.splitlines()[-1]
    (entry,) = hyve("plans", "--json").document["plans"]
    assert entry["state"] == "planned"


def test_a_store_that_can_not_be_listed_again_is_not_verified(broken: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    assert hyve("sync").code == 0
    deny_listing(broken.store, faulty)
    assert hyve("verify", "--json").code == 4


def test_a_source_that_vanished_deletes_nothing(broken: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    assert hyve("dryrun").code == 0
    assert hyve("copy").code == 0
    store = broken.store.listing()
    # To HEAD, a missing bucket looks like a missing key.
    faulty.fault = lambda received: (
        error_answer(404, "NoSuchBucket") if received.path.startswith(f"/{broken.source.name}") else None
    )
    deleted = hyve("delete")
    assert deleted.code == 4
    assert "NoSuchBucket" in deleted.err
    assert broken.store.listing() == store
