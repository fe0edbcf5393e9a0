"""What an undo puts back is as it was: from the trash and from versions, of one piece and of parts."""

from typing import Any

import pytest

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline_tests.annotating import AnnotatingServer
from hyve_pipeline_tests.conftest import MakeBucket
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import put_in_parts
from hyve_pipeline_tests.syncs import Bucket, Hyve, MakePair

# moto finds no version of a key with a space.
KEYS = ("whole", "in-parts")
TEXTS = {"label": b"cat"}
PROPERTIES: dict[str, Any] = {
    "ContentType": "image/png",
    "Metadata": {"a": "b"},
    "Tagging": "team=store",
    "StorageClass": "STANDARD_IA",
    "WebsiteRedirectLocation": "/there",
}


def _state_of(bucket: Bucket, key: str) -> dict[str, Any]:
    where = {"Bucket": bucket.name, "Key": key}
    head = bucket.client.head_object(**where)
    names = ("ContentType", "Metadata", "StorageClass", "WebsiteRedirectLocation", "ETag", "ContentLength")
    return {name: head.get(name) for name in names} | {"Tags": bucket.client.get_object_tagging(**where)["TagSet"]}


@pytest.mark.parametrize("ending", ["overwritten", "deleted"])
@pytest.mark.parametrize("kept_by", ["trash", "versions"])
def test_an_object_is_put_back_as_it_was(
    faulty: FaultyServer, make_pair: MakePair, make_bucket: MakeBucket, hyve: Hyve, kept_by: str, ending: str
) -> None:
    trash: dict[str, Any] = {"trash": f"s3://{make_bucket('trash')}/"} if kept_by == "trash" else {}
    pair = make_pair(through=faulty, versioned=not trash, website_redirects=True, **trash)
    aws = AnnotatingServer(faulty)
    aws.keeps_versions = not trash
    pair.store.put({"whole": b"before"}, **PROPERTIES)
    put_in_parts(pair.store, "in-parts", [5 * MIB, 1], **PROPERTIES)
    for key in KEYS:
        aws.annotate(pair.store.name, key, **TEXTS)
    before = {key: _state_of(pair.store, key) for key in KEYS}
    pair.source.put({"other": b"1"} if ending == "deleted" else dict.fromkeys(KEYS, b"another") | {"other": b"1"})
    synced = hyve("sync", "--json", "--max-deletes", "100%")
    assert synced.code == 0, synced.err
    undone = hyve("undo", synced.document["plan"], "--json")
    assert (undone.code, undone.document["restored"]) == (0, 2), undone.err
    assert {key: _state_of(pair.store, key) for key in KEYS} == before
    assert {key: aws.of(pair.store.name, key) for key in KEYS} == dict.fromkeys(KEYS, TEXTS)
