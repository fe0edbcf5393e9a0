"""Objects of which a listing has no ETag: asked for by HEAD, else skipped and named, and left alone."""

import re

import pytest

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.operations.inventory.take import take_inventory
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline_tests.faults import Fault, FaultyServer
from hyve_pipeline_tests.operations.applying import apply, planned
from hyve_pipeline_tests.s3.scripted import Answer, Received, head_answer
from hyve_pipeline_tests.syncs import MakePair, Pair


def _without_etags(
    faulty: FaultyServer, bucket: str, keys: str = "[^<]*", head: Answer | None = None, name: str = "ETag"
) -> Fault:
    """Leaves out ETags of a bucket's listings, or another element, and answers HEAD in another way."""

    def fault(received: Received) -> Answer | None:
        if not received.path.startswith(f"/{bucket}"):
            return None
        # What HEAD refuses is asked by GET.
        if received.method == "HEAD" or (head is not None and head.status != 200 and not received.query):
            return head if re.fullmatch(keys, received.path.rpartition("/")[2]) else None
        if "list-type" not in received.query:
            return None
        pattern = rf"(<Key>(?:{keys})</Key>(?:(?!<Key>).)*?)<{name}>[^<]*</{name}>"
        return Answer(re.sub(pattern.encode(), rb"\1", faulty.forward(received).body, flags=re.DOTALL))

    return fault


def _pair(make_pair: MakePair, faulty: FaultyServer) -> Pair:
    pair = make_pair(through=faulty, max_deletes="100%")
    pair.store.put({"gone": b"1", "old": b"1", "same": b"1"})
    pair.source.put({"new": b"1", "old": b"22", "same": b"1"})
    pair.store.take_from(pair.source, ["same"])
    return pair


@pytest.mark.parametrize("name", ["ETag", "LastModified", "Size"])
@pytest.mark.parametrize("side", ["source", "store"])
def test_head_says_what_a_listing_lacks(side: str, name: str, make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = _pair(make_pair, faulty)
    faulty.fault = _without_etags(faulty, getattr(pair, side).name, name=name)
    context = pair.context(max_deletes="100%")
    plan = planned(context)
    assert (plan.unpinned, plan.skipped_examples) == (0, ())
    for action in ("copy", "delete"):
        assert all(not summary.tally.failed and not summary.skips for summary in apply(context, plan, action))
    assert pair.store.read() == pair.source.read()
    assert verify_plan(context, plan).verified


_NOTHING = Answer(headers={"Content-Length": "1", "Last-Modified": "Mon, 06 May 2024 07:08:09 GMT"})


def test_an_object_without_size_that_can_not_be_asked_for_is_skipped(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = _pair(make_pair, faulty)
    faulty.fault = _without_etags(faulty, pair.source.name, "new", Answer(status=403), "Size")
    plan = planned(pair.context(max_deletes="100%"))
    assert (plan.unpinned, plan.count(ChangeSet.SKIPPED).objects, plan.count(ChangeSet.NEW).objects) == (1, 1, 0)
    assert plan.count(ChangeSet.MODIFIED).objects == 1


@pytest.mark.parametrize("head", [_NOTHING, Answer(status=403), head_answer(1)], ids=["no ETag", "refused", "another"])
def test_objects_of_the_source_without_any_etag_are_skipped_and_named(
    head: Answer, make_pair: MakePair, faulty: FaultyServer
) -> None:
    pair = _pair(make_pair, faulty)
    faulty.fault = _without_etags(faulty, pair.source.name, "new|old", head)
    plan = planned(pair.context(max_deletes="100%"))
    assert {name: plan.count(name).objects for name in ChangeSet if plan.count(name).objects} == {
        ChangeSet.SKIPPED: 2,
        ChangeSet.DUPLICATE: 1,
        ChangeSet.UNCHANGED: 1,
    }
    assert plan.unpinned == 2
    assert plan.skipped_examples == (
        ("new", "no ETag in the source's listing, missing in store"),
        ("old", "no ETag in the source's listing, size differs"),
    )


def test_objects_of_the_store_without_any_etag_are_left_alone(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = _pair(make_pair, faulty)
    faulty.fault = _without_etags(faulty, pair.store.name, "gone|old", _NOTHING)
    context = pair.context(max_deletes="100%")
    plan = planned(context)
    assert [key for key, _ in plan.skipped_examples] == ["gone", "old"]
    for action in ("copy", "delete"):
        apply(context, plan, action)
    assert pair.store.read() == {"gone": b"1", "new": b"1", "old": b"1", "same": b"1"}


def test_after_many_in_vain_head_is_asked_no_more(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number:03d}": b"1" for number in range(250)})
    faulty.page_keys = 50
    faulty.fault = _without_etags(faulty, pair.source.name, head=Answer(status=403))
    context = pair.context(listing_concurrency=1)
    faulty.received.clear()
    source = take_inventory(context, "source")
    assert sum(one.method == "HEAD" for one in faulty.received) == 100
    diff = diff_inventories(context, source, take_inventory(context, "store"))
    assert (diff.unpinned, len(diff.skipped_examples)) == (250, 5)


def test_a_delete_asks_for_the_etag_that_the_last_listing_lacks(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1"} | {f"gone/{number:02d}": b"1" for number in range(20)})
    context = pair.context(max_deletes="100%")
    plan = planned(context)
    faulty.fault = _without_etags(faulty, pair.store.name)
    (summary,) = apply(context, plan, "delete")
    assert (summary.tally.done, summary.skips) == (20, {})
