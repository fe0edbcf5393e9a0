"""What a new user does first: dryrun, copy, delete, verify and sync, on buckets of some size."""

from itertools import islice
from typing import Any

import pytest

from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair, next_second

_UNCHANGED, _MODIFIED, _NEW, _DUPLICATE = 64, 22, 18, 8


def _put_everything(pair: Pair) -> tuple[dict[str, set[str]], dict[str, dict[str, Any]]]:
    """104 objects in the source, more than two pages of 50, and 94 in the store.

    Returns:
        Which keys are in which set, and what the source's objects carry.
    """
    sizes = {"unchanged": _UNCHANGED, "modified": _MODIFIED, "new": _NEW, "duplicate": _DUPLICATE}
    # 79 and 112 have no common divisor: neighbours in key order belong to different sets.
    names = iter([f"img/{number * 79 % 112:04d}-é.jpg" for number in range(sum(sizes.values()))])
    keys = {name: set(islice(names, size)) for name, size in sizes.items()}
    in_source = keys["unchanged"] | keys["modified"] | keys["new"]
    in_store = keys["unchanged"] | keys["modified"] | keys["duplicate"]
    assert (len(in_source), len(in_store)) == (104, 94)
    pair.store.put(dict.fromkeys(in_store - keys["unchanged"], b"old"))
    carried: dict[str, dict[str, Any]] = {}
    for content_type, part in (("image/jpeg", keys["unchanged"] | keys["new"]), ("text/plain", keys["modified"])):
        more = {"ContentType": content_type, "CacheControl": "max-age=60", "Metadata": {"camera": content_type[:4]}}
        objects = {key: f"content of {key}".encode() for key in part}
        pair.source.put(objects, **more)
        carried |= {key: {"Body": body, **more} for key, body in objects.items()}
    next_second()
    pair.store.take_from(pair.source, keys["unchanged"])
    return keys, carried


def _sorted(keys: set[str]) -> list[str]:
    return sorted(keys, key=str.encode)


@pytest.mark.both_states
def test_every_step_does_exactly_what_it_says(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    pair = make_pair(through=faulty, shard_objects=15)
    faulty.page_keys = 50
    keys, carried = _put_everything(pair)
    source, store = pair.source.listing(), pair.store.listing()

    planned = hyve("dryrun", "--json")
    assert planned.code == 0
    assert pair.lines("new") == _sorted(keys["new"])
    assert pair.lines("modified") == _sorted(keys["modified"])
    assert pair.lines("duplicate_stores") == _sorted(keys["duplicate"])
    counts = {name: planned.document[name]["objects"] for name in keys}
    assert counts == {name: len(names) for name, names in keys.items()}
    for name, place in (("new", source), ("modified", source), ("duplicate", store)):
        assert planned.document[name]["bytes"] == sum(place[key][2] for key in keys[name])
    assert (pair.source.listing(), pair.store.listing()) == (source, store)

    copied = hyve("copy", "--json")
    assert copied.code == 0
    assert (copied.document["copied"], copied.document["deleted"]) == (40, 0)
    assert copied.document["plan"] == planned.document["plan"]
    assert [event.shard for event in pair.events() if event.kind is EventKind.SHARD_ENDED] == [1, 2, 3]
    after = pair.store.listing()
    assert set(after) == set(store) | keys["new"]
    for key in keys["unchanged"] | keys["duplicate"]:
        assert after[key] == store[key]
    for key in keys["new"] | keys["modified"]:
        assert after[key][1] == source[key][1]

    later = {f"later/{number}": b"later" for number in range(3)}
    pair.source.put(later, ContentType="text/plain")
    carried |= {key: {"Body": body, "ContentType": "text/plain", "Metadata": {}} for key, body in later.items()}
    source = pair.source.listing()
    synced = hyve("sync", "--json")
    assert synced.code == 0
    assert (synced.document["copied"], synced.document["deleted"], synced.document["verified"]) == (3, 8, True)
    assert pair.source.listing() == source
    assert pair.store.carried(pair.store.listing()) == carried

    store = pair.store.listing()
    next_second()
    again = hyve("sync", "--json")
    assert again.code == 0
    assert (again.document["copied"], again.document["deleted"], again.document["verified"]) == (0, 0, True)
    assert pair.store.listing() == store
    assert [pair.lines(name) for name in ("new", "modified", "duplicate_stores")] == [[], [], []]


def test_delete_and_verify_complete_what_copy_began(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({f"{number:02d}": b"new" for number in range(12)})
    pair.store.put({f"{number:02d}": b"older" for number in range(4, 20)})
    plan = hyve("dryrun", "--json").document["plan"]
    assert hyve("copy").code == 0
    deleted = hyve("delete", "--json")
    assert (deleted.code, deleted.document["plan"]) == (0, plan)
    assert (deleted.document["copied"], deleted.document["deleted"]) == (12, 8)
    assert pair.store.read() == pair.source.read()
    verified = hyve("verify", "--json")
    assert (verified.code, verified.document["verified"], verified.document["objects"]) == (0, True, 12)


def test_copy_takes_a_plan_when_there_is_none(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1", "b": b"2"})
    pair.store.put({"c": b"3"})
    copied = hyve("copy", "--json")
    assert copied.code == 0
    assert (copied.document["copied"], copied.document["deleted"]) == (2, 0)
    assert pair.store.read() == {"a": b"1", "b": b"2", "c": b"3"}
    assert [plan["plan"] for plan in hyve("plans", "--json").document["plans"]] == [copied.document["plan"]]


def test_copy_uses_the_newest_plan_and_no_new_one(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1"})
    planned = hyve("dryrun", "--json").document["plan"]
    pair.source.put({"later": b"2"})
    assert hyve("copy", "--json").document["plan"] == planned
    assert pair.store.read() == {"a": b"1"}


def test_an_older_plan_can_be_named(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1"})
    older = hyve("dryrun", "--json").document["plan"]
    pair.source.put({"b": b"22"})
    newer = hyve("dryrun", "--json").document["plan"]
    assert newer > older
    copied = hyve("copy", "--plan", older, "--json")
    assert (copied.code, copied.document["plan"], copied.document["copied"]) == (0, older, 1)
    assert pair.store.keys() == ["a"]
    # What the older plan did, the newer one finds done.
    assert hyve("copy", "--json").document["copied"] == 2
    assert pair.store.read() == {"a": b"1", "b": b"22"}


def test_both_prefixes_are_exchanged_and_the_lists_hold_whole_keys(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(prefixes=("in/☃/", "public/images/"))
    pair.source.put({"in/☃/a.jpg": b"1", "in/☃/deep/b.jpg": b"2", "in/other.jpg": b"not below", "in/☃": b"nor this"})
    pair.store.put({"public/images/gone.jpg": b"3", "public/keep.jpg": b"4", "gone.jpg": b"5"})
    assert hyve("dryrun").code == 0
    assert pair.lines("new") == ["in/☃/a.jpg", "in/☃/deep/b.jpg"]
    assert pair.lines("modified") == []
    assert pair.lines("duplicate_stores") == ["public/images/gone.jpg"]
    assert hyve("sync").code == 0
    assert pair.store.read() == {
        "public/images/a.jpg": b"1",
        "public/images/deep/b.jpg": b"2",
        "public/keep.jpg": b"4",
        "gone.jpg": b"5",
    }


def test_filtered_keys_are_neither_copied_nor_deleted(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(include=["*.jpg", "*.txt"], exclude=["tmp/*"])
    pair.source.put({"a.jpg": b"1", "a.png": b"2", "tmp/a.jpg": b"3", "both.png": b"newer"})
    kept = {"keep.png": b"4", "tmp/keep.jpg": b"5", "both.png": b"old"}
    pair.store.put({"gone.jpg": b"6", **kept})
    assert hyve("sync").code == 0
    assert pair.store.read() == {"a.jpg": b"1", **kept}


def test_large_objects_are_copied_in_parts_with_everything_they_carry(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(multipart_threshold="5 MiB", multipart_part_size="5 MiB")
    body = bytes(range(256)) * (6 * 4096)
    pair.source.put(
        {"large.csv": body, "small.csv": b"x"},
        ContentType="text/csv",
        CacheControl="no-cache",
        Metadata={"origin": "camera 7"},
        Tagging="team=hyve&kind=test",
        StorageClass="STANDARD_IA",
    )
    next_second()
    assert hyve("sync").code == 0
    assert pair.store.carried(pair.store.keys()) == pair.source.carried(pair.source.keys())
    for key in ("large.csv", "small.csv"):
        tags = [
            bucket.client.get_object_tagging(Bucket=bucket.name, Key=key)["TagSet"]
            for bucket in (pair.source, pair.store)
        ]
        assert tags[0] == tags[1] != []
    assert pair.store.listing()["large.csv"][1].endswith('-2"'), "it was not copied in parts"
    store = pair.store.listing()
    next_second()
    second = hyve("sync", "--json").document
    assert (second["copied"], second["verified"]) == (0, True)
    assert pair.store.listing() == store


@pytest.mark.parametrize("arguments", [("dryrun",), ("sync",), ("verify",)])
def test_what_a_person_reads_is_short_and_has_the_figures(arguments: tuple[str, ...], pair: Pair, hyve: Hyve) -> None:
    pair.source.put({f"{number}.jpg": b"12" for number in range(3)})
    if arguments == ("verify",):
        assert hyve("sync").code == 0
    finished = hyve(*arguments)
    assert finished.code == 0
    assert "3 objects" in finished.out
    assert "\x1b" not in finished.out + finished.err
    assert len(finished.out.splitlines()) < 15
