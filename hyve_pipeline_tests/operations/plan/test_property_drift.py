"""Finding and repairing what drifted: odd keys, small ranges, grants and redirects."""

from dataclasses import replace

import pytest

from hyve_pipeline.core.base.keys import list_line
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import apply, copied_plan, outcomes, planned
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import Bucket, MakePair

_BY_BYTES = sorted(ODD_KEYS, key=str.encode)


def test_odd_keys_below_prefixes_in_small_ranges(make_pair: MakePair, faulty: FaultyServer) -> None:
    faulty.page_keys = 3
    pair = make_pair(through=faulty, prefixes=("in/", "deep/out/"))
    plain, tagged = _BY_BYTES[::2], _BY_BYTES[1::4]
    same, fresh = set(_BY_BYTES) - {*plain, *tagged}, "none of them"
    pair.source.put({f"in/{key}": b"1" for key in plain}, ContentType="text/plain")
    pair.source.put({f"in/{key}": b"1" for key in tagged}, Tagging="a=b")
    pair.source.put({f"in/{key}": b"1" for key in [*same, fresh]})
    pair.store.put({f"deep/out/{key}": b"1" for key in plain}, ContentType="text/html")
    pair.store.put({f"deep/out/{key}": b"1" for key in [*tagged, *same]})
    context = pair.context(compare_properties=True, shard_objects=7)
    context = replace(context, bounds=WorkBounds(range_rows=6, row_group_rows=3))
    plan = planned(context)
    drifted = sorted([f"in/{key}" for key in [*plain, *tagged]], key=str.encode)
    assert pair.lines("drifted") == list(map(list_line, drifted))
    figures = {name: plan.count(name).objects for name in (ChangeSet.NEW, ChangeSet.MODIFIED, ChangeSet.UNCHANGED)}
    assert figures == {ChangeSet.NEW: 1, ChangeSet.MODIFIED: 0, ChangeSet.UNCHANGED: len(same)}
    apply(context, plan, "copy")
    assert set(outcomes(context, plan).values()) == {("done", None)}
    for key in plain:
        assert _head(pair.store, f"deep/out/{key}")["ContentType"] == "text/plain"
    assert verify_plan(context, plan).verified
    assert planned(context).count(ChangeSet.DRIFTED).objects == 0


def _head(bucket: Bucket, key: str) -> dict[str, object]:
    return bucket.client.head_object(Bucket=bucket.name, Key=key)


@pytest.mark.parametrize("copied", [True, False])
def test_redirects_count_where_they_are_copied(make_pair: MakePair, copied: bool) -> None:
    pair = make_pair()
    pair.source.put({"a": b"1"}, WebsiteRedirectLocation="/elsewhere")
    pair.store.put({"a": b"1"})
    context = pair.context(compare_properties=True, website_redirects=copied)
    plan = planned(context)
    assert plan.count(ChangeSet.DRIFTED).objects == int(copied)
    apply(context, plan, "copy")
    assert _head(pair.store, "a").get("WebsiteRedirectLocation") == ("/elsewhere" if copied else None)
    assert planned(context).count(ChangeSet.DRIFTED).objects == 0


def test_grants_go_with_a_repair(make_pair: MakePair) -> None:
    pair = make_pair()
    pair.source.put({"a": b"1"}, ContentType="text/plain", ACL="public-read")
    pair.store.put({"a": b"1"}, ContentType="text/html")
    context = pair.context(compare_properties=True, acl="source")
    copied_plan(context)
    assert _head(pair.store, "a")["ContentType"] == "text/plain"
    found = pair.store.client.get_object_acl(Bucket=pair.store.name, Key="a")["Grants"]
    grants = {(grant["Grantee"].get("URI"), grant["Permission"]) for grant in found}
    assert ("http://acs.amazonaws.com/groups/global/AllUsers", "READ") in grants


@pytest.mark.parametrize("knowing", ["source", "store", None])
def test_tags_do_not_count_where_a_server_knows_none(
    make_pair: MakePair, faulty: FaultyServer, knowing: str | None
) -> None:
    """Such servers take a request for tags for one for the object: to write tags would overwrite it."""
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1", "b": b"1"}, Tagging="a=b", ContentType="text/plain")
    pair.store.put({"a": b"1"}, Tagging="c=d", ContentType="text/plain")
    pair.store.put({"b": b"1"}, Tagging="c=d", ContentType="text/html")

    def fault(received: Received) -> Answer | None:
        bucket = received.path.split("/")[1]
        if knowing is not None and bucket == getattr(pair, knowing).name:
            return None
        return faulty.forward(replace(received, target=received.path)) if "tagging" in received.query else None

    faulty.fault = fault
    context = pair.context(compare_properties=True)
    plan = planned(context)
    assert pair.lines("drifted") == ["b"]
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"b": ("done", None)}
    faulty.fault = lambda _: None
    assert pair.store.read() == pair.source.read()
    assert _head(pair.store, "b")["ContentType"] == "text/plain"
    tags = pair.store.client.get_object_tagging(Bucket=pair.store.name, Key="a")["TagSet"]
    assert tags == [{"Key": "c", "Value": "d"}]


def test_what_is_filtered_out_is_not_looked_at(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    for bucket, kind in ((pair.source, "text/plain"), (pair.store, "text/html")):
        bucket.put({"tmp/a": b"1", "b": b"1"}, ContentType=kind)
    assert planned(pair.context(compare_properties=True, exclude=["tmp/*"])).count(ChangeSet.DRIFTED).objects == 1
    assert not any(received.path.endswith("/tmp/a") for received in faulty.received)
    # Four questions an object, and for the first of each bucket one more: whether the server has annotations.
    assert sum(received.path.endswith("/b") for received in faulty.received) == 6
