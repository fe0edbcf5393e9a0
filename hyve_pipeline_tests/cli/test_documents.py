"""The JSON documents that scripts rely on: their keys, their types, and nothing else on standard output."""

import re
from typing import Any

import pytest

from hyve_pipeline.cli.output import describe_verification
from hyve_pipeline.core.base.widths import columns_of
from hyve_pipeline.operations.verify.read import latest_verification
from hyve_pipeline_tests.syncs import Finished, Hyve, Pair
from hyve_pipeline_tests.terminals import open_terminal

_SETS = ("new", "modified", "duplicate", "altered", "unchanged", "skipped")


@pytest.fixture
def filled(pair: Pair) -> Pair:
    """A sync with something in every set, some of it odd."""
    pair.source.put({**{f"{number}.jpg": b"12345" for number in range(7)}, "odd\n☃": b"1", "same": b"s"})
    pair.source.put({"archived": b"12"}, StorageClass="GLACIER")
    pair.store.put({"0.jpg": b"older", "1.jpg": b"1", "gone": b"123", "same": b"s"})
    # Whether or not the second has changed since: the sizes differ.
    pair.store.put({"0.jpg": b"old"})
    return pair


def _check_counts(document: dict[str, Any]) -> None:
    for name in _SETS:
        assert set(document[name]) == {"objects", "bytes"}
        assert all(type(value) is int for value in document[name].values())


def _check_applied(finished: Finished, plan: str, **expected: Any) -> None:
    assert finished.document == {
        "sync": "images",
        "plan": plan,
        "copied": 0,
        "copy_failed": 0,
        "copy_skipped": 0,
        "deleted": 0,
        "delete_failed": 0,
        "delete_skipped": 0,
        "verified": None,
        "refused": None,
        **expected,
    }


def test_dryrun(filled: Pair, hyve: Hyve) -> None:
    document = hyve("dryrun", "--json").document
    plan = document.pop("plan")
    estimate = document.pop("estimate")
    assert set(estimate) == {"requests", "bytes", "cost", "seconds", "prices", "unpriced", "steps"}
    assert set(estimate["steps"]) == {"plan", "copy", "delete", "verify"}
    assert (estimate["requests"]["CopyObject"], estimate["bytes"]) == (8, {"within_region": 36})
    assert (estimate["cost"], estimate["seconds"], estimate["prices"]) == (None, None, None)
    assert re.fullmatch(r"\d{6}-\d{8}T\d{9}Z-[0-9a-f]{8}", plan)
    out = filled.home / "out" / "images"
    assert document == {
        "sync": "images",
        "new": {"objects": 6, "bytes": 26},
        "modified": {"objects": 2, "bytes": 10},
        "duplicate": {"objects": 1, "bytes": 3},
        "altered": {"objects": 0, "bytes": 0},
        "unchanged": {"objects": 1, "bytes": 1},
        "skipped": {"objects": 1, "bytes": 2},
        "refused": None,
        "files": {
            "new": str(out / "new.txt"),
            "modified": str(out / "modified.txt"),
            "duplicate_stores": str(out / "duplicate_stores.txt"),
        },
    }


def test_refused_dryrun(pair: Pair, hyve: Hyve) -> None:
    pair.store.put({"a": b"1"})
    finished = hyve("dryrun", "--json")
    assert finished.code == 3
    refused = finished.document["refused"]
    assert set(refused) == {"rule", "detail"}
    assert refused["rule"] == "empty_source"
    assert "\n" not in refused["detail"]


def test_every_acting_command(filled: Pair, hyve: Hyve) -> None:
    plan = hyve("dryrun", "--json").document["plan"]
    refused = hyve("delete", "--json")
    detail = refused.document["refused"]["detail"]
    _check_applied(refused, plan, refused={"rule": "copies_first", "detail": detail})
    _check_applied(hyve("retry", "--json"), plan)
    _check_applied(hyve("copy", "--json"), plan, copied=8)
    _check_applied(hyve("copy", "--json"), plan, copied=8)
    _check_applied(hyve("delete", "--json"), plan, copied=8, deleted=1)
    _check_applied(hyve("retry", "--json"), plan, copied=8, deleted=1)

    verified = hyve("verify", "--json").document
    assert verified == {
        "sync": "images",
        "plan": plan,
        "verified": True,
        "objects": 9,
        "differences": {},
        "examples": [],
        "content": None,
    }

    synced = hyve("sync", "--json")
    newest = synced.document["plan"]
    assert newest > plan
    _check_applied(synced, newest, verified=True)


def test_plans_and_show(filled: Pair, hyve: Hyve) -> None:
    assert hyve("plans", "--json").document == {"sync": "images", "plans": []}
    first = hyve("dryrun", "--json").document["plan"]
    assert hyve("copy").code == 0
    second = hyve("dryrun", "--json").document["plan"]

    plans = hyve("plans", "--json").document["plans"]
    assert [(entry["plan"], entry["state"]) for entry in plans] == [(first, "copied"), (second, "planned")]
    for entry in plans:
        _check_counts(entry)
        assert entry["sync"] == "images"
        assert entry["refused"] is None
    assert plans[0]["copy"] == {"planned": 8, "done": 8, "skipped": 0, "failed": 0, "bytes": 36}
    assert plans[0]["delete"] == {"planned": 1, "done": 0, "skipped": 0, "failed": 0, "bytes": 0}

    shown = hyve("show", first, "--json").document
    assert shown["undone"] is None
    assert shown.pop("restores") == {"waiting": 0, "restored": 0, "expired": 0, "changed": 0}
    shards = shown.pop("shards")
    assert shown == plans[0]
    assert [
        (shard["partition"], shard["action"], shard["state"], shard["objects"], shard["first_key"], shard["last_key"])
        for shard in shards
    ] == [
        (f"{first}-0001", "copy", "finished", 5, "0.jpg", "4.jpg"),
        (f"{first}-0002", "copy", "finished", 3, "5.jpg", "odd\n☃"),
        (f"{first}-0003", "delete", "pending", 1, "gone", "gone"),
    ]
    assert [bool(shard["run"]) for shard in shards] == [True, True, False]
    assert hyve("show", first, "--failed", "--json").document == {"plan": first, "objects": []}

    lines = hyve("plans").out.splitlines()
    assert [line.split()[0] for line in lines] == [first, second]
    assert "copied 8 of 8, deleted 0 of 1" in lines[0]
    text = hyve("show", first).out
    assert "state: copied" in text
    assert re.findall("  (?:copied|deleted) .*", text) == [
        "  copied               8 of 8 objects        36 B",
        "  deleted              0 of 1 object          0 B",
    ]
    assert f"{first}-0003" in text
    assert "odd\\x0a☃" in text
    failed = hyve("show", first, "--failed")
    assert (failed.out, failed.err) == ("", f"nothing of plan {first} failed or was skipped\n")


def test_plans_fit_a_terminal_of_80_columns(filled: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")
    plan = hyve("dryrun", "--json").document["plan"]
    (line,) = hyve("plans").out.splitlines()
    assert len(line) > 80, "a file has one line a plan"
    terminal = open_terminal("plans")
    assert terminal.end() == 0
    terminal.close()
    first, second = terminal.shown.splitlines()
    assert first.split() == line.split()[:5] == [plan, *first.split()[1:3], "UTC", "planned"]
    assert second == "    copied 0 of 8, deleted 0 of 1"


@pytest.mark.parametrize(
    ("objects", "shown"),
    [
        (0, "verified: the store is empty, as plan {} has it"),
        (1, "verified: the only object of the store is as plan {} has it"),
        (1_500, "verified: all 1,500 objects of the store are as plan {} has them"),
    ],
)
def test_a_verification_counts_in_plain_english(
    objects: int, shown: str, filled: Pair, hyve: Hyve, capfd: pytest.CaptureFixture[str]
) -> None:
    assert hyve("sync").code == 0
    context = filled.context()
    plan = context.plans.newest()
    assert plan is not None
    found = latest_verification(context, plan)
    assert found is not None
    describe_verification(context, found.model_copy(update={"objects": objects}))
    assert capfd.readouterr().out == shown.format(found.plan) + "\n"


def test_messages_go_to_standard_error(filled: Pair, hyve: Hyve) -> None:
    finished = hyve("sync", "--json")
    assert finished.document["verified"] is True
    assert "images: copy: 8 of 8 objects" in finished.err
    assert "{" not in finished.err


def test_keys_fit_a_terminal_and_are_whole_elsewhere(pair: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")
    long, wide = f"{'x' * 500}/end", "写" * 100
    pair.source.put({long: b"1", wide: b"1"})
    plan = hyve("dryrun", "--json").document["plan"]
    assert f"{long} to {wide}" in hyve("show").out
    terminal = open_terminal("show")
    assert terminal.end() == 0
    terminal.close()
    keys = [line for line in terminal.shown.splitlines() if "…" in line]
    assert [columns_of(line) for line in keys[:2]] == [80, 79]
    assert keys[0].endswith(f"{'x' * 27}/end")
    assert f"  {plan}-0001  copy    pending" in terminal.shown.splitlines()
    assert columns_of(keys[2]) <= 80
    whole = open_terminal("show", "--keys", "all")
    assert whole.end() == 0
    whole.close()
    assert long in whole.shown
