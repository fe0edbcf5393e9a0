"""A repair gives the store's object what differs in the source's, and leaves it all that is not compared."""

from typing import Any

import pytest

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.s3.copying import rewrite
from hyve_pipeline_tests.annotating import AnnotatingServer
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import copied_plan, outcomes, planned, put_in_parts, rows_of
from hyve_pipeline_tests.syncs import Bucket, MakePair, Pair

KEYS = ("small", "in parts")
TEXTS = {"reviewed": b"by us", "score": b"7"}


@pytest.fixture
def pair(faulty: FaultyServer, make_pair: MakePair) -> Pair:
    """Objects of equal content; those of the store have another type than those of the source."""
    pair = make_pair(through=faulty)
    for bucket, kind in ((pair.source, "text/plain"), (pair.store, "text/html")):
        bucket.put({"small": b"x"}, ContentType=kind)
        put_in_parts(bucket, "in parts", [5 * MIB, 1], ContentType=kind)
    return pair


@pytest.fixture
def aws(faulty: FaultyServer, pair: Pair) -> AnnotatingServer:
    """Before both buckets; the store's objects have annotations."""
    server = AnnotatingServer(faulty)
    for key in KEYS:
        server.annotate(pair.store.name, key, **TEXTS)
    return server


def _repair(pair: Pair, **options: Any) -> dict[str, tuple[str, str | None]]:
    context = pair.context(compare_properties=True, **options)
    plan = copied_plan(context)
    return outcomes(context, plan)


def _types(bucket: Bucket) -> list[str]:
    return [bucket.client.head_object(Bucket=bucket.name, Key=key)["ContentType"] for key in KEYS]


@pytest.mark.parametrize("options", [{}, {"annotations": "exclude"}])
def test_annotations_that_are_not_compared_stay(pair: Pair, aws: AnnotatingServer, options: dict[str, Any]) -> None:
    """Since the source's server has none, or since they are excluded."""
    if not options:
        aws.buckets = {pair.store.name}
    content = pair.store.read()
    assert _repair(pair, **options) == dict.fromkeys(KEYS, ("done", None))
    assert _types(pair.store) == ["text/plain"] * 2
    assert {key: aws.of(pair.store.name, key) for key in KEYS} == dict.fromkeys(KEYS, TEXTS)
    assert pair.store.read() == content


def test_an_object_without_annotations_keeps_its_parts(pair: Pair, aws: AnnotatingServer) -> None:
    aws.buckets = {pair.store.name}
    aws.kept.clear()
    etag = pair.store.listing()["in parts"][2]
    assert _repair(pair) == dict.fromkeys(KEYS, ("done", None))
    assert pair.store.listing()["in parts"][2] == etag


def test_an_object_that_would_lose_annotations_is_left_as_it_is(
    pair: Pair, aws: AnnotatingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is too large for CopyObject, by which the server takes them over."""
    aws.buckets = {pair.store.name}
    monkeypatch.setattr(rewrite, "MAX_SINGLE_COPY", 5 * MIB)
    context = pair.context(compare_properties=True)
    plan = copied_plan(context)
    row = rows_of(context, plan)["in parts"]
    assert (row.outcome.value, row.code) == ("failed", "EntityTooLarge")
    assert "it has 2 annotations, which would be lost" in (row.detail or "")
    assert _types(pair.store) == ["text/plain", "text/html"]
    assert aws.of(pair.store.name, "in parts") == TEXTS


def _tags(bucket: Bucket, key: str) -> dict[str, str]:
    answer = bucket.client.get_object_tagging(Bucket=bucket.name, Key=key)
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def _own_of(bucket: Bucket, key: str) -> dict[str, Any]:
    head = bucket.client.head_object(Bucket=bucket.name, Key=key)
    return {name: head.get(name) for name in ("StorageClass", "WebsiteRedirectLocation")}


def test_tags_class_and_redirect_that_are_not_compared_stay(faulty: FaultyServer, make_pair: MakePair) -> None:
    pair = make_pair(through=faulty)
    its_own = {"Tagging": "team=store", "StorageClass": "ONEZONE_IA", "WebsiteRedirectLocation": "/there"}
    for bucket, more in ((pair.source, {}), (pair.store, its_own)):
        kind = "text/plain" if bucket is pair.source else "text/html"
        bucket.put({"small": b"x"}, ContentType=kind, **more)
        put_in_parts(bucket, "in parts", [5 * MIB, 1], ContentType=kind, **more)
    before = {key: _own_of(pair.store, key) for key in KEYS}
    options = {"object_tags": "skip", "storage_class": "default", "website_redirects": False}
    assert _repair(pair, **options) == dict.fromkeys(KEYS, ("done", None))
    assert _types(pair.store) == ["text/plain"] * 2
    assert {key: _own_of(pair.store, key) for key in KEYS} == before
    assert [_tags(pair.store, key) for key in KEYS] == [{"team": "store"}] * 2


def test_tags_that_are_skipped_are_not_asked_for_to_compare(pair: Pair, faulty: FaultyServer) -> None:
    planned(pair.context(compare_properties=True, object_tags="skip"))
    assert not [one for one in faulty.received if "tagging" in one.query]
