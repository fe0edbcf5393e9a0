"""Object Lock: copies are protected as their sources are, and never less than they were."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline_tests.annotating import AnnotatingServer
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import (
    CONTENT,
    copied,
    outcomes,
    planned,
    put_in_parts,
    rows_of,
)
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import Bucket, MakePair, Pair

LARGE = CONTENT[: 9 * MIB]
SOON = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0)
LATER = SOON + timedelta(days=30)
# moto finds no version of a key with a space.
KEYS = ("small", "large", "in-parts")
LOCK = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": SOON, "ObjectLockLegalHoldStatus": "ON"}

WAYS = pytest.mark.parametrize("way", ["server", "stream"])


def enable(bucket: Bucket) -> None:
    configuration = {"ObjectLockEnabled": "Enabled"}
    bucket.client.put_object_lock_configuration(Bucket=bucket.name, ObjectLockConfiguration=configuration)


def lock(bucket: Bucket, key: str, mode: str = "GOVERNANCE", until: datetime = SOON, hold: str = "ON") -> None:
    bucket.client.put_object_retention(Bucket=bucket.name, Key=key, Retention={"Mode": mode, "RetainUntilDate": until})
    bucket.client.put_object_legal_hold(Bucket=bucket.name, Key=key, LegalHold={"Status": hold})


def lock_of(bucket: Bucket, key: str) -> dict[str, Any]:
    head = bucket.client.head_object(Bucket=bucket.name, Key=key)
    return {name: head[name] for name in LOCK if name in head}


@pytest.fixture
def pair(faulty: FaultyServer, make_pair: MakePair) -> Pair:
    pair = make_pair(through=faulty, versioned=True)
    enable(pair.source)
    pair.source.put({"small": b"x", "large": LARGE, "plain": b"as free as before"})
    put_in_parts(pair.source, "in-parts", [5 * MIB, 1])
    for key in KEYS:
        lock(pair.source, key)
    return pair


def _copy(pair: Pair, way: str, **options: Any) -> tuple[Plan, SyncContext]:
    return copied(pair, way, **{"locks": "copy"} | options)


@WAYS
def test_every_copy_is_protected_as_its_source_is(pair: Pair, way: str) -> None:
    enable(pair.store)
    plan, context = _copy(pair, way)
    assert outcomes(context, plan) == dict.fromkeys((*KEYS, "plain"), ("done", None))
    assert {key: lock_of(pair.store, key) for key in (*KEYS, "plain")} == {**dict.fromkeys(KEYS, LOCK), "plain": {}}


@WAYS
def test_none_is_protected_unless_that_is_wanted(pair: Pair, faulty: FaultyServer, way: str) -> None:
    enable(pair.store)
    _copy(pair, way, locks="none")
    assert {key: lock_of(pair.store, key) for key in KEYS} == {key: {} for key in KEYS}
    assert not [one for one in faulty.received if {"object-lock", "retention", "legal-hold"} & one.query.keys()]


@WAYS
def test_a_store_without_locks_is_named_and_gets_no_request_for_one(pair: Pair, faulty: FaultyServer, way: str) -> None:
    plan, context = _copy(pair, way)
    assert {code for code, _ in outcomes(context, plan).values()} == {"done"}
    assert [lack.described for lack in plan_status(context, plan).lacks if not lack.is_minor] == [
        f"s3://{pair.store.name}: the server has no Object Lock for this bucket: objects arrive without their locks"
    ]
    assert not [one for one in faulty.received if {"retention", "legal-hold"} & one.query.keys()]
    assert not [one for one in faulty.received if any("object-lock" in name for name in one.headers)]


@pytest.mark.parametrize("denied", ["retention", "legal-hold"])
@WAYS
def test_locks_that_may_not_be_read_fail_the_object(pair: Pair, faulty: FaultyServer, way: str, denied: str) -> None:
    """Without the permission, S3 leaves them out of its answers."""
    enable(pair.store)

    def fault(received: Received) -> Answer | None:
        if denied in received.query and received.method == "GET":
            return error_answer(403, "AccessDenied")
        return None

    faulty.fault = fault
    plan, context = _copy(pair, way)
    for row in rows_of(context, plan).values():
        assert (row.outcome.value, row.code) == ("failed", "AccessDenied")
        permission = {"retention": "GetObjectRetention", "legal-hold": "GetObjectLegalHold"}[denied]
        assert f'(allow s3:{permission}; locks = "none" copies objects without theirs)' in (row.detail or "")


def test_a_bucket_that_does_not_say_whether_it_has_locks_ends_the_command(pair: Pair, faulty: FaultyServer) -> None:
    denied = error_answer(403, "AccessDenied")
    faulty.fault = lambda received: denied if "object-lock" in received.query else None
    with pytest.raises(BucketError, match="allow s3:GetBucketObjectLockConfiguration"):
        _copy(pair, "server")


@WAYS
def test_annotations_come_before_the_lock_that_refuses_them(pair: Pair, faulty: FaultyServer, way: str) -> None:
    enable(pair.store)
    aws = AnnotatingServer(faulty)
    for key in KEYS:
        aws.annotate(pair.source.name, key, label=b"cat")

    def refuse(received: Received) -> None:
        if received.method == "PUT" and "annotation" in received.query:
            assert lock_of(pair.store, received.path.rpartition("/")[2]) == {}

    aws.before = refuse
    plan, context = _copy(pair, way)
    assert {code for code, _ in outcomes(context, plan).values()} == {"done"}
    assert {key: lock_of(pair.store, key) for key in KEYS} == dict.fromkeys(KEYS, LOCK)
    assert {key: aws.of(pair.store.name, key) for key in KEYS} == {key: {"label": b"cat"} for key in KEYS}


def test_what_is_less_protected_is_found_and_repaired(pair: Pair) -> None:
    enable(pair.store)
    _copy(pair, "server")
    lock(pair.source, "small", until=LATER)
    lock(pair.store, "large", mode="COMPLIANCE", until=LATER)  # more than its source
    pair.store.client.put_object_legal_hold(Bucket=pair.store.name, Key="in-parts", LegalHold={"Status": "OFF"})
    versions = {key: pair.store.client.head_object(Bucket=pair.store.name, Key=key)["VersionId"] for key in KEYS}
    plan, context = _copy(pair, "server", compare_properties=True)
    assert outcomes(context, plan) == {"small": ("done", None), "in-parts": ("done", None)}
    assert lock_of(pair.store, "small") == LOCK | {"ObjectLockRetainUntilDate": LATER}
    assert lock_of(pair.store, "in-parts") == LOCK
    assert lock_of(pair.store, "large")["ObjectLockMode"] == "COMPLIANCE"
    # Without a new version.
    for key, version in versions.items():
        assert pair.store.client.head_object(Bucket=pair.store.name, Key=key)["VersionId"] == version
    assert not planned(context).shards


def test_an_object_that_is_written_again_is_protected_as_before(pair: Pair) -> None:
    enable(pair.store)
    _copy(pair, "server")
    where = {"Bucket": pair.store.name, "Key": "small"}
    pair.store.client.copy_object(
        **where, CopySource=where, MetadataDirective="REPLACE", ContentType="text/html", TaggingDirective="COPY"
    )
    lock(pair.store, "small", mode="COMPLIANCE", until=LATER)  # more than its source
    version = pair.store.client.head_object(**where)["VersionId"]
    plan, context = _copy(pair, "server", compare_properties=True, compare="size")
    assert outcomes(context, plan) == {"small": ("done", None)}
    assert pair.store.client.head_object(**where)["VersionId"] != version
    assert lock_of(pair.store, "small") == LOCK | {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": LATER}
