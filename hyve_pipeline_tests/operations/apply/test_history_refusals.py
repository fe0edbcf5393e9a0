"""What a sync of all versions refuses, and what it leaves as it is."""

from pathlib import Path

import pytest

from hyve_pipeline_tests.histories import contents, histories
from hyve_pipeline_tests.syncs import Hyve, MakePair

pytestmark = pytest.mark.xdist_group("versions")


def test_what_can_not_be_done_is_refused_in_one_line(
    make_pair: MakePair, version_endpoint: str, hyve: Hyve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = make_pair(endpoint_url=version_endpoint, versioned=True, versions="all")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.txt").write_text("a\n")
    pair.source.put({"a": b"1", "b": b"1"})
    pair.source.put({"a": b"2"})
    assert hyve("sync").code == 0
    assert hyve("report").code == 0
    for arguments, words in (
        (("dryrun", "--as-of", "2026-01-01T00:00:00Z"), "--as-of can't be combined"),
        (("copy", "--by", "batch"), "--by batch: plan "),
        (("dryrun", "--keys", "./keys.txt"), "a plan of some keys can't be combined"),
        (("adopt",), "adopt can't be combined"),
        (("restore",), "nothing says for how long"),
    ):
        finished = hyve(*arguments)
        assert (finished.code, words in finished.only_line) == (2, True), (arguments, finished)
    for options, words in (
        ({"trash": "s3://trash/"}, "trash: can't be combined"),
        ({"compare": "etag"}, "compare: can't be combined"),
        ({"compare_properties": True}, "compare_properties: can't be combined"),
        ({"altered": "overwrite"}, "altered: can't be combined"),
        ({"max_overwrites": 1}, "max_overwrites: can't be combined"),
    ):
        pair.configure(versions="all", **options)
        finished = hyve("dryrun")
        assert (finished.code, words in finished.only_line) == (2, True), (options, finished)
    # A plan of present objects after one of all versions: what is remembered of the one says nothing of the other.
    pair.configure()
    assert hyve("dryrun", "--json").document["unchanged"]["objects"] == 2
    pair.configure(versions="all")
    assert hyve("dryrun", "--json").document["unchanged"]["objects"] == 2


@pytest.mark.parametrize("side", ["source", "store"])
@pytest.mark.parametrize("status", [None, "Suspended"])
def test_a_bucket_that_does_not_keep_versions_is_refused(
    make_pair: MakePair, hyve: Hyve, side: str, status: str | None
) -> None:
    pair = make_pair(versions="all")
    for name, bucket in (("source", pair.source), ("store", pair.store)):
        for state in ("Enabled", *([] if name != side or status is None else [status])):
            if name != side or status is not None:
                bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": state})
    line = hyve("dryrun").only_line
    what = "versioning is suspended" if status else "the bucket keeps no versions"
    named = pair.source if side == "source" else pair.store
    assert line.startswith(f"hyve: s3://{named.name}/: {what}")
    assert hyve("dryrun").code == 2
    assert hyve("doctor").code == 2


def test_a_store_that_somebody_else_wrote_into_is_left_as_it_is(
    make_pair: MakePair, version_endpoint: str, hyve: Hyve
) -> None:
    pair = make_pair(endpoint_url=version_endpoint, versioned=True, versions="all")
    keys = ["written", "lost", "replaced", "same size", "fine"]
    pair.source.put(dict.fromkeys(keys, b"1"))
    pair.source.put(dict.fromkeys(keys, b"22"))
    assert hyve("sync").code == 0
    ids = {key: [name for name, _ in history] for key, history in histories(pair.store).items()}
    pair.store.put({"written": b"333", "only there": b"4"})
    for key, place, content in (("lost", 0, None), ("replaced", 1, b"333"), ("same size", 1, b"44")):
        pair.store.client.delete_object(Bucket=pair.store.name, Key=key, VersionId=ids[key][place])
        if content is not None:
            pair.store.put({key: content})
    pair.source.put(dict.fromkeys(keys, b"55555"))
    before = contents(pair.store)
    planned = hyve("dryrun", "--json").document
    # Only the contents tell that a version of the same size is another one.
    assert (planned["altered"]["objects"], planned["modified"]["objects"]) == (4, 2)
    assert pair.lines("altered") == ["lost", "only there", "replaced", "written"]
    copied = hyve("copy", "--json")
    assert (copied.code, copied.document["copied"], copied.document["copy_skipped"]) == (1, 1, 1)
    assert contents(pair.store) == before | {"fine": [b"1", b"22", b"55555"]}
    assert "OtherVersions (the store has other versions than the source)" in hyve("show").out
    # It is said each time, and never mended.
    again = hyve("sync", "--json")
    assert (again.code, again.document["copy_skipped"]) == (1, 1)
    assert contents(pair.store) == before | {"fine": [b"1", b"22", b"55555"]}


def test_a_plan_is_of_what_was_listed(make_pair: MakePair, version_endpoint: str, hyve: Hyve) -> None:
    pair = make_pair(endpoint_url=version_endpoint, versioned=True, versions="all")
    pair.source.put({"later": b"1", "gone": b"1", "taken": b"1"})
    pair.source.put({"gone": b"2"})
    assert hyve("dryrun").code == 0
    pair.source.put({"later": b"2"})
    gone = histories(pair.source)["gone"][0][0]
    pair.source.client.delete_object(Bucket=pair.source.name, Key="gone", VersionId=gone)
    pair.store.put({"taken": b"xx"})
    copied = hyve("copy", "--json")
    assert (copied.code, copied.document["copied"], copied.document["copy_skipped"]) == (1, 1, 2)
    assert contents(pair.store) == {"later": [b"1"], "taken": [b"xx"]}
    assert hyve("sync").code == 0
    assert contents(pair.store) == {"later": [b"1", b"2"], "taken": [b"xx"], "gone": [b"2"]}


def test_too_many_delete_markers_are_refused(make_pair: MakePair, version_endpoint: str, hyve: Hyve) -> None:
    pair = make_pair(endpoint_url=version_endpoint, versioned=True, versions="all", max_deletes=1)
    pair.source.put({"a": b"1", "b": b"1", "c": b"1"})
    assert hyve("sync").code == 0
    pair.source.delete("a", "b", "b")
    finished = hyve("sync", "--json")
    assert (finished.code, finished.document["copied"]) == (3, 0)
    assert finished.document["refused"]["rule"] == "max_deletes"
    assert "next: hyve copy --max-deletes 2" in hyve("show").out
    assert hyve("copy", "--max-deletes", "2").code == 0
    assert contents(pair.store) == {"a": [b"1", None], "b": [b"1", None, None], "c": [b"1"]}
