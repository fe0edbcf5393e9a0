"""`hyve undo --since` takes the store back to before a plan, through all plans after it."""

from hyve_pipeline_tests.conftest import MakeBucket
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair


def synced(hyve: Hyve) -> str:
    finished = hyve("sync", "--json")
    assert finished.code == 0, finished.err
    plan: str = finished.document["plan"]
    return plan


def three_plans(pair: Pair, hyve: Hyve) -> list[str]:
    """Plans of which each touches what one before it left."""
    pair.store.put({"gone": b"gone", "twice": b"twice, before all", "back": b"back, before all"})
    pair.source.put({"twice": b"one"})
    first = synced(hyve)
    pair.source.put({"twice": b"two..", "back": b"again", "new": b"new"})
    second = synced(hyve)
    pair.source.put({"new": b"newer"})
    pair.source.delete("back")
    return [first, second, synced(hyve)]


BEFORE_ALL = {"gone": b"gone", "twice": b"twice, before all", "back": b"back, before all", "new": b"new"}


def test_takes_the_store_back_to_before_the_oldest_plan(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(versioned=True)
    plans = three_plans(pair, hyve)
    # A plan that was never applied has nothing to undo, and stays as it is.
    pair.source.put({"later": b"later"})
    unapplied = hyve("dryrun", "--json").document["plan"]

    undone = hyve("undo", "--since", plans[0], "--json")

    assert undone.code == 0, undone.err
    assert pair.store.read() == BEFORE_ALL
    found = undone.document
    assert (found["sync"], found["since"]) == ("images", plans[0])
    assert [(step["plan"], step["state"]) for step in found["plans"]] == [(plan, "undone") for plan in plans[::-1]]
    assert [(step["restored"], step["left"], step["skipped"]) for step in found["plans"]] == [
        (2, 0, 0),
        (1, 2, 0),
        (3, 0, 0),
    ]
    shown = hyve("show", plans[1], "--json").document["undone"]
    assert shown == {"restored": 1, "skipped": 0, "failed": 0, "left": 2, "reasons": {}}
    assert hyve("show", unapplied, "--json").document["undone"] is None

    listing = pair.store.listing()
    again = hyve("undo", "--since", plans[0][:6], "--json")
    assert again.code == 0
    assert [step["state"] for step in again.document["plans"]] == ["undone_before"] * 3
    assert pair.store.listing() == listing


def test_a_range_that_was_cut_short_is_continued(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    pair = make_pair(through=faulty, versioned=True)
    plans = three_plans(pair, hyve)

    def fault(received: Received) -> Answer | None:
        return error_answer(403, "AccessDenied") if received.method == "PUT" and "/twice" in received.target else None

    faulty.fault = fault
    stopped = hyve("undo", "--since", plans[0], "--json")
    assert stopped.code == 1
    assert [step["state"] for step in stopped.document["plans"]] == ["undone", "cut_short", "not_begun"]
    assert stopped.err.splitlines()[-1].endswith(f"'hyve undo --since {plans[0]}' continues")
    assert pair.store.read()["new"] == b"new"

    # Meanwhile somebody writes a key that a plan had overwritten: it stays.
    faulty.fault = lambda _: None
    pair.store.put({"gone": b"theirs"})
    continued = hyve("undo", "--since", plans[0])
    assert continued.code == 1
    assert f"plan {plans[2]}: undone before\n" in continued.out
    assert "not put back: 1 object, ChangedSincePlan" in continued.err
    assert pair.store.read() == BEFORE_ALL | {"gone": b"theirs"}


def test_an_older_plan_undone_out_of_order_is_undone_again(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(versioned=True)
    plans = three_plans(pair, hyve)
    # It puts back `gone`, and `back`, which is deleted again; then the last plan finds that no longer as it left it.
    assert hyve("undo", plans[0], "--json").document["restored"] == 2
    undone = hyve("undo", "--since", plans[0], "--json")
    assert undone.code == 1
    assert [step["state"] for step in undone.document["plans"]] == ["undone"] * 3
    assert [step["reasons"] for step in undone.document["plans"]] == [{"ChangedSincePlan": 1}, {}, {}]
    assert pair.store.read() == BEFORE_ALL


def test_is_refused_at_once_where_a_plan_can_not_be_put_back(
    make_pair: MakePair, hyve: Hyve, make_bucket: MakeBucket
) -> None:
    # The trash keeps one object a key: of what the first plan overwrote nothing is left.
    pair = make_pair(trash=f"s3://{make_bucket('trash')}/")
    pair.store.put({"same": b"before all"})
    plans: list[str] = []
    for content in (b"one", b"two.."):
        pair.source.put({"same": content})
        plans.append(synced(hyve))
    undone = hyve("undo", "--since", plans[0])
    assert undone.code == 3
    assert f"that plan {plans[0]} overwrote or deleted" in undone.only_line
    assert pair.store.read() == {"same": b"two.."}
    assert hyve("show", plans[1], "--json").document["undone"] is None


def test_a_damaged_journal_is_found_before_anything_is_undone(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(versioned=True)
    plans = three_plans(pair, hyve)
    shard = f"journals/{plans[0]}/0001"
    journal = next(f"{shard}/{name}" for name in pair.state_files(shard) if name.endswith(".parquet"))
    pair.write_state(journal, pair.read_state(journal)[:-9])
    before = pair.store.listing()
    undone = hyve("undo", "--since", plans[0])
    assert undone.code == 4
    assert "damaged" in undone.only_line
    assert pair.store.listing() == before


def test_one_plan_or_a_range_is_asked_for(pair: Pair, hyve: Hyve) -> None:
    for arguments in ((), ("latest", "--since", "latest")):
        assert hyve("undo", *arguments).code == 2
    assert "has no plan" in hyve("undo", "--since", "latest").only_line
