"""Deleting what a plan lists: looked at again right before, in a few requests, and each outcome in the journal."""

import pytest

from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.flow.applying import apply, outcomes, planned, rows_of
from hyve_pipeline_tests.s3.scripted import Answer, error_answer
from hyve_pipeline_tests.syncs import MakePair, Pair


def test_deletes_go_by_the_plan(pair: Pair) -> None:
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1", **{f"gone/{number}": b"22" for number in range(5)}})
    context = pair.context(shard_objects=3)
    plan = planned(context)
    pair.store.put({"gone/later": b"not in the plan"})
    assert [summary.tally.done for summary in apply(context, plan, "delete")] == [3, 2]
    assert pair.store.keys() == ["gone/later", "kept"]


def test_many_deletes_go_in_batches(make_pair: MakePair, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyve_pipeline.flow.apply._BATCH_KEYS", 10)
    pair = make_pair(through=faulty)
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1", **{f"gone/{number:02d}": b"22" for number in range(25)}})
    context = pair.context(concurrency=8)
    plan = planned(context)
    faulty.received.clear()
    (summary,) = apply(context, plan, "delete")
    assert (summary.tally.done, summary.tally.bytes) == (25, 50)
    assert sorted(one.body.count(b"<Key>") for one in faulty.received if "delete" in one.query) == [5, 10, 10]
    assert pair.store.keys() == ["kept"]


def test_a_batch_is_looked_at_and_deleted_in_a_few_requests(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    gone = {f"gone/{number:02d}": b"22" for number in range(40)}
    pair.source.put({"first": b"1", "last": b"1"})
    pair.store.put(gone | {"first": b"1", "last": b"1"})
    context = pair.context(concurrency=8)
    plan = planned(context)
    pair.source.put({"gone/03": b"back"})
    pair.store.put({"gone/05": b"changed", "gone/055": b"not in the plan"})
    pair.store.delete("gone/39")
    faulty.received.clear()
    (summary,) = apply(context, plan, "delete")
    assert (summary.tally.done, summary.skips) == (38, {"BackInSource": 1, "ChangedSincePlan": 1})
    assert pair.store.keys() == ["first", "gone/03", "gone/05", "gone/055", "last"]
    rows = rows_of(context, plan)
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
    plan = planned(context)
    pair.source.put({"006-": b"back", "114-": b"back"})
    faulty.page_keys = 10
    faulty.received.clear()
    (summary,) = apply(context, plan, "delete")
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
    plan = planned(context)
    pair.source.put({"gone/03": b"back"})
    pair.store.put({"gone/05": b"changed"})
    # Probes ask for one key, and go through.
    faulty.fault = lambda received: error_answer(403, "AccessDenied") if "start-after" in received.query else None
    (summary,) = apply(context, plan, "delete")
    assert (summary.tally.done, summary.skips) == (28, {"BackInSource": 1, "ChangedSincePlan": 1})
    assert pair.store.keys() == ["gone/03", "gone/05", "kept"]


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_versions_before_a_delete_are_journaled(status: str, make_pair: MakePair) -> None:
    pair = make_pair(versioned=True)
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1"} | {f"gone/{number:02d}": b"22" for number in range(30)})
    pair.store.client.put_bucket_versioning(Bucket=pair.store.name, VersioningConfiguration={"Status": status})
    context = pair.context()
    plan = planned(context)
    head = pair.store.client.head_object(Bucket=pair.store.name, Key="gone/07")
    (summary,) = apply(context, plan, "delete")
    assert summary.tally.done == 30
    rows = rows_of(context, plan)
    assert rows["gone/07"].version_before == head["VersionId"]
    assert all(row.version_before for row in rows.values())


def test_a_delete_that_the_server_does_not_confirm_has_failed(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1", "a": b"1", "b": b"1", "c": b"1"})
    context = pair.context(concurrency=4)
    plan = planned(context)
    answer = (
        b"<DeleteResult><Deleted><Key>a</Key></Deleted>"
        b"<Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"
    )
    faulty.fault = lambda received: Answer(answer) if "delete" in received.query else None
    (summary,) = apply(context, plan, "delete")
    assert (summary.tally.done, summary.tally.failed) == (1, 2)
    assert outcomes(context, plan) == {
        "a": ("done", None),
        "b": ("failed", "AccessDenied"),
        "c": ("failed", "NotMentioned"),
    }


def test_a_key_that_can_not_be_asked_for_is_not_deleted(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1", "hidden": b"1", "gone": b"1"})
    context = pair.context(concurrency=4)
    plan = planned(context)
    faulty.fault = lambda received: Answer(status=403) if received.path == f"/{pair.source.name}/hidden" else None
    apply(context, plan, "delete")
    assert outcomes(context, plan) == {"hidden": ("failed", "AccessDenied"), "gone": ("done", None)}
    assert pair.store.keys() == ["hidden", "kept"]
