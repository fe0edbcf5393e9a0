"""Archived objects: their restore is asked for, kept track of, priced, and what came back is copied."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.operations.restore.asked import FOLDER, summaries
from hyve_pipeline.operations.retention import drop_plans
from hyve_pipeline_tests.faults import FaultyServer, restoring
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair


def _configure(pair: Pair, **options: object) -> None:
    """With the option as a table of its own, since JSON's form of one is not TOML's."""
    pair.configure(**options)
    with (pair.home / "hyve.toml").open("a") as file:
        file.write('restore = { days = 3, tier = "Bulk" }\n')


def _asked(faulty: FaultyServer) -> list[Received]:
    return [received for received in faulty.received if "restore" in received.query]


def _until(days: float) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%S.000Z}"


def test_what_is_archived_is_asked_for_once_and_copied_when_it_is_back(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve
) -> None:
    pair = make_pair(through=faulty)
    _configure(pair)
    pair.source.put({"plain": b"1"})
    pair.source.put({"cold/a": b"12", "cold/b": b"1234"}, StorageClass="GLACIER")
    synced = hyve("sync", "--json")
    assert (synced.code, synced.document["copied"]) == (0, 1)
    restore = synced.document["restore"]
    assert (restore["asked"], restore["bytes"], restore["tier"]) == (2, 6, "Bulk")
    assert restore["restores"] == {"waiting": 2, "restored": 0, "expired": 0, "changed": 0}
    bodies = [received.body for received in _asked(faulty)]
    assert len(bodies) == 2
    assert all(b"<Days>3</Days>" in body and b"<Tier>Bulk</Tier>" in body for body in bodies)
    # Still waiting: nothing is asked again, and the next plan says that it costs nothing more.
    again = hyve("restore", "--json")
    assert (again.code, again.document["asked"], again.document["asked_before"]) == (0, 0, 2)
    assert len(_asked(faulty)) == 2
    assert "restore" not in hyve("dryrun", "--json").document["estimate"]["steps"]
    assert "restores: 2 waiting, 0 restored" in hyve("show").out
    # They come back. moto's listing does not say so, and its copies know.
    faulty.fault = restoring(faulty, _until(2))
    copied = hyve("sync", "--json")
    assert (copied.code, copied.document["copied"]) == (0, 2)
    assert pair.store.keys() == ["cold/a", "cold/b", "plain"]
    assert hyve("show", "--json").document["restores"] == {"waiting": 0, "restored": 2, "expired": 0, "changed": 0}
    # Archived again, and equal in the store: nothing is skipped, nothing is asked for.
    faulty.fault = restoring(faulty, _until(-1))
    hyve("sync", "--json")
    assert hyve("show", "--json").document["restores"]["expired"] == 2
    assert len(_asked(faulty)) == 2
    kinds = [event.kind for event in pair.events()]
    assert kinds.count(EventKind.RESTORES_ASKED) >= 2


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        (error_answer(409, "RestoreAlreadyInProgress"), "in_progress", 0),
        (error_answer(403, "InvalidObjectState"), "readable", 0),
        (error_answer(404, "NoSuchKey"), "gone", 0),
        (Answer(), "restored", 0),
        (error_answer(403, "AccessDenied"), "failed", 1),
        (Answer(b"<html/>"), "failed", 1),
    ],
)
def test_what_the_server_answers(
    answer: Answer, outcome: str, code: int, make_pair: MakePair, faulty: FaultyServer, hyve: Hyve
) -> None:
    pair = make_pair(through=faulty)
    _configure(pair, patience_seconds=0)
    pair.source.put({"cold": b"12"}, StorageClass="DEEP_ARCHIVE")
    assert hyve("dryrun").code == 0
    faulty.fault = lambda received: answer if "restore" in received.query else None
    asked = hyve("restore", "--json")
    assert (asked.code, asked.document[outcome], asked.document["asked"]) == (code, 1, 0)
    # What failed is asked for again, and so is what is gone from the plan.
    faulty.fault = lambda _: None
    assert hyve("restore", "--json").document["asked"] == (0 if outcome in ("in_progress", "restored") else 1)


def test_a_server_without_restores_says_so(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    pair = make_pair(through=faulty)
    _configure(pair)
    pair.source.put({"plain": b"1"})
    pair.source.put({"cold": b"12"}, StorageClass="GLACIER")
    faulty.fault = lambda received: error_answer(501, "NotImplemented") if "restore" in received.query else None
    synced = hyve("sync")
    assert synced.code == 0
    assert "can't restore archived objects" in synced.err
    assert pair.store.keys() == ["plain"]
    refused = hyve("restore")
    assert refused.code == 4
    assert "can't restore archived objects" in refused.only_line
    assert "can't restore" in hyve("doctor").out


def test_without_the_option_nothing_is_asked_for(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    pair.source.put({"cold": b"12"}, StorageClass="GLACIER")
    assert "restore" not in hyve("sync", "--json").document
    refused = hyve("restore")
    assert refused.code == 2
    assert "restore = { days = 3" in refused.only_line
    pair.configure(restore="soon")
    assert hyve("dryrun").code == 2


def test_what_was_asked_for_is_dropped_with_its_plans_once_it_is_over(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    _configure(pair)
    pair.source.put({"cold": b"12"}, StorageClass="GLACIER")
    assert hyve("sync").code == 0
    assert hyve("dryrun").code == 0
    context = pair.context()
    (asked,) = summaries(context)
    first, newest = context.plans.ids()
    drop_plans(context, [first])
    assert summaries(context) == [asked]
    assert context.plans.ids() == [newest]
    # Five days later: three days of the copy after two days of waiting.
    context.state.remove(f"{FOLDER}/{asked.id}.json")
    earlier = asked.model_copy(update={"at": asked.at - timedelta(days=5, seconds=1)})
    context.state.below(FOLDER).write_manifest(f"{asked.id}.json", earlier)
    assert drop_plans(context, []).files == 2
    assert summaries(context) == []


def test_what_a_restore_costs_is_in_the_plan(make_pair: MakePair, hyve: Hyve, tmp_path: Path) -> None:
    pair = make_pair()
    pair.source.put({f"cold/{number}": b"x" * 1024 for number in range(4)}, StorageClass="GLACIER")
    prices = tmp_path / "prices.toml"
    port = urlsplit(str(pair.source.place.endpoint_url)).port
    prices.write_text(
        f'date = 2026-11-29\nsource = "a test"\nservers = ["localhost:{port}"]\n[classes.STANDARD]\nstorage = 30\n'
        "[classes.GLACIER]\nrestore.Bulk = { requests = 1000, bytes = 1024 }\n"
    )
    _configure(pair, prices=str(prices), max_cost="4")
    dryrun = hyve("dryrun", "--json")
    # Four requests at a dollar; 4 KiB at 1,024 dollars a GiB, and for three days at a dollar a GiB and day.
    exact = 4 + Decimal(4096) * 1024 / 2**30 + Decimal(4096) * 3 / 2**30
    step = dryrun.document["estimate"]["steps"]["restore"]
    assert Decimal(step["cost"]) == pytest.approx(exact, abs=Decimal("0.000001"))
    assert step["requests"]["RestoreObject"] == 4
    assert (dryrun.code, dryrun.document["refused"]["rule"]) == (3, "max_cost")
    assert hyve("restore").code == 3
