"""The command line on Ceph's gateway, a third implementation of S3, which checks signatures and keeps versions."""

from typing import Any
from urllib.parse import urlencode

import pytest

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline_tests.ceph.cluster import CEPH
from hyve_pipeline_tests.cli.doctored import detail, verdicts
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair, next_second

pytestmark = CEPH

# Ceph refuses a key with a zero byte.
_KEYS = [key for key in ODD_KEYS if "\0" not in key]

_PART = 5 * MIB


@pytest.fixture
def pair(make_pair: MakePair, ceph_endpoint: str) -> Pair:
    """A sync of buckets that keep versions, so that a plan can be undone."""
    return make_pair(
        endpoint_url=ceph_endpoint,
        versioned=True,
        shard_objects=40,
        multipart_threshold=_PART,
        multipart_part_size=_PART,
    )


def _sync(hyve: Hyve) -> dict[str, Any]:
    synced = hyve("sync", "--json")
    assert synced.code == 0, synced.err
    assert synced.document["verified"] is True
    return synced.document


def test_sync_undo_and_sync_again(pair: Pair, hyve: Hyve) -> None:
    """Keys with control characters included, which Ceph's listings write as references that no parser accepts."""
    before = {"gone": b"1", "control\x01gone": b"2", **dict.fromkeys(_KEYS[::3], b"old")}
    objects = {key: f"content of {key}".encode() for key in _KEYS}
    pair.store.put(before)
    next_second()
    pair.source.put(objects)
    assert hyve("dryrun").code == 0
    assert len(pair.lines("new")) + len(pair.lines("modified")) == len(objects)
    first = _sync(hyve)
    assert (first["copied"], first["deleted"]) == (len(objects), 2)
    assert pair.store.read() == objects
    listed = pair.store.listing()
    second = _sync(hyve)
    assert (second["copied"], second["deleted"]) == (0, 0)
    assert pair.store.listing() == listed
    undone = hyve("undo", first["plan"])
    assert undone.code == 0, undone.err
    # What the plan added stays.
    assert pair.store.read() == objects | before
    third = _sync(hyve)
    assert (third["copied"], third["deleted"]) == (len(_KEYS[::3]), 2)
    assert pair.store.read() == objects
    proved = hyve("prove", "--json")
    assert proved.code == 0, proved.err


@pytest.mark.parametrize("transfer", ["server", "stream"])
def test_tags_of_large_objects(make_pair: MakePair, hyve: Hyve, ceph_endpoint: str, transfer: str) -> None:
    """Ceph forgets the tags of a CreateMultipartUpload, and answers nothing about an object in parts without tags."""
    pair = make_pair(
        endpoint_url=ceph_endpoint, transfer=transfer, multipart_threshold=_PART, multipart_part_size=_PART
    )
    body = b"x" * (_PART + 1)
    tagged = {"tagged": body, "tagged too": body + b"y", "small and tagged": b"1"}
    pair.source.put({"plain": body, "small": b"1"})
    pair.source.put(tagged, Tagging="team=photos&a=b%20c")
    _upload_in_parts(pair, "parts", body)
    assert _sync(hyve)["copied"] == 6
    found = {key: tags for key in pair.source.keys() if (tags := _tags(pair, key))}  # noqa: SIM118 - no dictionary
    assert found == {key: {"team": "photos", "a": "b c"} for key in tagged}
    assert pair.store.carried(found) == pair.source.carried(found)


def _upload_in_parts(pair: Pair, key: str, body: bytes) -> None:
    client, where = pair.source.client, {"Bucket": pair.source.name, "Key": key}
    upload = client.create_multipart_upload(**where)["UploadId"]
    etag = client.upload_part(**where, UploadId=upload, PartNumber=1, Body=body)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)


def _tags(pair: Pair, key: str) -> dict[str, str]:
    answer = pair.store.client.get_object_tagging(Bucket=pair.store.name, Key=key)
    return {tag["Key"]: tag["Value"] for tag in answer.get("TagSet", [])}


def test_many_keys_in_ranges(pair: Pair, hyve: Hyve) -> None:
    """Each page ends with a key that XML can't represent, after which the next one begins, and that has an escape."""
    keys = [f"{folder}/%20\x01{number:04d}" for folder in "abcdef" for number in range(850)]
    pair.source.put(dict.fromkeys(keys, b"1"))
    for versions in ("current", "all"):
        pair.configure(versions=versions)
        assert hyve("dryrun").code == 0
        assert pair.lines("new") == [f'"{key}"'.replace("\x01", "\\u0001") for key in keys]


def test_state_in_a_bucket(
    pair: Pair, hyve: Hyve, make_place: MakePlace, ceph_endpoint: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = make_place("state", endpoint_url=ceph_endpoint, prefix="home/")
    query = urlencode({"endpoint_url": ceph_endpoint, "profile": state.profile, "region": state.region})
    monkeypatch.setenv("HYVE_STATE", f"{state.uri}?{query}")
    monkeypatch.setenv("HYVE_CACHE", str(tmp_path / "cache"))
    pair.source.put({f"{number:03d}": b"1" for number in range(100)})
    assert _sync(hyve)["copied"] == 100
    finished = hyve("doctor", "--json")
    assert verdicts(finished)["state", "home"] == "ok"
    assert detail(finished, "state", "home").endswith("its server keeps to If-None-Match")
    assert finished.code == 0, finished.err


@pytest.mark.parametrize(
    ("versioned", "said"),
    [
        (False, "kept by PutObject; not by CopyObject, CompleteMultipartUpload: "),
        (False, "; a matching If-Match is refused by PutObject: "),
        (True, "no write keeps If-Match or If-None-Match"),
    ],
)
def test_doctor_says_which_conditions_hold(
    make_pair: MakePair, hyve: Hyve, ceph_endpoint: str, versioned: bool, said: str
) -> None:
    pair = make_pair(endpoint_url=ceph_endpoint, versioned=versioned)
    pair.source.put({"a": b"1"})
    finished = hyve("doctor", "--json", "--write")
    assert said in detail(finished, "conditions", "store")
    versions = pair.store.client.list_object_versions(Bucket=pair.store.name)
    assert (versions.get("Versions", []), versions.get("DeleteMarkers", [])) == ([], [])
