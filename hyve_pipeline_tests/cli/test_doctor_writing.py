"""`hyve doctor --write`: what the store keeps and what it denies, found by writes that leave nothing behind."""

from collections.abc import Callable

import pytest

from hyve_pipeline_tests.annotating import AnnotatingServer
from hyve_pipeline_tests.cli.doctored import denies, detail, verdicts
from hyve_pipeline_tests.conditions import ConditionalStore, operation_of
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.histories import contents
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import Finished, Hyve, MakePair


@pytest.mark.parametrize("objects", [{}, {"a\nb": b"1"}], ids=["empty source", "copy"])
@pytest.mark.parametrize("versioned", [False, True])
def test_tries_writing_on_request_and_leaves_nothing(
    make_pair: MakePair, hyve: Hyve, versioned: bool, objects: dict[str, bytes]
) -> None:
    pair = make_pair(versioned=versioned, prefixes=("", "below/"))
    pair.source.put(objects)
    pair.store.put({"below/own": b"own"})
    finished = hyve("doctor", "--json", "--write")
    assert finished.code == 0
    assert verdicts(finished)["writing", "store"] == "ok"
    assert contents(pair.store) == {"below/own": [b"own"]}


def reads_object(request: Received) -> bool:
    return request.method in ("HEAD", "GET") and request.path.endswith("/a")


@pytest.mark.parametrize(
    ("is_denied", "check", "place", "permission"),
    [
        (reads_object, "reading", "source", "s3:GetObject"),
        (lambda request: "tagging" in request.query, "tags", "source", "s3:GetObjectTagging"),
        (lambda request: request.method == "PUT", "writing", "store", "s3:PutObject"),
        (lambda request: "delete" in request.query, "writing", "store", "s3:DeleteObject"),
    ],
)
def test_names_the_permission_that_is_missing(
    make_pair: MakePair,
    hyve: Hyve,
    faulty: FaultyServer,
    is_denied: Callable[[Received], bool],
    check: str,
    place: str,
    permission: str,
) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1"})
    faulty.fault = denies(is_denied)
    finished = hyve("doctor", "--json", "--write")
    assert finished.code == 1
    assert [pair for pair, verdict in verdicts(finished).items() if verdict == "fail"] == [(check, place)]
    assert permission in detail(finished, check, place)


def _succeeded(hyve: Hyve) -> Finished:
    """Doctor's document, after it has found nothing wrong with a write of each kind."""
    finished = hyve("doctor", "--json", "--write")
    assert finished.code == 0, finished.out
    return finished


@pytest.mark.parametrize("versioned", [True, False])
def test_says_which_writes_keep_conditions(make_pair: MakePair, hyve: Hyve, versioned: bool) -> None:
    pair = make_pair(versioned=versioned)
    pair.source.put({"a": b"1"})
    finished = _succeeded(hyve)
    expected = (
        "If-Match and If-None-Match are kept by PutObject; not by CopyObject, CompleteMultipartUpload: "
        "a HEAD is sent for the store's object right before"
    )
    assert detail(finished, "conditions", "store") == expected
    assert [check for check in finished.document["checks"] if check["check"] == "server"] == []
    assert contents(pair.store) == {}


@pytest.mark.parametrize("demands", [True, False])
def test_says_that_a_policy_demands_conditions(
    make_pair: MakePair, hyve: Hyve, faulty: FaultyServer, demands: bool
) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1"})
    ConditionalStore(faulty, pair.store.name, demands=demands)
    finished = _succeeded(hyve)
    found = detail(finished, "conditions", "store")
    assert found.startswith("If-Match and If-None-Match are kept by PutObject, CopyObject, CompleteMultipartUpload")
    assert ("a policy (s3:if-match, s3:if-none-match) demands them" in found) == demands
    assert pair.store.keys() == []


def test_says_which_writes_refuse_a_condition_that_holds(make_pair: MakePair, hyve: Hyve, faulty: FaultyServer) -> None:
    """As Ceph 16 does."""
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1"})
    kept = ConditionalStore(faulty, pair.store.name)

    def fault(received: Received) -> Answer | None:
        if operation_of(received) == "PutObject" and "if-match" in received.headers:
            return error_answer(412, "PreconditionFailed")
        return kept(received)

    faulty.fault = fault
    finished = _succeeded(hyve)
    expected = (
        "If-Match and If-None-Match are kept by PutObject, CopyObject, CompleteMultipartUpload; "
        "a matching If-Match is refused by PutObject: a HEAD is sent right before it, and no condition"
    )
    assert detail(finished, "conditions", "store") == expected
    assert pair.store.keys() == []


def test_leaves_no_version_where_a_write_was_tried_twice(make_pair: MakePair, hyve: Hyve, faulty: FaultyServer) -> None:
    """Ceph 16 keeps If-Match alone in a bucket with versions."""
    pair = make_pair(through=faulty, versioned=True)
    pair.source.put({"a": b"1"})

    def fault(received: Received) -> Answer | None:
        if received.method != "PUT":
            return None
        if "if-match" in received.headers:
            return error_answer(412, "PreconditionFailed")
        received.headers.pop("if-none-match", None)
        return None

    faulty.fault = fault
    assert hyve("doctor", "--write").code == 0
    assert contents(pair.store) == {}


def test_says_what_the_servers_lack_and_what_follows(make_pair: MakePair, hyve: Hyve, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.client.put_object(Bucket=pair.source.name, Key="a", Body=b"1", StorageClass="STANDARD_IA")

    def lacks(received: Received) -> Answer | None:
        is_refused = {"x-amz-checksum-mode", "x-amz-tagging", "x-amz-storage-class"} & set(received.headers)
        is_refused |= {"delete", "tagging"} & set(received.query)
        return error_answer(501, "NotImplemented") if is_refused else None

    faulty.fault = lacks
    finished = hyve("doctor", "--json", "--write")
    assert finished.code == 0
    assert [check["detail"].split(": ")[1] for check in finished.document["checks"] if check["check"] == "server"] == [
        "the server refuses x-amz-checksum-mode",
        "the server does not return object tags",
        "the server refuses the storage class STANDARD_IA",
        "the server does not support object tags",
        "the server has no DeleteObjects",
    ]
    assert verdicts(finished)["writing", "store"] == "ok"
    assert pair.store.keys() == []


def test_names_the_permission_that_only_objects_with_tags_need(
    make_pair: MakePair, hyve: Hyve, faulty: FaultyServer
) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1"})
    faulty.fault = denies(lambda received: "x-amz-tagging" in received.headers)
    finished = hyve("doctor", "--json", "--write")
    assert finished.code == 0
    assert "objects that have tags would fail" in detail(finished, "tags", "store")


def test_names_the_permissions_that_annotations_need(make_pair: MakePair, hyve: Hyve, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1"})
    aws = AnnotatingServer(faulty)
    aws.annotate(pair.source.name, "a", label=b"cat")
    found = verdicts(hyve("doctor", "--json", "--write"))
    assert (found["annotations", "source"], found["annotations", "store"]) == ("ok", "ok")
    assert pair.store.keys() == []
    for operation in ("ListObjectAnnotations", "GetObjectAnnotation"):
        aws.denied = {operation}
        finished = hyve("doctor", "--json")
        assert verdicts(finished)["annotations", "source"] == "fail"
        assert f"allow s3:{operation}" in detail(finished, "annotations", "source")
    aws.denied = {"PutObjectAnnotation"}
    finished = hyve("doctor", "--json", "--write")
    assert "objects that have annotations would fail" in detail(finished, "annotations", "store")
    assert "allow s3:PutObjectAnnotation" in detail(finished, "annotations", "store")
    pair.configure(annotations="exclude")
    assert hyve("doctor", "--json", "--write").code == 0
