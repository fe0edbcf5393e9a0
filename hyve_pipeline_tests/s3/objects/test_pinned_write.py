"""Writes that are pinned to what the store has, on servers that keep the condition, ignore it, or refuse it."""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from hyve_pipeline.core.model.copy_task import NO_OBJECT, CopyTask
from hyve_pipeline.core.settings.places import AWS, DEFAULT_ORIGIN, BucketSettings, Place
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.copying.copy_object import copy_object
from hyve_pipeline.s3.objects.pinned_write import StoreChangedError
from hyve_pipeline.s3.objects.properties import ObjectProperties
from hyve_pipeline.s3.objects.source_responses import CopyResult
from hyve_pipeline.s3.streaming.whole import put_whole
from hyve_pipeline.s3.wire.checksums import Checksums
from hyve_pipeline.s3.wire.errors import ObjectChangedError
from hyve_pipeline_tests.ceph.cluster import CEPH
from hyve_pipeline_tests.conditions import ConditionalStore
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.servers import client_for, put_objects, read_bucket

BODY = b"planned"
ETAG = hashlib.md5(BODY).hexdigest()
OLD = hashlib.md5(b"old").hexdigest()

NEVER = '"00000000000000000000000000000000"'
ABSENT = ("if-none-match", "*")


def _copy(connection: Connection, task: CopyTask) -> "Future[CopyResult]":
    return copy_object(connection, connection, task)


def _put(connection: Connection, task: CopyTask) -> "Future[CopyResult]":
    properties = ObjectProperties(
        etag=ETAG, version_id=None, headers=(), storage_class="STANDARD", checksums=Checksums(), is_etag_md5=True
    )
    return put_whole(connection, connection, task, (properties, BODY))


Write = Callable[[Connection, CopyTask], "Future[CopyResult]"]
WRITES = pytest.mark.parametrize(("write", "operation"), [(_copy, "CopyObject"), (_put, "PutObject")])


class Target:
    """A bucket with the object ``from``, behind a proxy."""

    def __init__(self, make_place: MakePlace, faulty: FaultyServer, connect: Connect) -> None:
        place = make_place()
        self.client = client_for(str(place.endpoint_url))
        self.bucket = place.bucket
        self.connection = connect(place.model_copy(update={"endpoint_url": faulty.endpoint_url}))
        self.put({"from": BODY})

    def put(self, objects: dict[str, bytes]) -> None:
        put_objects(self.client, self.bucket, objects)

    def read(self) -> dict[str, bytes]:
        return read_bucket(self.client, self.bucket)


@pytest.fixture
def target(make_place: MakePlace, faulty: FaultyServer, connect: Connect) -> Target:
    return Target(make_place, faulty, connect)


@pytest.fixture
def aws(target: Target, faulty: FaultyServer) -> ConditionalStore:
    """Keeps the conditions of all writes."""
    return ConditionalStore(faulty, target.bucket)


def _task(key: str, store_etag: str = NO_OBJECT) -> CopyTask:
    return CopyTask("from", key, len(BODY), ETAG, store_etag=store_etag)


def _sent(aws: ConditionalStore, faulty: FaultyServer) -> list[tuple[str, tuple[str, str] | None, int]]:
    """The requests since the last call: the method, or of a write its condition and its status."""
    writes = iter(aws.writes)
    found = [
        ("HEAD", None, 200) if one.method == "HEAD" else (one.method, *next(writes)[2:4]) for one in faulty.received
    ]
    aws.writes.clear()
    faulty.received.clear()
    return found


@WRITES
def test_a_server_that_keeps_conditions_is_found_out_once(
    target: Target, aws: ConditionalStore, faulty: FaultyServer, write: Write, operation: str
) -> None:
    for key in ("first", "second"):
        write(target.connection, _task(key)).result()
    refused = 404
    assert _sent(aws, faulty) == [
        ("HEAD", None, 200),
        ("PUT", ("if-match", NEVER), refused),
        ("PUT", ABSENT, 200),
        ("PUT", ABSENT, 412),
        ("PUT", ABSENT, 200),
    ]
    target.put({"old": b"old"})
    write(target.connection, _task("old", OLD)).result()
    assert _sent(aws, faulty) == [("PUT", ("if-match", f'"{OLD}"'), 200)]
    assert target.read() == dict.fromkeys(("from", "first", "second", "old"), BODY)
    assert target.connection.abilities.met == ()


@WRITES
def test_an_overwrite_finds_it_out_too(
    target: Target, aws: ConditionalStore, faulty: FaultyServer, write: Write, operation: str
) -> None:
    target.put({"a": b"old", "b": b"old"})
    for key in ("a", "b"):
        write(target.connection, _task(key, OLD)).result()
    assert _sent(aws, faulty) == [
        ("HEAD", None, 200),
        ("PUT", ("if-match", NEVER), 412),
        ("PUT", ("if-match", f'"{OLD}"'), 200),
        ("PUT", ("if-match", f'"{OLD}"'), 200),
    ]


@WRITES
def test_a_server_that_ignores_conditions_gets_a_head_before_each_write(
    target: Target, aws: ConditionalStore, faulty: FaultyServer, write: Write, operation: str
) -> None:
    aws.keeps.clear()
    target.put({"b": b"old"})
    for task in (_task("a"), _task("b", OLD)):
        write(target.connection, task).result()
    assert _sent(aws, faulty) == [
        ("HEAD", None, 200),
        ("PUT", ("if-match", NEVER), 200),  # this is the copy: nothing was written twice
        ("HEAD", None, 200),
        ("PUT", ("if-match", f'"{OLD}"'), 200),
    ]
    assert target.read() == dict.fromkeys(("from", "a", "b"), BODY)
    (lack,) = target.connection.abilities.met
    assert lack.is_minor
    assert f"conditions on what a {operation} would overwrite" in lack.described


@WRITES
@pytest.mark.parametrize("names_condition", [True, False])
@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("found", [b"another", None])
def test_what_changed_in_the_store_is_not_overwritten(
    target: Target,
    aws: ConditionalStore,
    write: Write,
    operation: str,
    names_condition: bool,
    keeps: bool,
    found: bytes | None,
) -> None:
    aws.names_condition = names_condition
    if not keeps:
        aws.keeps.clear()
    write(target.connection, _task("known")).result()
    if found is not None:
        target.put({"k": found})
    with pytest.raises(StoreChangedError) as caught:
        write(target.connection, _task("k", OLD)).result()
    assert target.read() == {"from": BODY, "known": BODY} | ({} if found is None else {"k": found})
    assert caught.value.bucket == target.bucket
    assert (caught.value.found is None) == (found is None)
    assert "the store has" in str(caught.value)
    assert not caught.value.is_transient
    if found is not None:
        with pytest.raises(StoreChangedError):
            write(target.connection, _task("k")).result()


@pytest.mark.parametrize("names_condition", [True, False])
def test_a_refusal_about_the_source_is_no_change_of_the_store(
    target: Target, aws: ConditionalStore, faulty: FaultyServer, names_condition: bool
) -> None:
    _copy(target.connection, _task("known")).result()

    def fault(received: Received) -> Answer | None:
        answer = aws(received)
        return error_answer(412, "PreconditionFailed") if answer and answer.status == 412 else answer

    faulty.fault = aws if names_condition else fault
    for store_etag in (NO_OBJECT, OLD):
        if store_etag == OLD:
            target.put({"k": b"old"})
        target.put({"from": b"changed"})
        with pytest.raises(ObjectChangedError) as caught:
            _copy(target.connection, _task("k", store_etag)).result()
        assert not isinstance(caught.value, StoreChangedError)
        target.client.delete_object(Bucket=target.bucket, Key="from")
        with pytest.raises(ObjectChangedError) as caught:
            _copy(target.connection, _task("k", store_etag)).result()
        assert not isinstance(caught.value, StoreChangedError)


@WRITES
def test_a_conflict_is_tried_again(target: Target, aws: ConditionalStore, write: Write, operation: str) -> None:
    write(target.connection, _task("known")).result()
    aws.conflicts = 2
    write(target.connection, _task("k")).result()
    assert [status for *_, status in aws.writes][-3:] == [409, 409, 200]
    assert target.read()["k"] == BODY


@WRITES
def test_a_server_that_refuses_the_headers_gets_none_after_a_look(
    target: Target, faulty: FaultyServer, write: Write, operation: str
) -> None:
    def fault(received: Received) -> Answer | None:
        is_refused = received.method == "PUT" and {"if-match", "if-none-match"} & received.headers.keys()
        return error_answer(501, "NotImplemented", "A header you provided is not implemented") if is_refused else None

    faulty.fault = fault
    target.put({"b": b"old", "c": b"another"})
    for task in (_task("a"), _task("b", OLD)):
        write(target.connection, task).result()
    with pytest.raises(StoreChangedError):
        write(target.connection, _task("c", OLD)).result()
    assert target.read() == {"from": BODY, "a": BODY, "b": BODY, "c": b"another"}
    methods = [one.method for one in faulty.received]
    # The second write was sent without the header from the beginning, and all after a HEAD.
    assert methods[-3:] == ["HEAD", "PUT", "HEAD"]
    assert [lack.is_minor for lack in target.connection.abilities.met] == [True]


def test_a_server_that_compares_etags_with_quotes(target: Target, faulty: FaultyServer) -> None:
    """As Ceph does with If-Match of PutObject; it keeps If-None-Match."""
    aws = ConditionalStore(faulty, target.bucket)

    def fault(received: Received) -> Answer | None:
        is_put = received.method == "PUT" and "if-match" in received.headers
        return error_answer(412, "PreconditionFailed") if is_put else aws(received)

    faulty.fault = fault
    target.put({"a": b"old", "b": b"old", "c": b"another"})
    for key in "ab":
        _put(target.connection, _task(key, OLD)).result()
    with pytest.raises(StoreChangedError):
        _put(target.connection, _task("c", OLD)).result()
    assert target.read() == {"from": BODY, "a": BODY, "b": BODY, "c": b"another"}
    assert ["If-Match" in lack.lack for lack in target.connection.abilities.met] == [True]


def test_a_write_that_the_server_says_failed_and_kept_none_the_less(target: Target, aws: ConditionalStore) -> None:
    """The answer of the first is lost, and the next is refused: the error has what the store has."""
    _put(target.connection, _task("known")).result()
    aws.lost = 1
    with pytest.raises(StoreChangedError) as caught:
        _put(target.connection, _task("k")).result()
    assert caught.value.found is not None
    assert caught.value.found.etag == ETAG


@pytest.mark.parametrize("server", [pytest.param("rclone", marks=pytest.mark.rclone), pytest.param("ceph", marks=CEPH)])
@WRITES
def test_servers_that_ignore_conditions(
    request: pytest.FixtureRequest,
    make_place: MakePlace,
    connect: Connect,
    write: Write,
    operation: str,
    server: str,
) -> None:
    """Ceph keeps If-None-Match of PutObject alone, and If-Match without the quotes that belong to it."""
    endpoint_url: str = request.getfixturevalue(f"{server}_endpoint")
    place: BucketSettings = make_place(endpoint_url=endpoint_url)
    client = client_for(endpoint_url)
    put_objects(client, place.bucket, {"from": BODY, "b": b"old", "c": b"another"})
    connection = connect(place)
    for task in (_task("a"), _task("b", OLD)):
        write(connection, task).result()
    for task in (_task("c", OLD), _task("c")):
        with pytest.raises(StoreChangedError):
            write(connection, task).result()
    assert read_bucket(client, place.bucket) == {"from": BODY, "a": BODY, "b": BODY, "c": b"another"}
    assert [lack.is_minor for lack in connection.abilities.met] == [True]


@pytest.mark.rclone
@WRITES
def test_rclone_finds_a_key_of_another_unicode_form(
    make_place: MakePlace, rclone_endpoint: str, connect: Connect, write: Write, operation: str
) -> None:
    place: BucketSettings = make_place(endpoint_url=rclone_endpoint)
    client = client_for(rclone_endpoint)
    put_objects(client, place.bucket, {"from": BODY, "u\u0308": b"another"})
    connection = connect(place)
    for _ in range(2):
        write(connection, _task("\u00fc")).result()
        assert read_bucket(client, place.bucket) == {"from": BODY, "u\u0308": b"another", "\u00fc": BODY}
        client.delete_object(Bucket=place.bucket, Key="\u00fc")


@WRITES
def test_moto_keeps_those_of_uploads_alone(target: Target, faulty: FaultyServer, write: Write, operation: str) -> None:
    for key in "abc":
        write(target.connection, _task(key)).result()
    target.put({"d": b"another"})
    for task in (_task("d", OLD), _task("d")):
        with pytest.raises(StoreChangedError):
            write(target.connection, task).result()
    heads = [one.method for one in faulty.received].count("HEAD")
    assert heads == (5 if operation == "CopyObject" else 3)
    assert target.read()["d"] == b"another"


def _as_aws(target: Target) -> None:
    """Let the connection take the server for AWS, which is known to keep conditions."""
    target.connection.place = Place(bucket=target.bucket, endpoint_origin=DEFAULT_ORIGIN)
    assert target.connection.place.server == AWS


@WRITES
def test_on_aws_a_condition_costs_no_request(
    target: Target, aws: ConditionalStore, faulty: FaultyServer, write: Write, operation: str
) -> None:
    _as_aws(target)
    target.put({"b": b"old", "c": b"another"})
    for task in (_task("a"), _task("b", OLD)):
        write(target.connection, task).result()
    assert _sent(aws, faulty) == [("PUT", ABSENT, 200), ("PUT", ("if-match", f'"{OLD}"'), 200)]
    with pytest.raises(StoreChangedError):
        write(target.connection, _task("c", OLD)).result()
    assert target.read()["c"] == b"another"


@WRITES
def test_a_bucket_on_aws_that_refuses_the_headers_is_looked_at(
    target: Target, faulty: FaultyServer, write: Write, operation: str
) -> None:
    _as_aws(target)

    def fault(received: Received) -> Answer | None:
        is_refused = received.method == "PUT" and {"if-match", "if-none-match"} & received.headers.keys()
        return error_answer(501, "NotImplemented", "A header you provided is not implemented") if is_refused else None

    faulty.fault = fault
    target.put({"c": b"another"})
    write(target.connection, _task("a")).result()
    is_looked_at = False
    for one in faulty.received:
        is_looked_at |= one.method == "HEAD"
        assert one.method != "PUT" or is_looked_at or "if-none-match" in one.headers
    assert is_looked_at
    with pytest.raises(StoreChangedError):
        write(target.connection, _task("c")).result()
    assert target.read() == {"from": BODY, "a": BODY, "c": b"another"}
