"""A plan as text: sets, keys, totals, and what to type next."""

import re
from pathlib import Path
from typing import Any

import pytest

from hyve_pipeline.cli.plan_text import next_command, total_line, warn_of_loss
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

HOSTILE = "a\x1b[31m\nb"


def _plan(context: SyncContext, source: dict[str, Entry], store: dict[str, Entry]) -> Plan:
    inventories = written_inventory(context, "source", source), written_inventory(context, "store", store)
    return freeze_plan(context, diff_inventories(context, *inventories))


@pytest.fixture
def filled(make_pair: MakePair) -> Pair:
    """A sync of 13 new objects, one modified, two duplicate, one archived and one unchanged."""
    pair = make_pair()
    pair.store.put({"gone/1": b"1234", "gone/2": b"12", "mod": b"1"})
    pair.source.put({**{f"new/{number:02}": b"12" for number in range(12)}, HOSTILE: b"1", "mod": b"12", "same": b"1"})
    pair.source.put({"arch": b"1"}, StorageClass="GLACIER")
    pair.store.put({"same": b"1"})
    return pair


def test_a_dryrun_ends_as_a_plan_of_terraform_does(filled: Pair, hyve: Hyve) -> None:
    lines = hyve("dryrun").out.splitlines()
    assert re.fullmatch(rf"plan \S+: s3://{filled.source.name}/ to s3://{filled.store.name}/", lines[0])
    assert lines[1:] == [
        "  + new                  13 objects        25 B  (to copy)",
        "    +      1 B  a\\x1b[31m\\x0ab",
        *(f"    +      2 B  new/{number:02}" for number in range(9)),
        "      and 3 more: --keys all",
        "  ~ modified              1 object          2 B  (to overwrite)",
        "    ~      2 B  mod  (size 1 B -> 2 B)",
        "  - duplicate             2 objects         6 B  (to delete)",
        "    -      4 B  gone/1",
        "    -      2 B  gone/2",
        "  ! skipped               1 object          1 B  (left as it is)",
        "    !      1 B  arch  (archived as GLACIER, missing in store)",
        "    unchanged             1 object          1 B",
        "copies by the server: both buckets are on one server",
        f"lists in {filled.home}/out/images: new.txt, modified.txt, duplicate_stores.txt",
        f"estimate: 43 requests, 27 B within the region; no prices for {filled.store.place.endpoint_url}",
        "Plan: 13 to copy (25 B), 1 to overwrite, 2 to delete, 1 skipped, 1 unchanged",
        "next: hyve copy",
    ]


def test_as_many_keys_as_are_asked_for(filled: Pair, hyve: Hyve) -> None:
    shown = {keys: hyve("dryrun", "--keys", keys).out for keys in ("0", "2", "all")}
    assert "gone/1" not in shown["0"]
    assert "more:" not in shown["0"]
    assert "      and 11 more: --keys all\n" in shown["2"]
    assert "new/11\n" in shown["all"]
    assert "more:" not in shown["all"]
    assert "new/11\n" in hyve("show", "--keys", "all").out
    wrong = hyve("show", "--keys", "-1")
    assert (wrong.code, wrong.only_line) == (
        2,
        "hyve: show: Invalid value for '--keys': '-1' is neither a number of keys nor 'all'",
    )


def test_each_command_names_the_next_one(filled: Pair, hyve: Hyve) -> None:
    def last(*command: str) -> str:
        return hyve(*command).out.splitlines()[-1]

    assert last("dryrun") == "next: hyve copy"
    older = hyve("dryrun", "--json").document["plan"]
    assert last("dryrun", "--home", str(filled.home)) == f"next: hyve copy --home {filled.home}"
    assert last("show", older) == f"next: hyve copy --plan {older}"
    assert last("copy", "--sync", "images") == "next: hyve delete --sync images"
    assert last("show") == "next: hyve delete"
    assert last("delete") == "next: hyve verify"
    assert last("verify", "--sync", "images").startswith("verified: ")
    verified = hyve("show").out.splitlines()
    assert any(
        re.fullmatch(r"verified \d{4}-\d\d-\d\d \d\d:\d\d UTC: 15 objects as planned", line) for line in verified
    )
    assert verified[-1].startswith("Plan: ")
    filled.store.client.delete_object(Bucket=filled.store.name, Key="same")
    hyve("verify")
    assert last("show") == "next: hyve dryrun"
    hyve("sync")
    assert last("sync").startswith("verified: ")
    shown = hyve("show").out.splitlines()
    assert shown[-1] == "Plan: nothing to do, 1 skipped, 15 unchanged"
    assert "state: empty (nothing to do)" in shown


def test_what_is_refused_is_named_in_words_with_the_command_that_accepts_it(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(max_deletes="1", max_overwrites="0")
    pair.source.put({"a": b"12"})
    pair.store.put({"a": b"1", "b": b"1", "c": b"1"})
    for command in ("dryrun", "show"):
        planned = hyve(command)
        assert "! refused by max_overwrites (too many overwrites): 1 of the store's 3 objects" in planned.err
        assert "! refused by max_deletes (too many deletes): 2 of the store's 3 objects" in planned.err
        assert planned.out.splitlines()[-1] == "next: hyve copy --max-overwrites 1"
    copied = hyve("copy", "--max-overwrites", "1")
    assert copied.out.splitlines()[-1] == "next: hyve delete --max-deletes 2"
    assert hyve("delete", "--max-deletes", "2").code == 0


def test_that_nothing_can_be_undone_is_said_before_it_is_done(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    pair.source.put({"a": b"12", "b": b"1"})
    pair.store.put({"a": b"1", "gone": b"1"})
    warning = (
        f"can't be undone: s3://{pair.store.name}/ keeps no versions and there is no trash; "
        "enable versioning, or set options.trash\n"
    )
    for command in (("dryrun",), ("dryrun", "--json"), ("show",)):
        assert f"warning: 1 overwrite and 1 delete {warning}" in hyve(*command).err
    assert f"warning: 1 overwrite {warning}" in hyve("copy").err
    deleted = hyve("delete")
    assert f"warning: 1 delete {warning}" in deleted.err
    assert "warning" not in hyve("delete").err
    assert "warning" not in hyve("show").err


@pytest.mark.parametrize("kept", ["versions", "trash"])
def test_nothing_is_said_where_it_can_be_undone(kept: str, make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(versioned=True) if kept == "versions" else make_pair(trash="s3://somewhere/else/")
    pair.source.put({"a": b"12"})
    pair.store.put({"a": b"1", "gone": b"1"})
    assert "undone" not in hyve("dryrun").err


@pytest.mark.parametrize(
    ("versioning", "trash", "said"),
    [
        ("never enabled", None, "keeps no versions and"),
        ("suspended", None, "keeps no new versions (versioning is suspended) and"),
        ("enabled", None, None),
        ("never enabled", "s3://trash/", None),
        (None, None, None),
    ],
)
def test_what_a_plan_knows_of_versions(
    versioning: Any, trash: str | None, said: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = _plan(context_at(tmp_path), {"a": Entry(size=2)}, {"a": Entry(size=1)})
    plan = plan.model_copy(update={"versioning": versioning, "options": Options(trash=trash)})
    warn_of_loss(plan)
    shown = capsys.readouterr().err
    assert (said in shown) if said else not shown


def test_the_totals_in_one_line(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    plan = _plan(context, {"a": Entry(size=2), "b": Entry()}, {"a": Entry(size=1), "c": Entry()})
    counts = plan.counts | {
        ChangeSet.NEW: Count(objects=1_200, bytes=1_500_000_000),
        ChangeSet.UNCHANGED: Count(objects=1_000),
    }
    assert total_line(plan.model_copy(update={"counts": counts})) == (
        "Plan: 1,200 to copy (1.5 GB), 1 to overwrite, 1 to delete, 1,000 unchanged"
    )
    drifted = counts | {ChangeSet.DRIFTED: Count(objects=5)}
    assert ", 5 to repair, " in total_line(plan.model_copy(update={"counts": drifted}))
    altered = counts | {ChangeSet.ALTERED: Count(objects=2)}
    assert ", 1 to delete, 2 altered, 1,000 unchanged" in total_line(plan.model_copy(update={"counts": altered}))
    assert total_line(_plan(context, {"a": Entry()}, {"a": Entry()})) == "Plan: nothing to do, 1 unchanged"


def test_what_follows_from_how_far_a_plan_came(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    status = plan_status(context, _plan(context, {"a": Entry()}, {"c": Entry()}))
    assert next_command(status, is_undone=False) == "copy"
    assert next_command(status, is_undone=False, has_failed=True) == "retry"
    assert next_command(status, is_undone=True) == "dryrun"
    empty = plan_status(context, _plan(context, {}, {"c": Entry()}))
    assert next_command(empty, is_undone=False) == "doctor"
    assert next_command(plan_status(context, _plan(context, {}, {})), is_undone=False) is None
