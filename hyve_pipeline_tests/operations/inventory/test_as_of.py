"""`hyve dryrun --as-of` plans the source as it was, by its versions."""

import json
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.kept_versions import keep_versions, moment
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair


def planned(hyve: Hyve, at: str, *more: str) -> dict[str, Any]:
    finished = hyve("dryrun", "--json", "--as-of", at, *more)
    assert finished.code in (0, 3), finished.err
    return finished.document


@pytest.fixture
def early(make_pair: MakePair) -> tuple[Pair, str]:
    """A pair whose source has changed since a time, with objects of before it kept versions; and the time."""
    pair = make_pair(shard_objects=2, prefixes=("in/", "out/"))
    pair.source.put({"in/null": b"null, kept", "in/null gone": b"null, gone later"})
    keep_versions(pair.source)
    pair.source.put({"in/same": b"same", "in/twice": b"one", "in/was deleted": b"x", "in/gone+later": b"gone"})
    pair.source.put({"in/twice": b"two"}, ContentType="image/png", Metadata={"a": "two"}, Tagging="t=2")
    moment()
    pair.source.delete("in/was deleted")
    at = moment()
    pair.source.put({"in/twice": b"six", "in/new": b"new", "in/was deleted": b"back"}, ContentType="text/plain")
    pair.source.delete("in/gone+later", "in/null gone")
    return pair, at


THEN = {
    "null": b"null, kept",
    "null gone": b"null, gone later",
    "same": b"same",
    "twice": b"two",
    "gone+later": b"gone",
}


@pytest.mark.parametrize("transfer", ["server", "stream"])
def test_copies_the_source_as_it_was(early: tuple[Pair, str], hyve: Hyve, transfer: str) -> None:
    pair, at = early
    pair.configure(shard_objects=2, transfer=transfer, compare_properties=True)
    plan = planned(hyve, at)
    assert (plan["new"]["objects"], plan["as_of"]) == (5, at)
    assert hyve("copy", "--json").document["copied"] == 5
    assert pair.store.read() == {f"out/{key}": content for key, content in THEN.items()}
    carried = pair.store.carried(["out/twice"])["out/twice"]
    assert (carried["ContentType"], carried["Metadata"]) == ("image/png", {"a": "two"})
    tags = pair.store.client.get_object_tagging(Bucket=pair.store.name, Key="out/twice")["TagSet"]
    assert tags == [{"Key": "t", "Value": "2"}]
    verified = hyve("verify", "--content", "100%")
    assert verified.code == 0, verified.err
    # All is there; what is compared of properties is of the version, too.
    again = planned(hyve, at)
    assert (again["unchanged"]["objects"], again["new"]["objects"], again["modified"]["objects"]) == (5, 0, 0)
    shown = hyve("show").out
    assert f"\nof the source as of {at[:19].replace('T', ' ')} UTC; 1 key of it has later versions only" in shown


def test_a_later_copy_of_the_same_size_is_overwritten_and_nothing_is_deleted(
    early: tuple[Pair, str], hyve: Hyve
) -> None:
    pair, at = early
    # By another tool, so that nothing is remembered: by its time the store's copy is the newer one.
    pair.store.put({"out/twice": b"six", "out/new": b"new", "out/same": b"same"})
    finished = hyve("dryrun", "--json", "--as-of", at)
    assert finished.code == 3
    assert (finished.document["modified"]["objects"], finished.document["duplicate"]["objects"]) == (1, 1)
    assert finished.document["refused"]["rule"] == "as_of"
    assert hyve("copy").code == 0
    assert hyve("delete", "--max-deletes", "100%").code == 3
    assert pair.store.read() == {f"out/{key}": content for key, content in THEN.items()} | {"out/new": b"new"}
    verified = hyve("verify")
    assert verified.code == 0, verified.err
    proof = json.loads(hyve("prove", "--output", "-").out)
    assert (proof["source"]["as_of"], proof["proved_by"]["not_proved"]["objects"]) == (at.replace("+00:00", "Z"), 0)
    assert "as_of" not in proof["store"]
    # The next plan is of now again.
    assert hyve("sync").code == 0
    assert pair.store.read() == {key.replace("in/", "out/"): content for key, content in pair.source.read().items()}


def test_a_version_that_is_gone_at_its_turn_is_skipped(early: tuple[Pair, str], hyve: Hyve) -> None:
    pair, at = early
    planned(hyve, at)
    versions = pair.source.client.list_object_versions(Bucket=pair.source.name, Prefix="in/gone")["Versions"]
    pair.source.client.delete_object(Bucket=pair.source.name, Key="in/gone+later", VersionId=versions[0]["VersionId"])
    copied = hyve("copy", "--json")
    assert (copied.code, copied.document["copied"], copied.document["copy_skipped"]) == (1, 4, 1)
    assert "out/gone+later" not in pair.store.read()


def test_many_versions_over_many_pages(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    pair = make_pair(through=faulty)
    keep_versions(pair.source)
    times: list[str] = []
    histories: list[dict[str, bytes]] = []
    for number in range(4):
        pair.source.put({"a": b"a%d" % number, "b": b"b%d" % number})
        if number % 2:
            moment()
            pair.source.delete("a")
        pair.source.put({f"c{number}": b"c"})
        times.append(moment())
        histories.append(pair.source.read())
    # By turns, so that each plan finds what another one has left.
    for page_keys, (at, objects) in product((1, 2, 3), zip(times, histories, strict=True)):
        faulty.page_keys = page_keys
        planned(hyve, at)
        assert hyve("copy").code == 0
        read = pair.store.read()
        assert {key: read.get(key) for key in objects} == objects


def test_what_can_not_be_told_is_wrong_usage(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    pair.source.put({"a": b"null"})

    def refused(at: str) -> str:
        finished = hyve("--quiet", "dryrun", "--as-of", at)
        assert finished.code == 2
        return finished.only_line

    for wrong in ("yesterday", "2026-11-01", "2026-11-01T00:00:00"):
        assert "is no time with a zone" in hyve("dryrun", "--as-of", wrong).err
    assert "keeps no versions" in refused(moment())
    keep_versions(pair.source)
    early = moment()
    assert "is not known: it has no version yet" in refused(early)
    pair.source.put({"b": b"1"})
    assert "is not known: its oldest version is of" in refused(early)
    assert "is in the future" in refused((datetime.now(UTC) + timedelta(days=1)).isoformat())
    assert planned(hyve, moment())["new"]["objects"] == 2
    keep_versions(pair.source, "Suspended")
    between = moment()
    assert "versioning of" in refused(between)
    pair.source.put({"a": b"null again"})
    keep_versions(pair.source)
    assert "versioning was suspended, so what was before may be lost" in refused(between)
    assert planned(hyve, moment())["new"]["objects"] == 2
    assert hyve("plans", "--json").document["plans"][0]["as_of"]


def test_an_object_in_parts_is_copied_in_its_version(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(multipart_threshold="5MiB", multipart_part_size="5MiB", keep_parts=True)
    keep_versions(pair.source)
    first, second = b"1" * 11_000_000, b"2" * 11_000_000
    pair.source.put({"large": first})
    at = moment()
    pair.source.put({"large": second})
    planned(hyve, at)
    assert hyve("copy").code == 0
    assert pair.store.read() == {"large": first}


def test_an_archived_version_is_skipped_and_not_restored(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    pair = make_pair(through=faulty)
    with (pair.home / "hyve.toml").open("a") as file:
        file.write('restore = { days = 1, tier = "Bulk" }\n')
    keep_versions(pair.source)
    pair.source.put({"cold": b"cold then"}, StorageClass="GLACIER")
    at = moment()
    pair.source.put({"cold": b"now"}, StorageClass="GLACIER")
    assert planned(hyve, at)["skipped"]["objects"] == 1
    refused = hyve("restore")
    assert refused.code == 2
    assert "only present versions are restored" in refused.only_line
    assert not any(received.method == "POST" and "restore" in received.target for received in faulty.received)
