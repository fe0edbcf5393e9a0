"""Objects that have only moved are copied within the store, if they are proved to be the same; else as any other."""

from dataclasses import replace
from typing import Any

import pytest

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline_tests.annotating import AnnotatingServer
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import apply, copied_keys, outcomes, planned, rows_of
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import MakePair, Pair

_WAYS = pytest.mark.parametrize("way", ["stream", "server"])
_CONTENT = b"the same bytes as before"


@pytest.fixture
def pair(make_pair: MakePair, faulty: FaultyServer) -> Pair:
    """A sync whose source has at `new` what the store has at `old`, with other properties."""
    pair = make_pair(through=faulty)
    pair.store.put({"old": _CONTENT}, ContentType="text/html", Metadata={"a": "old"}, Tagging="is=old")
    pair.source.put({"new": _CONTENT}, ContentType="text/plain", Metadata={"b": "new"}, Tagging="is=new")
    pair.source.put({"other": b"1"})
    pair.store.put({"other": b"1"})
    return pair


def _planned(pair: Pair, way: str, **options: Any) -> tuple[SyncContext, Plan]:
    context = pair.context(moves=True, transfer=way, **options)
    return context, planned(context)


def _read_of_source(pair: Pair, faulty: FaultyServer) -> list[str]:
    """The keys whose content was read from the source, by this process or by the server."""
    read = [
        received.path.rpartition("/")[2]
        for received in faulty.received
        if received.method == "GET" and received.path.startswith(f"/{pair.source.name}/") and not received.query
    ]
    sources = [received.headers.get("x-amz-copy-source", "") for received in faulty.received]
    return [key for key in read if key] + [one for one in sources if one.strip("/").startswith(pair.source.name)]


@_WAYS
def test_the_bytes_come_from_the_store_and_all_else_from_the_source(pair: Pair, faulty: FaultyServer, way: str) -> None:
    context, plan = _planned(pair, way)
    assert (plan.moved.objects, plan.moved.bytes) == (1, len(_CONTENT))
    faulty.received.clear()
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"new": ("done", None)}
    assert rows_of(context, plan)["new"].detail == "copied within the store, from old"
    assert _read_of_source(pair, faulty) == []
    assert copied_keys(faulty.received) == ["new"]
    assert pair.store.keys() == ["new", "old", "other"]
    apply(context, plan, "delete")
    assert verify_plan(context, plan, content="100%").verified
    assert pair.store.carried(["new"]) == pair.source.carried(["new"])
    tags = pair.store.client.get_object_tagging(Bucket=pair.store.name, Key="new")["TagSet"]
    assert tags == [{"Key": "is", "Value": "new"}]
    again = planned(context)
    assert (again.is_empty, again.moved.objects, again.moves) == (True, 0, ())


@_WAYS
@pytest.mark.parametrize("has_some", [True, False])
def test_annotations_are_those_of_the_source(pair: Pair, faulty: FaultyServer, way: str, has_some: bool) -> None:
    """Also where the source's server has none, as with a copy of its object."""
    aws = AnnotatingServer(faulty)
    aws.annotate(pair.store.name, "old", label=b"old")
    if has_some:
        aws.annotate(pair.source.name, "new", label=b"new")
    else:
        aws.buckets = {pair.store.name}
    context, plan = _planned(pair, way)
    apply(context, plan, "copy")
    assert rows_of(context, plan)["new"].detail == "copied within the store, from old"
    assert aws.of(pair.store.name, "new") == ({"label": b"new"} if has_some else {})


@_WAYS
@pytest.mark.parametrize("change", ["overwritten", "deleted", "not an MD5", "no copies"])
def test_what_is_not_proved_is_copied_as_any_other(pair: Pair, faulty: FaultyServer, way: str, change: str) -> None:
    context, plan = _planned(pair, way)
    if change == "overwritten":
        pair.store.put({"old": b"changed since the plan!!"})
    elif change == "deleted":
        pair.store.delete("old")
    old = f"/{pair.store.name}/old"

    def fault(received: Received) -> Answer | None:
        if change == "not an MD5" and received.method == "HEAD" and received.path == old:
            answer = faulty.forward(received)
            return replace(answer, headers={**answer.headers, "x-amz-server-side-encryption": "aws:kms"})
        if change == "no copies" and pair.store.name in received.headers.get("x-amz-copy-source", ""):
            return error_answer(501, "NotImplemented", "A header you provided implies functionality that is not")
        return None

    faulty.fault = fault
    apply(context, plan, "copy")
    faulty.fault = lambda _: None
    assert outcomes(context, plan) == {"new": ("done", None)}
    assert rows_of(context, plan)["new"].detail is None
    assert pair.store.carried(["new"]) == pair.source.carried(["new"])


@_WAYS
def test_what_is_at_the_new_key_by_now_is_not_overwritten(pair: Pair, way: str) -> None:
    context, plan = _planned(pair, way)
    pair.store.put({"new": b"by somebody else"})
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"new": ("skipped", "ChangedSincePlan")}
    assert pair.store.read()["new"] == b"by somebody else"


def test_a_source_that_changed_is_left_to_the_next_plan(pair: Pair) -> None:
    context, plan = _planned(pair, "stream")
    pair.source.put({"new": b"of another time"})
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"new": ("skipped", "ChangedSincePlan")}
    assert pair.store.keys() == ["old", "other"]


@_WAYS
def test_an_attempt_that_ended_before_the_tags_is_completed(pair: Pair, faulty: FaultyServer, way: str) -> None:
    context, plan = _planned(pair, way, patience_seconds=0)
    refused = error_answer(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
    tags_fail = True

    def fault(received: Received) -> Answer | None:
        if received.method != "PUT" or received.path != f"/{pair.store.name}/new":
            return None
        if "x-amz-tagging" in received.headers:
            return refused
        return error_answer(500, "InternalError", "later") if "tagging" in received.query and tags_fail else None

    faulty.fault = fault
    apply(context, plan, "copy")
    assert outcomes(context, plan)["new"][0] == "failed"
    assert pair.store.read()["new"] == _CONTENT
    tags_fail = False
    apply(context, plan, "copy")
    assert outcomes(context, plan)["new"][0] == "done"
    tags = pair.store.client.get_object_tagging(Bucket=pair.store.name, Key="new")["TagSet"]
    assert tags == [{"Key": "is", "Value": "new"}]


def test_only_what_is_gone_and_equal_has_moved(make_pair: MakePair) -> None:
    pair = make_pair(prefixes=("in/", "out/"))
    # Several with the same bytes, one that stays, one of another size, empty ones.
    pair.store.put({"out/gone/1": b"x", "out/gone/2": b"x", "out/stays": b"y", "out/gone/3": b"z", "out/gone/4": b""})
    pair.source.put({"in/new/1": b"x", "in/new/2": b"x", "in/new/3": b"y", "in/stays": b"y", "in/new/4": b""})
    context, plan = _planned(pair, "stream", max_deletes="100%")
    assert plan.count(ChangeSet.DUPLICATE).objects == 4
    assert plan.moved.objects == 2
    apply(context, plan, "copy")
    details = {key: row.detail for key, row in rows_of(context, plan).items()}
    within = "copied within the store, from out/gone/1"
    assert details == {"new/1": within, "new/2": within, "new/3": None, "new/4": None}
    apply(context, plan, "delete")
    assert {key.removeprefix("out/"): body for key, body in pair.store.read().items()} == {
        key.removeprefix("in/"): body for key, body in pair.source.read().items()
    }


def test_without_the_option_nothing_moves(pair: Pair) -> None:
    plan = planned(pair.context())
    assert (plan.moves, plan.moved.objects) == ((), 0)
