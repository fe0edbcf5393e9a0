"""Objects of equal content that carry other headers, metadata or tags: found and repaired where that is asked for."""

from collections.abc import Callable
from typing import Any

import pytest

from hyve_pipeline.operations.plan.freeze import read_shard
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import Bucket, Hyve, MakePair, Pair, next_second

MIB = 1024**2

_PLAIN = {
    "ContentType": "text/plain",
    "CacheControl": "no-cache",
    "ContentDisposition": "inline",
    "ContentEncoding": "identity",
    "ContentLanguage": "en",
    "Expires": "Thu, 01 Dec 2050 16:00:00 GMT",
    "Metadata": {"owner": "me", "team": "a"},
    "StorageClass": "STANDARD_IA",
    "Tagging": "team=a&kind=b",
}

# What the store's object is given instead, and how the plan names that.
_DRIFTS: dict[str, tuple[dict[str, Any], str]] = {
    "type": ({"ContentType": "text/html"}, "content-type"),
    "cache": ({"CacheControl": "max-age=1"}, "cache-control"),
    "disposition": ({"ContentDisposition": "attachment"}, "content-disposition"),
    "encoding": ({"ContentEncoding": "gzip"}, "content-encoding"),
    "language": ({"ContentLanguage": "de"}, "content-language"),
    "expires": ({"Expires": "Thu, 01 Dec 2051 16:00:00 GMT"}, "expires"),
    "metadata": ({"Metadata": {"owner": "you", "team": "a"}}, "metadata"),
    "no metadata": ({"Metadata": {}}, "metadata"),
    "class": ({"StorageClass": "STANDARD"}, "storage class"),
    "tags": ({"Tagging": "team=a"}, "tags"),
    "no tags": ({"Tagging": ""}, "tags"),
    "much": ({"ContentType": "text/html", "Tagging": "x=y"}, "content-type, tags"),
}


def _tags(bucket: Bucket, key: str) -> dict[str, str]:
    answer = bucket.client.get_object_tagging(Bucket=bucket.name, Key=key)
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def _assert_equal(pair: Pair, keys: list[str]) -> None:
    assert pair.store.carried(keys) == pair.source.carried(keys)
    for key in keys:
        assert _tags(pair.store, key) == _tags(pair.source, key)


def _reasons(pair: Pair) -> dict[str, str]:
    newest = pair.context().plans.newest()
    assert newest is not None
    rows = [row for shard in newest.shards_of("copy") for row in read_shard(pair.context(), newest, shard).to_pylist()]
    return {row["key"]: row["reason"] for row in rows if row["set"] == "drifted"}


def _drifted(pair: Pair) -> None:
    for key, (changed, _) in _DRIFTS.items():
        pair.source.put({key: key.encode()}, **_PLAIN)
        pair.store.put({key: key.encode()}, **_PLAIN | changed)
    for bucket in (pair.source, pair.store):
        bucket.put({"same": b"same"}, **_PLAIN)


def test_whatever_drifted_is_found_repaired_and_then_no_longer_found(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(compare_properties=True, shard_objects=5)
    _drifted(pair)
    pair.source.put({"fresh": b"1"})
    before = pair.store.listing()
    document = hyve("dryrun", "--json").document
    size = sum(map(len, _DRIFTS))
    assert document["drifted"] == {"objects": len(_DRIFTS), "bytes": size}
    assert document["unchanged"] == {"objects": 1, "bytes": 4}
    assert document["files"]["drifted"] == str(pair.home / "out" / "images" / "drifted.txt")
    assert pair.lines("drifted") == sorted(_DRIFTS)
    assert pair.lines("modified") == []
    assert _reasons(pair) == {key: f"differs: {names}" for key, (_, names) in _DRIFTS.items()}
    unapplied = hyve("verify")
    assert unapplied.code == 1
    assert "1 missing" in unapplied.err
    assert f"{len(_DRIFTS)} unrepaired" in unapplied.err
    done = hyve("copy", "--json")
    assert (done.code, done.document["copied"], done.document["copy_failed"]) == (0, len(_DRIFTS) + 1, 0)
    _assert_equal(pair, [*_DRIFTS, "same", "fresh"])
    after = pair.store.listing()
    assert {key: after[key][1:] for key in before} == {key: entry[1:] for key, entry in before.items()}
    assert hyve("verify").code == 0
    second = hyve("dryrun", "--json").document
    assert [second[name]["objects"] for name in ("new", "modified", "drifted", "unchanged")] == [0, 0, 0, 14]
    assert pair.lines("drifted") == []


def test_without_the_option_there_is_no_such_set(pair: Pair, hyve: Hyve) -> None:
    _drifted(pair)
    document = hyve("dryrun", "--json").document
    assert "drifted" not in document
    assert set(document["files"]) == {"new", "modified", "duplicate_stores"}
    assert document["unchanged"]["objects"] == len(_DRIFTS) + 1
    assert "drifted" not in hyve("dryrun").out
    assert not (pair.home / "out" / "images" / "drifted.txt").exists()


def test_the_list_goes_with_the_option(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(compare_properties=True)
    _drifted(pair)
    assert "drifted" in hyve("dryrun").out
    pair.configure()
    hyve("dryrun")
    assert not (pair.home / "out" / "images" / "drifted.txt").exists()


def test_tags_alone_leave_the_object_as_it_was_written(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(compare_properties=True, versioned=True)
    pair.source.put({"a&b\n<c>": b"1"}, Tagging="a%2Bb%20c=%3D%C3%BC")
    pair.store.put({"a&b\n<c>": b"1"})
    before = pair.store.listing()
    assert hyve("sync").code == 0
    assert _tags(pair.store, "a&b\n<c>") == {"a+b c": "=ü"}
    assert pair.store.listing() == before
    assert len(pair.store.client.list_object_versions(Bucket=pair.store.name)["Versions"]) == 1


def test_tags_that_the_source_does_not_have_go(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(compare_properties=True)
    pair.source.put({"a": b"1"})
    pair.store.put({"a": b"1"}, Tagging="a=b")
    assert hyve("sync").code == 0
    assert _tags(pair.store, "a") == {}


def _upload(bucket: Bucket, key: str, parts: list[bytes], **more: Any) -> None:
    name = {"Bucket": bucket.name, "Key": key}
    upload = bucket.client.create_multipart_upload(**name, **more)["UploadId"]
    made = [
        {
            "PartNumber": number,
            "ETag": bucket.client.upload_part(**name, UploadId=upload, PartNumber=number, Body=part)["ETag"],
        }
        for number, part in enumerate(parts, 1)
    ]
    bucket.client.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={"Parts": made})


def test_an_object_in_parts_keeps_its_etag(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(compare_properties=True)
    parts = [b"a" * 6 * MIB, b"b" * 6 * MIB, b"c"]
    for bucket, kind in ((pair.source, "image/png"), (pair.store, "image/gif")):
        _upload(bucket, "large", parts, ContentType=kind, Metadata={"x": kind}, Tagging=f"kind={kind[-3:]}")
    before = pair.store.listing()
    assert before["large"][1].endswith('-3"')
    assert hyve("sync").code == 0
    _assert_equal(pair, ["large"])
    assert pair.store.listing()["large"][1:] == before["large"][1:]
    assert pair.store.client.list_multipart_uploads(Bucket=pair.store.name).get("Uploads", []) == []
    assert hyve("dryrun", "--json").document["drifted"]["objects"] == 0


def _is_copy(received: Received) -> bool:
    return "x-amz-copy-source" in received.headers


def test_no_byte_is_moved_even_where_copies_are_streamed(make_pair: MakePair, hyve: Hyve, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty, compare_properties=True, transfer="stream")
    _drifted(pair)
    faulty.received.clear()
    assert hyve("sync").code == 0
    _assert_equal(pair, [*_DRIFTS])
    copies = [received for received in faulty.received if _is_copy(received)]
    assert copies
    assert all(received.headers["x-amz-copy-source"].startswith(f"{pair.store.name}/") for received in copies)
    names = [f"/{bucket.name}/{key}" for bucket in (pair.source, pair.store) for key in ("type", "tags")]
    reads = [one for one in faulty.received if one.method == "GET" and one.target in names]
    assert reads == []
    assert not any(one.method == "PUT" and not _is_copy(one) and "tagging" not in one.query for one in faulty.received)


@pytest.mark.parametrize("side", ["source", "store"])
def test_an_object_that_changed_since_the_plan_is_skipped(make_pair: MakePair, hyve: Hyve, side: str) -> None:
    pair = make_pair(compare_properties=True)
    pair.source.put({"a": b"1", "b": b"1"}, ContentType="text/plain")
    pair.store.put({"a": b"1", "b": b"1"}, ContentType="text/html")
    assert hyve("dryrun").code == 0
    getattr(pair, side).put({"a": b"2"}, ContentType="text/css")
    done = hyve("copy", "--json")
    assert done.code == 1
    assert (done.document["copied"], done.document["copy_skipped"]) == (1, 1)
    carried = pair.store.carried(["a", "b"])
    assert carried["a"]["ContentType"] == ("text/html" if side == "source" else "text/css")
    assert carried["b"]["ContentType"] == "text/plain"


def test_an_object_that_is_repaired_by_somebody_else_is_done(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(compare_properties=True)
    pair.source.put({"a": b"1"}, ContentType="text/plain")
    pair.store.put({"a": b"1"}, ContentType="text/html")
    assert hyve("dryrun").code == 0
    pair.store.put({"a": b"1"}, ContentType="text/plain")
    before = pair.store.listing()
    assert hyve("copy", "--json").document["copied"] == 1
    assert pair.store.listing() == before
    assert hyve("verify").code == 0


def test_an_object_that_changes_while_properties_are_compared_is_left_to_the_next_plan(
    make_pair: MakePair, hyve: Hyve, faulty: FaultyServer
) -> None:
    pair = make_pair(through=faulty, compare_properties=True)
    pair.source.put({"a": b"1", "b": b"1"}, ContentType="text/plain")
    pair.store.put({"a": b"1", "b": b"1"}, ContentType="text/html")

    def fault(received: Received) -> Answer | None:
        if received.method == "HEAD" and received.path == f"/{pair.source.name}/a":
            pair.source.put({"a": b"22"})
        return None

    faulty.fault = fault
    finished = hyve("dryrun")
    assert finished.code == 0
    assert "1 changed since they were listed" in finished.err
    assert pair.lines("drifted") == ["b"]


def _refuses(received: Received) -> Answer | None:
    """Refuses to read one object, in whichever way."""
    is_asked = received.method in ("HEAD", "GET") and received.path.endswith("/a") and not received.query
    return error_answer(403, "AccessDenied") if is_asked else None


def _refuses_tags(received: Received) -> Answer | None:
    """Lets nobody see the tags of one object."""
    is_asked = received.method == "GET" and received.path.endswith("/b") and "tagging" in received.query
    return error_answer(403, "AccessDenied") if is_asked else None


@pytest.mark.parametrize(
    ("fault", "key", "said"), [(_refuses, "a", "s3:GetObject "), (_refuses_tags, "b", "s3:GetObjectTagging ")]
)
def test_properties_that_can_not_be_read_are_no_plan(
    make_pair: MakePair,
    hyve: Hyve,
    faulty: FaultyServer,
    fault: Callable[[Received], Answer | None],
    key: str,
    said: str,
) -> None:
    pair = make_pair(through=faulty, compare_properties=True)
    for bucket in (pair.source, pair.store):
        bucket.put({"a": b"1", "b": b"1"})
    faulty.fault = fault
    finished = hyve("dryrun")
    assert finished.code == 4
    line = finished.err.splitlines()[-1]
    assert line.startswith(f"hyve: s3://{pair.source.name}/: ")
    assert said in line
    assert f"the properties of {key} are not known, so no plan was made" in line
    assert pair.context().plans.ids() == []
    assert not (pair.home / "out" / "images" / "drifted.txt").exists()


def test_archived_objects_are_not_compared_and_counted(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(compare_properties=True)
    pair.source.put({"a": b"1"}, StorageClass="GLACIER", ContentType="text/plain")
    pair.source.put({"b": b"1"}, ContentType="text/plain")
    pair.store.put({"a": b"1"}, ContentType="text/html")
    pair.store.put({"b": b"1"}, ContentType="text/html", StorageClass="DEEP_ARCHIVE")
    finished = hyve("dryrun")
    assert finished.code == 0
    assert "of 2 unchanged objects were not compared: 2 archived" in finished.err
    assert pair.lines("drifted") == []


def test_objects_of_customers_keys_are_not_compared_and_counted(
    make_pair: MakePair, hyve: Hyve, faulty: FaultyServer
) -> None:
    pair = make_pair(through=faulty, compare_properties=True)
    for bucket in (pair.source, pair.store):
        bucket.put({"a": b"1", "b": b"1"})
    message = "The object was stored using a form of Server Side Encryption."

    def fault(received: Received) -> Answer | None:
        if received.path != f"/{pair.source.name}/a" or "tagging" in received.query:
            return None
        return Answer(status=400) if received.method == "HEAD" else error_answer(400, "InvalidRequest", message)

    faulty.fault = fault
    finished = hyve("dryrun")
    assert finished.code == 0
    assert "1 encrypted by a key that only their owner has" in finished.err


def test_repairs_are_no_overwrites(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(compare_properties=True, max_overwrites=1)
    _drifted(pair)
    assert hyve("sync").code == 0


def test_a_repair_that_failed_is_tried_again(make_pair: MakePair, hyve: Hyve, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty, compare_properties=True)
    _drifted(pair)
    faulty.fault = lambda one: error_answer(403, "AccessDenied") if _is_copy(one) else None
    failed = hyve("copy", "--json")
    assert failed.code == 1
    assert failed.document["copied"] == 2
    assert failed.document["copy_failed"] == len(_DRIFTS) - 2
    faulty.fault = lambda _: None
    next_second()
    assert hyve("retry").code == 0
    assert hyve("verify").code == 0
    _assert_equal(pair, [*_DRIFTS])


@pytest.mark.parametrize("versioned", [True, False])
def test_undo_puts_back_what_a_version_keeps(make_pair: MakePair, hyve: Hyve, versioned: bool) -> None:
    pair = make_pair(compare_properties=True, versioned=versioned)
    pair.source.put({"a": b"1"}, ContentType="text/plain", Tagging="x=y")
    pair.store.put({"a": b"1"}, ContentType="text/html")
    plan = hyve("sync", "--json").document["plan"]
    _assert_equal(pair, ["a"])
    undone = hyve("undo", plan, "--json")
    if versioned:
        assert (undone.code, undone.document["restored"]) == (0, 1)
    else:
        assert (undone.code, undone.out) == (3, "")
    carried = pair.store.carried(["a"])["a"]
    assert carried["Body"] == b"1"
    assert carried["ContentType"] == ("text/html" if versioned else "text/plain")
