"""What a plan is estimated to take, against what is counted when it is applied."""

from collections.abc import Callable
from typing import Any

import pytest

from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.estimate.counted import agreeing_estimate
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair, next_second

_MIB = 1024**2
_SOME = 60


def _keys(count: int = _SOME, folder: str = "k") -> list[str]:
    return [f"{folder}/{number:05d}" for number in range(count)]


def _new(pair: Pair) -> None:
    pair.source.put(dict.fromkeys(_keys(), b"new"))


def _overwritten(pair: Pair) -> None:
    pair.store.put(dict.fromkeys(_keys(), b"old"))
    next_second()
    pair.source.put(dict.fromkeys(_keys(), b"newer"))


def _deleted(pair: Pair) -> None:
    pair.source.put(dict.fromkeys(_keys(1_100), b"same"))
    pair.store.put(dict.fromkeys(_keys(1_100), b"same"))
    pair.store.put({f"{key}x": b"gone" for key in _keys(1_100)[::10]})


def _few_deleted(pair: Pair) -> None:
    pair.source.put({"k": b"same"})
    pair.store.put({"k": b"same"} | dict.fromkeys(_keys(12), b"gone"))


def _trashed(pair: Pair) -> None:
    _overwritten(pair)
    pair.store.put({f"{key}x": b"gone" for key in _keys()})


def _parts(pair: Pair) -> None:
    for key in _keys(2):
        _upload(pair, key, [b"p" * 5 * _MIB, b"q" * 5 * _MIB, b"r"])
    pair.source.put(dict.fromkeys(_keys(2, "large"), b"l" * 13 * _MIB))


def _upload(pair: Pair, key: str, parts: list[bytes]) -> None:
    client, bucket = pair.source.client, pair.source.name
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    named = {"Bucket": bucket, "Key": key, "UploadId": upload}
    sent = [
        {"PartNumber": number, "ETag": client.upload_part(**named, PartNumber=number, Body=part)["ETag"]}
        for number, part in enumerate(parts, start=1)
    ]
    client.complete_multipart_upload(**named, MultipartUpload={"Parts": sent})


def _streamed(pair: Pair) -> None:
    _new(pair)
    pair.source.put(dict.fromkeys(_keys(2, "large"), b"l" * 9 * _MIB))


def _tagged(pair: Pair) -> None:
    pair.source.put(dict.fromkeys(_keys(), b"tagged"), Tagging="a=1&b=2")


def _drifted(pair: Pair) -> None:
    keys = _keys(2 * _SOME)
    pair.source.put(dict.fromkeys(keys, b"same"), ContentType="image/png", Tagging="a=1")
    pair.store.put(dict.fromkeys(keys[:_SOME], b"same"), ContentType="image/png", Tagging="a=2")
    pair.store.put(dict.fromkeys(keys[_SOME:], b"same"), ContentType="image/jpeg", Tagging="a=1")


def _moved(pair: Pair) -> None:
    contents = {key: f"content of {key}".encode() for key in _keys()}
    pair.store.put({f"old/{key}": content for key, content in contents.items()} | {"gone": b"without a new key"})
    pair.source.put({f"new/{key}": content for key, content in contents.items()} | {"new/other": b"copied"})


def _below_prefix(pair: Pair) -> None:
    pair.source.put({f"in/{key}": b"new" for key in _keys()} | {f"other/{key}": b"not" for key in _keys()})
    pair.store.put({f"copy/{key}": b"gone" for key in _keys(20, "gone")})


_PLANS: dict[str, tuple[Callable[[Pair], None], dict[str, Any]]] = {
    "copies": (_new, {}),
    "overwrites": (_overwritten, {}),
    "overwrites, with versions": (_overwritten, {"versioned": True}),
    "deletes": (_deleted, {"max_deletes": "100%"}),
    "few deletes": (_few_deleted, {}),
    "trash": (_trashed, {"trash": True, "max_deletes": "100%"}),
    "parts": (_parts, {"multipart_threshold": 12 * _MIB, "multipart_part_size": 5 * _MIB}),
    "streamed": (_streamed, {"transfer": "stream"}),
    "streamed parts": (_parts, {"transfer": "stream", "stream_memory": 32 * _MIB}),
    "tags": (_tagged, {"transfer": "stream"}),
    "grants": (_new, {"acl": "source"}),
    "moves": (_moved, {"moves": True, "max_deletes": "100%"}),
    "moves with grants": (_moved, {"moves": True, "max_deletes": "100%", "acl": "source"}),
    "repairs": (_drifted, {"compare_properties": True}),
    "a prefix": (_below_prefix, {"prefixes": ("in/", "copy/")}),
}


@pytest.mark.parametrize("kind", _PLANS)
def test_estimated_requests_are_those_that_are_counted(
    kind: str, make_pair: MakePair, make_bucket: Callable[[str], str], faulty: FaultyServer, hyve: Hyve
) -> None:
    prepare, options = _PLANS[kind]
    options = dict(options)
    if options.pop("trash", False):
        options["trash"] = f"s3://{make_bucket('trash')}/"
    pair = make_pair(through=faulty, **options)
    # What the server lacks is known from an earlier run.
    pair.source.put({f"{options.get('prefixes', ('',))[0]}first": b"1"})
    assert hyve("sync", "--max-deletes", "0").code == 0
    prepare(pair)
    agreeing_estimate(hyve, faulty, "copy", "delete", "verify")
