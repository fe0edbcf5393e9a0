"""`hyve undo` puts back what a plan overwrote and deleted, and nothing that is not the plan's."""

import pytest

from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline_tests.conftest import MakeBucket
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

HOSTILE = ("a//b", "/lead", "dir/", "x/../y", "end ", "new\nline", "a+b%2F", "ü", '"quoted"')


@pytest.fixture(params=["trash", "versions"])
def kept(request: pytest.FixtureRequest, make_pair: MakePair, make_bucket: MakeBucket) -> Pair:
    """A sync that keeps what it overwrites and deletes, in either way."""
    if request.param == "versions":
        return make_pair(versioned=True, prefixes=("", "below/"), shard_objects=5)
    trash = f"s3://{make_bucket('trash')}/images/"
    return make_pair(prefixes=("", "below/"), shard_objects=5, trash=trash)


def synced(pair: Pair, hyve: Hyve, *more: str) -> str:
    finished = hyve("sync", "--json", *more)
    assert finished.code == 0, finished.err
    plan: str = finished.document["plan"]
    return plan


def synced_by(hyve: Hyve, *commands: str) -> str:
    """The id of a new plan, after these commands."""
    plan: str = hyve("dryrun", "--json").document["plan"]
    assert [hyve(command).code for command in commands] == [0] * len(commands)
    return plan


@pytest.mark.both_states
def test_puts_back_what_was_overwritten_and_deleted(kept: Pair, hyve: Hyve) -> None:
    gone = {f"below/{key}": b"gone" for key in HOSTILE}
    kept.store.put(gone, ContentType="image/png", Metadata={"a": "b"})
    kept.store.put({f"below/same/{number}": b"longer before" for number in range(7)}, Metadata={"c": "d"})
    before = kept.store.carried(kept.store.keys())
    kept.source.put({f"same/{number}": b"after" for number in range(7)})
    kept.source.put({"new": b"new"})
    plan = synced(kept, hyve)
    assert len(kept.store.keys()) == 8

    undone = hyve("undo", plan, "--json")

    assert undone.code == 0, undone.err
    assert undone.document == {
        "sync": "images",
        "plan": plan,
        "restored": 16,
        "skipped": 0,
        "failed": 0,
        "left": 1,
        "reasons": {},
    }
    after = kept.store.carried(kept.store.keys())
    assert after.pop("below/new")["Body"] == b"new"
    assert after == before


def test_a_second_undo_finds_everything_back(kept: Pair, hyve: Hyve) -> None:
    kept.store.put({"below/gone": b"gone", "below/same": b"longer before"})
    kept.source.put({"same": b"after"})
    plan = synced(kept, hyve)
    assert "undone" not in hyve("show", plan).out + hyve("plans").out
    assert hyve("undo", plan, "--json").document["restored"] == 2
    assert "\nundone: 2 objects put back\n" in hyve("show", plan).out
    assert [line.endswith(", undone") for line in hyve("plans").out.splitlines()][-1]
    assert hyve("plans", "--json").document["plans"][-1]["undone"]["restored"] == 2
    listing = kept.store.listing()
    again = hyve("undo", plan, "--json")
    assert (again.code, again.document["restored"], again.document["skipped"]) == (0, 2, 0)
    assert kept.store.listing() == listing


@pytest.mark.both_states
def test_a_plan_is_not_applied_and_undone_at_once(kept: Pair, hyve: Hyve) -> None:
    kept.store.put({"below/gone": b"gone"})
    kept.source.put({"new": b"new"})
    plan = hyve("dryrun", "--json", "--max-deletes", "100%").document["plan"]
    sync = SyncContext.choose(Home(kept.home), "images")
    with sync.applying(plan):
        undone = hyve("undo", plan, "--json")
        assert undone.code == 3
        assert f"plan {plan} of sync images is being applied or undone by process" in undone.err + undone.out
    with sync.applying(plan, alone=True):
        copied = hyve("copy", "--json")
        assert (copied.code, copied.document["refused"]["rule"]) == (3, "one_at_a_time")
    assert kept.store.keys() == ["below/gone"]
    assert hyve("copy").code == 0


def test_leaves_what_somebody_changed_since(kept: Pair, hyve: Hyve) -> None:
    kept.store.put({f"below/{key}": b"longer before" for key in ("gone", "same", "other", "removed")})
    kept.source.put(dict.fromkeys(("same", "other", "removed"), b"after"))
    plan = synced(kept, hyve)
    kept.store.put({"below/gone": b"theirs", "below/same": b"theirs"})
    kept.store.delete("below/removed")

    undone = hyve("undo", plan, "--json")

    assert undone.code == 1
    assert (undone.document["restored"], undone.document["reasons"]) == (1, {"ChangedSincePlan": 3})
    assert "\nundone: 1 object put back, 3 skipped\n" in hyve("show", plan).out
    assert kept.store.read() == {"below/gone": b"theirs", "below/same": b"theirs", "below/other": b"longer before"}


def test_an_undo_of_which_nothing_was_kept_is_refused_at_once(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve
) -> None:
    pair = make_pair(through=faulty)
    pair.store.put({"gone": b"gone", "same": b"longer before"})
    pair.source.put({"same": b"after"})
    plan = synced(pair, hyve)
    before = len(faulty.received)
    undone = hyve("undo", plan)
    assert undone.code == 3
    assert undone.only_line.startswith("hyve: refused by nothing_kept (nothing is left to put back): of 2 objects that")
    assert "2 NotKept (neither the trash nor a version has the object of before)" in undone.err
    assert len(faulty.received) == before
    assert pair.store.read() == {"same": b"after"}
    # The plan does not count as undone.
    shown = hyve("show", plan)
    assert "undone" not in shown.out
    assert "next: " not in shown.out


def test_an_undo_is_refused_when_what_was_kept_is_gone(
    make_pair: MakePair, hyve: Hyve, make_bucket: MakeBucket
) -> None:
    trash = make_bucket("trash")
    pair = make_pair(trash=f"s3://{trash}/images/", shard_objects=2)
    pair.store.put({f"gone/{number}": b"gone" for number in range(5)})
    pair.source.put({"same": b"after"})
    plan = synced(pair, hyve)
    for number in range(5):
        pair.store.client.delete_object(Bucket=trash, Key=f"images/gone/{number}")
    undone = hyve("undo", plan)
    assert undone.code == 3
    assert ": 5 NotKept (neither" in undone.only_line
    assert pair.store.read() == {"same": b"after"}


def test_an_undo_says_before_it_begins_of_how_many_something_was_kept(pair: Pair, hyve: Hyve) -> None:
    pair.store.put({"gone": b"gone", "same": b"longer before"})
    pair.source.put({"same": b"after"})
    plan = synced_by(hyve, "copy")
    pair.store.client.put_bucket_versioning(Bucket=pair.store.name, VersioningConfiguration={"Status": "Enabled"})
    assert hyve("delete").code == 0
    undone = hyve("undo", plan)
    assert undone.code == 1
    assert "1 of 2 objects can be put back; of 1 neither the trash nor a version was kept\n" in undone.err
    assert "not put back: 1 object, NotKept (neither" in undone.err
    assert pair.store.read() == {"gone": b"gone", "same": b"after"}


def test_the_trash_of_a_later_plan_is_not_taken_for_an_earlier_ones(
    make_pair: MakePair, hyve: Hyve, make_bucket: MakeBucket
) -> None:
    pair = make_pair(trash=f"s3://{make_bucket('trash')}/")
    pair.store.put({"a": b"the very first"})
    pair.source.put({"a": b"second"})
    first = synced(pair, hyve)
    pair.source.put({"a": b"the third one"})
    second = synced(pair, hyve)
    assert hyve("undo", second, "--json").document["restored"] == 1
    assert pair.store.read() == {"a": b"second"}
    undone = hyve("undo", first, "--json")
    assert (undone.code, undone.out) == (3, "")
    assert ": 1 NotKept (neither" in undone.only_line
    assert pair.store.read() == {"a": b"second"}


def test_an_undo_that_is_cut_short_says_what_it_did(make_pair: MakePair, hyve: Hyve, make_bucket: MakeBucket) -> None:
    pair = make_pair(shard_objects=3, trash=f"s3://{make_bucket('trash')}/", max_overwrites="100%")
    pair.store.put({f"{number}": b"longer before" for number in range(6)})
    pair.source.put({f"{number}": b"after" for number in range(6)})
    plan = synced(pair, hyve)
    attempt = f"journals/{plan}/0001/0001"
    (journal,) = (name for name in pair.state.names(attempt) if name.endswith(".parquet"))
    content = pair.read_state(f"{attempt}/{journal}")
    pair.write_state(f"{attempt}/{journal}", content[:-9])

    undone = hyve("undo", plan, "--json")

    assert undone.code == 1
    assert (undone.document["restored"], undone.document["failed"]) == (3, 0)
    last = undone.err.splitlines()[-1]
    assert f"{journal}: damaged" in last
    assert "what was done before is in the journal" in last
    assert [pair.store.read()[f"{number}"] for number in range(6)] == [b"after"] * 3 + [b"longer before"] * 3
    told = hyve("undo", plan)
    assert told.code == 1
    assert f"plan {plan}: 3 objects" in told.out
    pair.write_state(f"{attempt}/{journal}", content)
    assert hyve("undo", plan, "--json").document["restored"] == 6


def test_a_plan_that_was_never_applied_has_nothing_to_undo(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1"})
    plan = hyve("dryrun", "--json").document["plan"]
    undone = hyve("undo", plan, "--json")
    assert (undone.code, undone.document["restored"], undone.document["left"]) == (0, 0, 0)


def test_undo_of_a_plan_that_changed_nothing_names_the_one_that_did(kept: Pair, hyve: Hyve) -> None:
    kept.source.put({"a": b"1"})
    first, second = synced(kept, hyve), synced(kept, hyve)
    nothing = f"plan {second} changed nothing in {kept.context().settings.store.uri}, so there is nothing to put back"
    assert hyve("undo", "latest").out == f"{nothing}; 'hyve undo {first}' undoes the newest that did\n"
    assert "1 object that it copied where nothing was stay" in hyve("undo", first).out
    assert hyve("undo", "latest").out == f"{nothing}\n"


def test_an_unknown_plan_is_wrong_usage(pair: Pair, hyve: Hyve) -> None:
    assert hyve("undo", "20260131T020000000Z-1a2b3c4d").code == 2
    assert hyve("undo").code == 2
