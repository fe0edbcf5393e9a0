"""The command line on a second implementation of S3, which checks signatures and keeps files."""

from typing import Any

import pytest

from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair, next_second, sync_table

pytestmark = pytest.mark.rclone

# Keys that can be paths of files.
_KEYS = [
    "data++1",
    "☃☃👪.jpg",
    "a b/c d.txt",
    "a%20b",
    "%2F",
    "no\u00a0break",
    "direction\u200emark",
    "tab\there",
    "u\u0308",
    "\u00fc",
    "query?x=1&y",
    "#hash",
    "a=b;c,d:e@f",
    "<&>\"'",
    "deep/er/and/deeper",
    '"quoted"',
    "new\nline",
]


@pytest.fixture
def pair(make_pair: MakePair, rclone_endpoint: str) -> Pair:
    return make_pair(endpoint_url=rclone_endpoint, shard_objects=20)


def _sync(hyve: Hyve, *more: str) -> dict[str, Any]:
    synced = hyve("sync", "--json", *more)
    assert synced.code == 0, synced.err
    assert synced.document["verified"] is True
    return synced.document


def test_sync_twice(pair: Pair, hyve: Hyve) -> None:
    objects = {key: f"content of {key}".encode() for key in _KEYS} | {f"n/{number:03d}": b"1" for number in range(40)}
    pair.store.put({"gone": b"1", "n/gone ☃": b"2", **dict.fromkeys(_KEYS[::3], b"old")})
    pair.source.put(objects)
    assert hyve("dryrun").code == 0
    assert len(pair.lines("new")) + len(pair.lines("modified")) == len(objects)
    assert pair.lines("duplicate_stores") == ["gone", "n/gone ☃"]
    first = _sync(hyve)
    assert (first["copied"], first["deleted"]) == (len(objects), 2)
    assert pair.store.read() == objects
    before = pair.store.listing()
    next_second()
    second = _sync(hyve)
    assert (second["copied"], second["deleted"]) == (0, 0)
    assert pair.store.listing() == before


def test_prefixes_and_filters(make_pair: MakePair, rclone_endpoint: str, hyve: Hyve) -> None:
    pair = make_pair(endpoint_url=rclone_endpoint, prefixes=("in/", "out/"), exclude=["tmp/*"])
    pair.source.put({"in/a": b"1", "in/b/c": b"2", "in/tmp/x": b"3", "inside": b"4"})
    pair.store.put({"out/gone": b"5", "out/tmp/y": b"6", "outside": b"7"})
    _sync(hyve)
    assert pair.store.read() == {"out/a": b"1", "out/b/c": b"2", "out/tmp/y": b"6", "outside": b"7"}


def test_an_object_that_changed_after_the_plan_is_told(pair: Pair, hyve: Hyve) -> None:
    """Whether or not the server heeds the condition that copies are pinned by."""
    pair.source.put({"changed": b"1", "plain": b"1"})
    assert hyve("dryrun").code == 0
    pair.source.put({"changed": b"22"})
    copied = hyve("copy", "--json")
    assert copied.code == 1
    assert (copied.document["copied"], copied.document["copy_skipped"]) == (1, 1)
    _sync(hyve)
    assert pair.store.read() == {"changed": b"22", "plain": b"1"}


def test_safety_rules_hold_here_too(pair: Pair, hyve: Hyve) -> None:
    pair.store.put({"a": b"1"})
    assert hyve("sync").code == 3
    assert pair.store.keys() == ["a"]


def test_a_missing_bucket(pair: Pair, hyve: Hyve) -> None:
    place = pair.source.place.model_copy(update={"bucket": "no-such-bucket"})
    (pair.home / "hyve.toml").write_text(sync_table("images", place, pair.store.place))
    missing = hyve("dryrun")
    assert missing.code == 4
    assert "no-such-bucket" in missing.only_line


def test_keys_that_the_server_does_not_accept(pair: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch) -> None:
    table = sync_table("images", pair.source.place, pair.store.place).replace('profile = "hyve-tests"\n', "")
    (pair.home / "hyve.toml").write_text(table)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDSOMEBODY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    denied = hyve("dryrun")
    assert denied.code == 4
    assert "access key" in denied.only_line
    assert "not-the-secret" not in denied.err
