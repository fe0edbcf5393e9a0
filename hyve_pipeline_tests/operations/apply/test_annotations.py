"""Annotations: every copy has those of its source, and no server gets one that might take it for the object."""

from collections.abc import Iterator
from typing import Any

import pytest

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline_tests.annotating import AnnotatingServer
from hyve_pipeline_tests.ceph.cluster import CEPH
from hyve_pipeline_tests.faults import FaultyServer, faulty_server
from hyve_pipeline_tests.operations.applying import (
    CONTENT,
    apply,
    copied,
    copied_plan,
    outcomes,
    planned,
    put_in_parts,
    rows_of,
)
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import MakePair, Pair

LARGE = CONTENT[: 9 * MIB]
KEYS = ("small", "large", "in parts", "plain")
TEXTS = {"ml.labels": b'{"cat": 0.97}', "etl-status": "größer".encode(), "big": b"x" * MIB}

WAYS = pytest.mark.parametrize("way", ["server", "stream"])


@pytest.fixture
def pair(faulty: FaultyServer, make_pair: MakePair) -> Pair:
    pair = make_pair(through=faulty)
    pair.source.put({"small": b"x", "large": LARGE, "plain": b"nothing to say of it"})
    put_in_parts(pair.source, "in parts", [5 * MIB, 1])
    return pair


@pytest.fixture
def aws(faulty: FaultyServer, pair: Pair) -> AnnotatingServer:
    """Before both buckets; the source's objects have annotations, but for one."""
    server = AnnotatingServer(faulty)
    for key in KEYS[:-1]:
        server.annotate(pair.source.name, key, **TEXTS)
    return server


def _puts(received: list[Received]) -> list[str]:
    return [one.target for one in received if one.method == "PUT" and "annotation" in one.target]


@WAYS
def test_every_copy_has_the_annotations_of_its_source(pair: Pair, aws: AnnotatingServer, way: str) -> None:
    aws.page = 2
    plan, context = copied(pair, way)
    assert outcomes(context, plan) == dict.fromkeys(KEYS, ("done", None))
    assert {key: aws.of(pair.store.name, key) for key in KEYS} == {**dict.fromkeys(KEYS[:-1], TEXTS), "plain": {}}
    assert pair.store.read() == pair.source.read()
    # By CopyObject, the server itself copies them.
    written = {where.partition("/")[2] for where, _ in aws.puts}
    assert written == {*KEYS[:-1]} - ({"small"} if way == "server" else set())
    assert {row.without for row in rows_of(context, plan).values()} == {None}


@WAYS
def test_none_is_copied_that_is_excluded(pair: Pair, aws: AnnotatingServer, way: str) -> None:
    plan, context = copied(pair, way, annotations="exclude")
    assert outcomes(context, plan) == dict.fromkeys(KEYS, ("done", None))
    assert {key: aws.of(pair.store.name, key) for key in KEYS} == {key: {} for key in KEYS}


def _takes_everything_for_the_object(_: Received) -> Answer | None:
    return None


def _fails(received: Received) -> Answer | None:
    return error_answer(500, "InternalError") if "annotation" in received.query else None


def _has_not_implemented(received: Received) -> Answer | None:
    return error_answer(501, "NotImplemented") if "annotation" in received.query else None


def _finds_nothing(received: Received) -> Answer | None:
    return error_answer(404, "NoSuchConfiguration") if "annotation" in received.query else None


def _lists_the_bucket(received: Received) -> Answer | None:
    body = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    return Answer(body) if "annotation" in received.query and received.method == "GET" else None


def _is_empty(received: Received) -> Answer | None:
    return Answer() if "annotation" in received.query and received.method == "GET" else None


@pytest.mark.parametrize(
    ("store_does", "way"),
    # One look at the store decides, in either way.
    [
        (_takes_everything_for_the_object, "server"),  # as moto does
        (_takes_everything_for_the_object, "stream"),
        (_fails, "server"),
        (_has_not_implemented, "stream"),
        (_finds_nothing, "server"),
        (_lists_the_bucket, "stream"),
        (_is_empty, "server"),
    ],
)
def test_none_is_put_where_a_server_might_take_it_for_the_object(
    pair: Pair, aws: AnnotatingServer, faulty: FaultyServer, way: str, store_does: Any
) -> None:
    aws.buckets = {pair.source.name}

    def fault(received: Received) -> Answer | None:
        in_store = received.path.startswith(f"/{pair.store.name}/")
        return store_does(received) if in_store else aws(received)

    faulty.fault = fault
    plan, context = copied(pair, way)
    assert _puts(faulty.received) == []
    assert pair.store.read() == pair.source.read()
    rows = rows_of(context, plan)
    # What the server copies as a whole is its own affair.
    lost = {*KEYS[:-1]} - ({"small"} if way == "server" else set())
    assert {key: row.without for key, row in rows.items()} == {
        key: "annotations" if key in lost else None for key in KEYS
    }
    assert [lack.described for lack in plan_status(context, plan).lacks if not lack.is_minor] == [
        f"s3://{pair.store.name}: the server does not support annotations: objects arrive without theirs"
    ]


@WAYS
def test_an_object_that_looks_like_a_list_of_annotations_is_none(
    pair: Pair, aws: AnnotatingServer, faulty: FaultyServer, way: str
) -> None:
    """A server that ignores the parameter answers with it."""
    aws.buckets = {pair.source.name}
    body = (
        f"<ListObjectAnnotationsOutput><Annotations/><Bucket>{pair.store.name}</Bucket><Key>trap</Key>"
        "<AnnotationCount>0</AnnotationCount></ListObjectAnnotationsOutput>"
    ).encode()
    pair.source.put({"trap": body})
    aws.annotate(pair.source.name, "trap", **TEXTS)
    copied(pair, way)
    assert _puts(faulty.received) == []
    assert pair.store.read() == pair.source.read()


@pytest.mark.parametrize(
    ("server", "way"),
    # rclone's server copies no parts.
    [
        *(("moto", "server"), ("moto", "stream")),
        pytest.param("rclone", "stream", marks=pytest.mark.rclone),
        *(pytest.param("ceph", way, marks=CEPH) for way in ("server", "stream")),
    ],
)
def test_servers_without_annotations_get_none_and_are_asked_once(
    request: pytest.FixtureRequest, make_pair: MakePair, server: str, way: str
) -> None:
    endpoint_url = request.getfixturevalue(f"{server}_endpoint")
    with faulty_server(endpoint_url) as proxy:
        pair = make_pair(endpoint_url=endpoint_url, through=proxy)
        pair.source.put({"small": b"x", "large": LARGE, "plain": b"y"})
        plan, context = copied(pair, way)
        assert {code for code, _ in outcomes(context, plan).values()} == {"done"}
        assert _puts(proxy.received) == []
        assert pair.store.read() == pair.source.read()
        asked = [one for one in proxy.received if "annotation" in one.query]
        # And not of the store.
        assert [one.path.split("/")[1] for one in asked] == [pair.source.name]
        assert plan_status(context, plan).without == {}


@WAYS
@pytest.mark.parametrize("denied", ["ListObjectAnnotations", "GetObjectAnnotation", "PutObjectAnnotation"])
def test_a_missing_permission_fails_the_object_and_says_what_to_do(
    pair: Pair, aws: AnnotatingServer, way: str, denied: str
) -> None:
    aws.denied = {denied}
    plan, context = copied(pair, way)
    row = rows_of(context, plan)["in parts"]
    assert (row.outcome.value, row.code) == ("failed", "AccessDenied")
    assert row.detail is not None
    assert f'(allow s3:{denied}; annotations = "exclude" copies objects without theirs)' in row.detail
    aws.denied = set()
    apply(context, plan, "copy")
    assert {code for code, _ in outcomes(context, plan).values()} == {"done"}
    assert aws.of(pair.store.name, "in parts") == TEXTS


@WAYS
def test_a_copy_that_ended_before_its_annotations_is_not_done(
    pair: Pair, aws: AnnotatingServer, faulty: FaultyServer, way: str
) -> None:
    """Neither for the next attempt at its plan nor for the next plan."""
    faulty.fault = _failing_puts(aws, "etl-status")
    plan, context = copied(pair, way)
    assert rows_of(context, plan)["in parts"].outcome.value == "failed"
    assert "etl-status" not in aws.of(pair.store.name, "in parts")
    faulty.fault = aws
    again = copied_plan(context)
    assert outcomes(context, again)["in parts"] == ("done", None)
    assert aws.of(pair.store.name, "in parts") == TEXTS
    apply(context, plan, "copy")
    assert aws.of(pair.store.name, "in parts") == TEXTS


def _failing_puts(aws: AnnotatingServer, name: str) -> Any:
    def fault(received: Received) -> Answer | None:
        if received.method == "PUT" and received.query.get("annotationName") == name:
            return error_answer(400, "InvalidRequest", "no more today")
        return aws(received)

    return fault


def test_an_object_that_is_replaced_before_its_annotations_gets_none(pair: Pair, aws: AnnotatingServer) -> None:
    theirs = b"written by another program"
    aws.kept[f"{pair.source.name}/large"] = {"only": (b"text", {})}

    def replace(received: Received) -> None:
        is_put = received.method == "PUT" and "annotation" in received.query
        if is_put and received.path.endswith("/large"):
            aws.before = lambda _: None
            pair.store.put({"large": theirs})

    aws.before = replace
    plan, context = copied(pair, "stream")
    row = rows_of(context, plan)["large"]
    assert (row.outcome.value, row.code) == ("skipped", "ChangedSincePlan")
    assert "the store's object was replaced before it had its annotations" in (row.detail or "")
    assert pair.store.read()["large"] == theirs
    assert not [name for where, name in aws.puts if where.endswith("/large")]


def test_what_differs_in_annotations_is_found_and_repaired(pair: Pair, aws: AnnotatingServer) -> None:
    copied(pair, "server")
    aws.kept[f"{pair.store.name}/small"]["etl-status"] = b"other text", {}
    del aws.kept[f"{pair.store.name}/large"]["big"]
    aws.annotate(pair.store.name, "in parts", more=b"that the source lacks")
    content = pair.store.read()
    plan, context = copied(pair, "server", compare_properties=True)
    assert outcomes(context, plan) == dict.fromkeys(KEYS[:-1], ("done", None))
    assert {key: aws.of(pair.store.name, key) for key in KEYS[:-1]} == dict.fromkeys(KEYS[:-1], TEXTS)
    assert pair.store.read() == content
    assert not planned(context).shards


def test_annotations_that_are_excluded_are_no_difference(pair: Pair, aws: AnnotatingServer) -> None:
    copied(pair, "server", annotations="exclude")
    context = pair.context(compare_properties=True, annotations="exclude")
    assert not planned(context).shards


@pytest.fixture(autouse=True)
def no_annotation_is_deleted(faulty: FaultyServer) -> Iterator[None]:
    """Nothing brings one back."""
    yield
    assert not [one for one in faulty.received if one.method == "DELETE" and "annotation" in one.query]
