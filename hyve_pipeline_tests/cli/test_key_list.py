"""`--keys FILE|-`: a plan of a list, beside `--keys N|all`, which says how many keys are shown."""

import io
from pathlib import Path

import pytest

from hyve_pipeline_tests.syncs import Hyve, Pair


@pytest.fixture
def filled(pair: Pair) -> Pair:
    """A sync with two new, two modified and two duplicate objects."""
    pair.store.put({"gone/1": b"1", "gone/2": b"1", "mod/1": b"1", "mod/2": b"1"})
    pair.source.put({"new/1": b"1", "new/2": b"1", "mod/1": b"12", "mod/2": b"12"})
    return pair


def _type(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_only_what_is_listed_is_planned_copied_and_deleted(filled: Pair, hyve: Hyve, tmp_path: Path) -> None:
    enabled = {"Status": "Enabled"}
    filled.store.client.put_bucket_versioning(Bucket=filled.store.name, VersioningConfiguration=enabled)
    before = filled.store.read()
    keys = tmp_path / "12"
    keys.write_bytes(b"new/1\n\nmod/1\ngone/1\nnew/1\nnowhere\n")
    planned = hyve("dryrun", "--keys", str(keys), "--keys", "0", "--json")
    assert planned.code == 0
    assert planned.document["named"] == {"by": "list", "keys": 4, "in_neither": 1, "left_out": 0}
    assert {name: planned.document[name]["objects"] for name in ("new", "modified", "duplicate")} == {
        "new": 1,
        "modified": 1,
        "duplicate": 1,
    }
    assert [line for line in planned.err.splitlines() if str(keys) in line] == [
        f"warning: {keys}: line 2 is empty",
        f"warning: {keys}: line 5 has a key that an earlier line has",
    ]
    done = hyve("sync", "--keys", str(keys), "--yes")
    assert done.code == 0
    assert "of 4 keys of a list, 1 of them in neither bucket; no other key was looked at" in done.out
    assert "verified: " in done.out
    assert filled.store.read() == {"new/1": b"1", "mod/1": b"12", "mod/2": b"1", "gone/2": b"1"}
    assert "of 4 keys of a list" in hyve("show").out
    assert hyve("undo", "latest").code == 0
    assert filled.store.read() == {**before, "new/1": b"1"}


def test_the_standard_input(filled: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch) -> None:
    _type(monkeypatch, b'{"key": "new/2"}\n{"key": "gone/2"}\n')
    shown = hyve("dryrun", "--keys", "-", "--keys", "all")
    assert shown.code == 0
    assert "of 2 keys of a list; no other key was looked at" in shown.out
    assert "gone/2\n" in shown.out
    asked = hyve("sync", "--keys", "-")
    assert asked.code == 2
    assert "so nobody can be asked before deletes: add --yes, or name a file" in asked.only_line
    _type(monkeypatch, b"gone/2\n")
    assert hyve("sync", "--keys", "-", "--yes").code == 0
    assert filled.store.keys() == ["gone/1", "mod/1", "mod/2"]


def test_a_list_is_refused_in_one_line(filled: Pair, hyve: Hyve, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_bytes(b"a\n\xff\n")
    for arguments, said in (
        (("dryrun", "--keys", str(keys)), f"hyve: {keys}: line 2: is not UTF-8; no plan was made"),
        (("sync", "--keys", str(keys)), f"hyve: {keys}: line 2: is not UTF-8; no plan was made"),
        (("dryrun", "--keys", ""), "'' is neither a number of keys, nor 'all', nor a file"),
        (("dryrun", "--keys", "no such file"), "'no such file' is neither a number of keys, nor 'all', nor a file"),
        (("dryrun", "--keys", str(tmp_path)), "is a folder, not a list of keys"),
        (("sync", "--keys", "12"), "takes a list of keys here, a file or -; a file whose name is a number is ./NAME"),
        (("dryrun", "--keys", str(keys), "--keys", "-"), "is given twice with the same meaning"),
        (("dryrun", "--keys", "1", "--keys", "all"), "is given twice with the same meaning"),
        (("dryrun", "--keys", str(keys), "--as-of", "2026-01-01T00:00:00Z"), "--as-of and a list of --keys exclude"),
        (("sync", "--keys", str(keys), "--inventory-date", "2026-01-01"), "--inventory-date and --keys exclude"),
    ):
        finished = hyve(*arguments)
        assert finished.code == 2, arguments
        assert said in finished.only_line
    assert filled.store.keys() == ["gone/1", "gone/2", "mod/1", "mod/2"]


def test_the_plan_of_all_keys_that_is_not_finished_is_named(filled: Pair, hyve: Hyve, tmp_path: Path) -> None:
    whole = hyve("dryrun", "--json").document["plan"]
    keys = tmp_path / "keys.txt"
    keys.write_text("new/1\n")
    line = f"plan {whole} of all keys is not finished: 'hyve copy --plan {whole}' continues it"
    assert line in hyve("dryrun", "--keys", str(keys)).out
    done = hyve("copy")
    assert filled.store.read()["new/1"] == b"1"
    assert "new/2" not in filled.store.read()
    assert line in done.out
    assert hyve("copy", "--plan", whole).code == 0  # what the list's plan has copied is as planned already
    assert f"'hyve delete --plan {whole}' continues it" in hyve("show").out
    assert hyve("delete", "--plan", whole).code == 0
    assert "not finished" not in hyve("show").out
