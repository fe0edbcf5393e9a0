"""Buckets that change between a plan and what is done by it: nothing newer is ever lost."""

import pytest

from hyve_pipeline_tests.syncs import Hyve, Pair


def test_an_object_that_changed_after_the_plan_is_left_to_the_next_plan(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"changed": b"1", "gone": b"1", "plain": b"1"})
    pair.store.put({"changed": b"older"})
    planned = hyve("dryrun", "--json").document
    pair.source.put({"changed": b"22"})
    pair.source.delete("gone")

    copied = hyve("copy", "--json")
    assert copied.code == 1
    assert (copied.document["copied"], copied.document["copy_skipped"], copied.document["copy_failed"]) == (1, 2, 0)
    assert pair.store.read() == {"changed": b"older", "plain": b"1"}
    plan = planned["plan"]
    why = f"'hyve show {plan} --failed' lists them, a new plan has them"
    assert copied.err.splitlines()[-1] == f"skipped: 2 objects changed since the plan was made: {why}"
    assert hyve("plans").out.splitlines()[-1].endswith("copied 1 of 3 (2 skipped), deleted 0 of 0")

    shown = hyve("show", planned["plan"], "--failed", "--json").document["objects"]
    assert {(row["key"], row["outcome"], row["code"]) for row in shown} == {
        ("changed", "skipped", "ChangedSincePlan"),
        ("gone", "skipped", "ChangedSincePlan"),
    }
    assert hyve("show", planned["plan"], "--json").document["reasons"] == {"ChangedSincePlan": 2}

    synced = hyve("sync", "--json")
    assert (synced.code, synced.document["copied"], synced.document["verified"]) == (0, 1, True)
    assert pair.store.read() == {"changed": b"22", "plain": b"1"}


def test_what_is_back_in_the_source_or_replaced_in_the_store_is_not_deleted(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1", "back": b"2", "replaced": b"3", "gone": b"4"})
    plan = hyve("dryrun", "--json").document["plan"]
    pair.source.put({"back": b"2"})
    pair.store.put({"replaced": b"by somebody"})
    deleted = hyve("delete", "--json")
    assert deleted.code == 1
    assert (deleted.document["deleted"], deleted.document["delete_skipped"]) == (1, 2)
    assert pair.store.read() == {"kept": b"1", "back": b"2", "replaced": b"by somebody"}
    lines = hyve("show", plan, "--failed").out.splitlines()
    assert "delete skipped BackInSource (the source has it again): back" in lines
    assert "delete skipped ChangedSincePlan (changed since the plan was made): replaced" in lines


def test_what_somebody_changed_in_the_store_is_reported_and_kept(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1", "b": b"2"})
    first = hyve("sync", "--json").document
    assert hyve("dryrun", "--json").document["files"].keys() == {"new", "modified", "duplicate_stores"}
    pair.store.put({"b": b"by somebody"})
    planned = hyve("dryrun")
    assert planned.code == 0
    assert "  ! altered               1 object          1 B  (kept as it is)" in planned.out.splitlines()
    assert "    !      1 B  b  (changed in the store by somebody else)" in planned.out.splitlines()
    assert "Plan: nothing to do, 1 altered, 1 unchanged" in planned.out.splitlines()
    assert 'options.altered = "overwrite"' in planned.err
    document = hyve("dryrun", "--json").document
    assert document["altered"] == {"objects": 1, "bytes": 1}
    assert document["files"]["altered"].endswith("/altered.txt")
    assert hyve("show", "--json").document["altered"] == {"objects": 1, "bytes": 1}
    report = pair.home / "plan.html"
    assert hyve("report", "--output", str(report)).code == 0
    assert "kept as it is" in report.read_text()
    assert hyve("sync", "--json").document["copied"] == 0
    assert pair.store.read() == {"a": b"1", "b": b"by somebody"}

    pair.configure(altered="overwrite")
    synced = hyve("sync", "--json").document
    assert (synced["copied"], synced["verified"]) == (1, True)
    assert pair.store.read() == pair.source.read()
    assert synced["plan"] != first["plan"]


def test_verify_tells_what_is_not_as_planned(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1", "b": b"2", "c\x1b[31m": b"3"})
    pair.store.put({"gone": b"4"})
    assert hyve("sync").code == 0
    pair.store.delete("c\x1b[31m")
    pair.store.put({"a": b"other", "unexpected": b"5"})
    verified = hyve("verify", "--json")
    assert verified.code == 1
    assert verified.document["verified"] is False
    assert verified.document["objects"] == 1
    assert verified.document["differences"] == {"missing": 1, "different": 1, "unexpected": 1}
    assert {(entry["difference"], entry["key"]) for entry in verified.document["examples"]} == {
        ("missing", "c\x1b[31m"),
        ("different", "a"),
        ("unexpected", "unexpected"),
    }
    told = hyve("verify")
    assert told.code == 1
    assert "missing: c\\x1b[31m" in told.err
    assert "\x1b" not in told.out + told.err


def test_a_plan_that_was_not_applied_does_not_hold(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1"})
    pair.store.put({"gone": b"4"})
    assert hyve("dryrun").code == 0
    verified = hyve("verify", "--json")
    assert (verified.code, verified.document["differences"]) == (1, {"missing": 1, "not_deleted": 1})


def test_verify_by_content(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({f"{number}": b"12345" for number in range(7)})
    assert hyve("sync").code == 0
    verified = hyve("verify", "--content", "100%", "--json")
    assert verified.code == 0
    figures = {"percent": 100.0, "objects": 7, "bytes": 35, "skipped": {}, "by_checksum": 0, "gets": 14}
    assert verified.document["content"] == figures
    told = hyve("verify", "--content", "100%")
    assert told.out.splitlines()[0] == "content: 7 objects compared, 35 B (0 by stored checksum, 14 GETs)"
    pair.source.put({"3": b"other"})
    told = hyve("verify", "--content", "100%")
    line = "content: 6 objects compared, 30 B (0 by stored checksum, 12 GETs), 1 not: changed since the plan"
    assert told.out.splitlines()[0] == line


@pytest.mark.parametrize("share", ["0%", "5", "half", "101%"])
def test_a_sample_that_is_none(share: str, pair: Pair, hyve: Hyve) -> None:
    refused = hyve("verify", "--content", share)
    assert refused.code == 2
    assert share in refused.only_line
