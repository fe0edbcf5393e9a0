"""Filters on objects, through plans, copies, deletes, verifications and proofs."""

from dataclasses import replace

import pytest

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.proof import Unlike
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.operations.apply.loop import apply_plan
from hyve_pipeline.operations.plan.listed_rows import listed_rows
from hyve_pipeline.operations.prove.prove import prove_plan
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import planned
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import MakePair, next_second

_PUBLIC = {"filter": {"tag": {"public": "yes"}}}


def _is_of_tags(received: Received) -> bool:
    return received.method == "GET" and "tagging" in received.query


def test_the_tags_of_the_source_decide_on_both_sides(make_pair: MakePair) -> None:
    pair = make_pair()
    yes, no = {"Tagging": "public=yes&more=1"}, {"Tagging": "public=no"}
    # Copied before they lost their tag, or gone from the source since.
    pair.store.put({"private": b"older", "changed": b"as it was", "gone": b"1"}, **yes)
    pair.store.put({"foreign": b"1"}, **no)
    next_second()
    pair.source.put({"new": b"1", "same": b"2"}, **yes)
    pair.source.put({"private": b"1", "changed": b"was tagged"}, **no)
    pair.source.put({"without": b"1"})
    pair.store.take_from(pair.source, ["same"])
    context = replace(pair.context(**_PUBLIC, max_deletes=5), bounds=WorkBounds(range_rows=2))
    plan = planned(context)
    assert [row.key for row in listed_rows(context.state, plan, ChangeSet.NEW)] == ["new"]
    assert [row.key for row in listed_rows(context.state, plan, ChangeSet.DUPLICATE)] == ["gone"]
    assert plan.count(ChangeSet.MODIFIED).objects == 0
    left_out = {row.key: row.reason for row in listed_rows(context.state, plan, ChangeSet.EXCLUDED)}
    assert left_out == dict.fromkeys(["changed", "foreign", "private", "without"], "has other tags than filter.tag")
    for action in ("copy", "delete"):
        apply_plan(context, plan, action)
    assert set(pair.store.keys()) == {"private", "changed", "foreign", "new", "same"}
    # What becomes of the others in the store meanwhile is not this sync's matter.
    pair.store.put({"changed": b"by somebody else"})
    found = verify_plan(context, plan, content="100%")
    assert found.differences == {}
    assert found.content is not None
    assert found.content.objects == 2
    proof = prove_plan(context, plan)[0]
    assert proof.not_in_tree[Unlike.EXCLUDED].objects == 4
    assert sum(count.objects for count in proof.not_in_tree.values()) == 4


def test_what_is_left_out_by_size_stays_and_is_not_verified(make_pair: MakePair) -> None:
    pair = make_pair()
    pair.store.put({"large": b"an earlier one", "only here": b"also large", "x": b"1"})
    next_second()
    pair.source.put({"large": b"another that is large", "small": b"1"})
    context = pair.context(filter={"max_size": 9}, max_deletes=5)
    plan = planned(context)
    assert {name: count.objects for name, count in plan.counts.items() if count.objects} == {
        ChangeSet.NEW: 1,
        ChangeSet.DUPLICATE: 1,
        ChangeSet.EXCLUDED: 2,
    }
    for action in ("copy", "delete"):
        apply_plan(context, plan, action)
    pair.store.put({"large": b"written by another sync", "larger": b"that came since"})
    assert verify_plan(context, plan, content="100%").differences == {}
    assert prove_plan(context, plan)[0].not_in_tree[Unlike.EXCLUDED].objects == 3
    pair.store.put({"tiny": b"1"})
    assert [key for _, key in verify_plan(context, plan).examples] == ["tiny"]


def test_drifted_objects_are_asked_for_their_tags_too(make_pair: MakePair) -> None:
    pair = make_pair()
    pair.source.put({"a": b"1"}, Tagging="public=yes", ContentType="text/plain")
    pair.source.put({"b": b"1"}, Tagging="public=no", ContentType="text/plain")
    pair.store.put({"a": b"1", "b": b"1"}, ContentType="text/html")
    plan = planned(pair.context(**_PUBLIC, compare_properties=True))
    assert {name: count.objects for name, count in plan.counts.items() if count.objects} == {
        ChangeSet.DRIFTED: 1,
        ChangeSet.EXCLUDED: 1,
    }


def test_without_tags_on_copies_the_store_can_not_be_asked(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1"}, Tagging="public=yes")
    pair.store.put({"gone": b"1"})
    plan = planned(pair.context(**_PUBLIC, object_tags="skip"))
    assert plan.count(ChangeSet.DUPLICATE).objects == 1
    assert [received.path.rpartition("/")[2] for received in faulty.received if _is_of_tags(received)] == ["a"]


@pytest.mark.parametrize(
    ("answer", "error", "line"),
    [
        (Answer(b"<Error><Code>NotImplemented</Code></Error>", 501), ConfigurationError, "has no tags"),
        (Answer(b"<Error><Code>AccessDenied</Code></Error>", 403), BucketError, "so no plan was made: run it again"),
    ],
)
def test_without_the_tags_there_is_no_plan(
    make_pair: MakePair, faulty: FaultyServer, answer: Answer, error: type[Exception], line: str
) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1"}, Tagging="public=yes")
    faulty.fault = lambda received: answer if _is_of_tags(received) else None
    with pytest.raises(error, match=line):
        planned(pair.context(**_PUBLIC))


def test_the_plan_has_times_for_durations_and_all_processes_use_them(make_pair: MakePair) -> None:
    pair = make_pair()
    pair.source.put({"a": b"1"})
    plan = planned(pair.context(filter={"newer_than": "1 h"}))
    assert plan.count(ChangeSet.NEW).objects == 1
    assert plan.options.filter is not None
    assert plan.options.filter.newer_than == plan.options.filter.at(plan.created).newer_than
    later = planned(pair.context(filter={"older_than": "1 h"}))
    assert later.count(ChangeSet.EXCLUDED).objects == 1
