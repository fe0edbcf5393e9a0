"""Plans from reports of S3 Inventory: as from a listing of the same state, and safe where the report is old."""

import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.inventory import SIDES, Side
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.take import take_inventories
from hyve_pipeline.operations.plan.adopt import adopt
from hyve_pipeline.operations.plan.dryrun import take_plan
from hyve_pipeline.orchestration.metadata.events import inventory_metadata
from hyve_pipeline.orchestration.metadata.plan import plan_metadata
from hyve_pipeline.state.parquet import open_dataset
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.reports import CURRENT, FORMATS, OPTIONAL, Report, rows_of
from hyve_pipeline_tests.syncs import Bucket, Hyve, MakePair, Pair, next_second
from hyve_pipeline_tests.tally import THOROUGHNESS


class Reported:
    """A pair whose sides have reports.

    Attributes:
        pair: the pair.
        folders: the folders of the reports of both sides.
    """

    def __init__(self, pair: Pair, make_place: MakePlace) -> None:
        self.pair = pair
        self.folders: dict[Side, Bucket] = {}
        for side in SIDES:
            place = make_place("reports", prefix=f"{side}/all/")
            self.folders[side] = Bucket(place, str(place.endpoint_url))

    def write(self, *sides: Side, **members: Any) -> None:
        """Write reports of some sides as they are now."""
        for side in sides or SIDES:
            bucket = self.pair.source if side == "source" else self.pair.store
            Report(bucket.name, rows_of(bucket), **members).write(self.folders[side])

    def configure(self, *sides: Side, **options: Any) -> None:
        """Write `hyve.toml` so that some sides are read from their reports."""
        pair = self.pair
        pair.configure(**options)
        file = pair.home / "hyve.toml"
        text = file.read_text()
        for side in sides or SIDES:
            head = f"[sync.images.{side}]\n"
            text = text.replace(head, f'{head}inventory = "{self.folders[side].place.uri}"\n')
        file.write_text(text)

    def context(self, *sides: Side, **options: Any) -> SyncContext:
        """What the verbs take."""
        context = self.pair.context(**options)
        named = {
            side: context.place(side).model_copy(update={"inventory": self.folders[side].place.uri})
            for side in sides or SIDES
        }
        return SyncContext(context.home, context.settings.model_copy(update=named))


@pytest.fixture
def reported(pair: Pair, make_place: MakePlace) -> Reported:
    """A sync whose sides have reports; none is written yet."""
    return Reported(pair, make_place)


def _contents(context: SyncContext, plan: Plan) -> tuple[Any, ...]:
    rows = open_dataset(context.state, plan.changes).to_table().to_pylist()
    return rows, plan.counts, plan.figures, plan.refusals, plan.unpinned, plan.newer, plan.future


_STATES = st.dictionaries(
    st.sampled_from(["a", "b c", "b+c", "ü/ö", "d//", "%41", "x/y", "x/z"]),
    st.tuples(st.sampled_from(["source", "store", "both", "both differ"]), st.binary(max_size=2)),
)


@settings(max_examples=4 * THOROUGHNESS, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    states=st.lists(_STATES, min_size=1, max_size=3),
    report_format=st.sampled_from(FORMATS),
    files=st.integers(1, 3),
    more=st.sets(st.sampled_from(OPTIONAL)),
    seed=st.integers(0, 1000),
)
def test_a_plan_by_report_is_the_plan_by_listing(
    reported: Reported, states: list[Any], report_format: Any, files: int, more: Any, seed: int
) -> None:
    pair = reported.pair
    for bucket in (pair.source, pair.store, *reported.folders.values()):
        bucket.delete(*bucket.keys())
    for state in states:
        for key, (where, content) in state.items():
            sides = {"source": [pair.source], "store": [pair.store]}.get(where, [pair.source, pair.store])
            for number, side in enumerate(sides):
                side.put({key: content + b"x" * number * (where == "both differ")})
    by_listing = pair.context()
    if {"b c", "b+c"} <= {key for state in states for key in state}:
        files = 1  # a file with one of them does not show which it is, and is refused
    for side in SIDES:
        bucket = pair.source if side == "source" else pair.store
        rows = rows_of(bucket)
        random.Random(seed).shuffle(rows)
        Report(bucket.name, rows, (*CURRENT, *sorted(more)), report_format, files=files).write(reported.folders[side])
    by_report = reported.context()
    assert _contents(by_report, take_plan(by_report)) == _contents(by_listing, take_plan(by_listing))


def test_what_a_report_lacks_because_it_was_written_since_is_neither_deleted_nor_overwritten(
    reported: Reported, hyve: Hyve
) -> None:
    pair = reported.pair
    old = {f"old/{number}": b"old" for number in range(20)}
    pair.source.put(old)
    pair.store.put({"gone": b"gone", "back/1": b"1", "back/2": b"2", **old})
    next_second()
    reported.write("source", as_of=datetime.now(UTC))
    # Since the report: keys of the store come back in the source, one was written in both, and one was overwritten.
    next_second()
    pair.source.put({"back/1": b"1", "back/2": b"22", "new in both": b"both", "old/3": b"changed"})
    pair.store.put({"new in both": b"both", "only in store": b"since"})
    reported.configure("source")
    before = pair.store.read()
    dryrun = hyve("dryrun", "--json")
    assert dryrun.document["duplicate"]["objects"] == 3  # gone, and those that are back
    assert dryrun.document["skipped"]["objects"] == 2  # newer than the report
    assert set(dryrun.document["reports"]) == {"source"}
    finished = hyve("sync", "--yes")
    # Skipped since they changed: the next plan has them.
    assert finished.code == 1
    after = pair.store.read()
    assert after == {key: content for key, content in before.items() if key != "gone"}
    assert "2 objects of the store are newer than the report of the source" in finished.err
    reported.write("source")
    assert hyve("sync", "--yes").code == 0
    assert pair.store.read() == pair.source.read()


def test_each_delete_from_a_report_is_checked_at_the_source_for_every_key(reported: Reported, hyve: Hyve) -> None:
    """More keys than the sample of HEAD requests: the check of each must not depend on it."""
    pair = reported.pair
    keys = {f"k/{number:04d}": b"x" for number in range(120)}
    pair.source.put({"other": b"x"})
    pair.store.put({"other": b"x", **keys})
    next_second()
    reported.write("source", as_of=datetime.now(UTC))
    reported.configure("source", max_deletes="100%")
    back = random.Random(7).sample(sorted(keys), 60)
    pair.source.put(dict.fromkeys(back, b"x"))
    context = reported.context("source", max_deletes="100%")
    plan = take_plan(context)
    assert plan.count(ChangeSet.DUPLICATE).objects == 120
    finished = hyve("delete", "--yes", "--json")
    figures = {name: finished.document[name] for name in ("deleted", "delete_skipped", "delete_failed")}
    assert figures == {"deleted": 60, "delete_skipped": 60, "delete_failed": 0}
    assert pair.store.keys() == [*sorted(back), "other"]


@pytest.mark.parametrize("versioned", [False, True])
def test_a_second_sync_by_the_same_reports_undoes_nothing(
    versioned: bool, make_pair: MakePair, make_place: MakePlace, hyve: Hyve
) -> None:
    pair = make_pair(versioned=versioned)
    reported = Reported(pair, make_place)
    pair.store.put({"modified": b"old", "unchanged": b"same", "deleted": b"gone", **{str(n): b"" for n in range(20)}})
    next_second()
    pair.source.put({"new": b"new", "modified": b"newer", "unchanged": b"same", **{str(n): b"" for n in range(20)}})
    next_second()
    reported.write()
    reported.configure()
    next_second()
    first = hyve("sync", "--yes", "--json")
    assert (first.code, first.document["verified"]) == (0, True), first.err
    expected = pair.source.read()
    assert pair.store.read() == expected
    written = pair.store.listing()
    again = hyve("sync", "--yes", "--json")
    assert pair.store.read() == expected
    assert pair.store.listing() == written
    assert (again.code, again.document["verified"]) == (0, True), again.err


def test_what_must_be_known_as_of_now_is_listed(reported: Reported, hyve: Hyve) -> None:
    pair = reported.pair
    pair.source.put({"a": b"a"})
    pair.store.put({"a": b"a"})
    reported.write()
    reported.configure()
    next_second()
    pair.source.put({"b": b"b"})
    pair.store.put({"b": b"b"})
    assert adopt(reported.context(), reads=True).adopted == 2
    taken = take_inventories(reported.context(), SIDES, by_listing=True)
    assert [taken[side].objects for side in SIDES] == [2, 2]
    assert take_plan(reported.context()).is_empty
    # Of an empty plan the listing is used again, a report is not.
    assert hyve("sync", "--yes", "--json").document["verified"] is True
    verified = hyve("verify", "--json")
    assert (verified.document["verified"], verified.document["since_report"]) == (True, 1)
    pair.store.delete("a")
    assert hyve("verify", "--json").document["differences"] == {"missing": 1}


def test_a_date_chooses_the_report_and_needs_one(reported: Reported, hyve: Hyve) -> None:
    pair = reported.pair
    pair.source.put({"a": b"a"})
    now = datetime.now(UTC)
    reported.write("source", as_of=now - timedelta(hours=30))
    pair.source.put({"b": b"b"})
    reported.write("source", as_of=now)
    assert (
        "inventory date 2026-01-01: sync images has no reports"
        in hyve("dryrun", "--inventory-date", "2026-01-01").only_line
    )
    reported.configure("source")
    name = f"{now - timedelta(hours=30):%Y-%m-%dT%H-%M}"
    assert hyve("dryrun", "--json", "--inventory-date", name).document["new"]["objects"] == 1
    assert hyve("sync", "--json", "--yes", "--inventory-date", name).document["copied"] == 1
    assert hyve("dryrun", "--json").document["new"]["objects"] == 1
    shown = hyve("show")
    assert (
        f"source from S3 Inventory as of {now:%Y-%m-%d %H:%M} UTC ({reported.folders['source'].place.uri}" in shown.out
    )
    refused = hyve("dryrun", "--inventory-date", "2020-01-01")
    assert refused.code == 4
    assert "there is no S3 Inventory report of 2020-01-01; the newest are" in refused.err.splitlines()[-1]
    assert hyve("dryrun", "--inventory-date", "yesterday").code == 2


def test_whatever_shows_a_plan_names_its_reports(reported: Reported, hyve: Hyve, tmp_path: Path) -> None:
    pair = reported.pair
    pair.source.put({"a": b"a"})
    as_of = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    reported.write("source", fields=(*CURRENT, "ChecksumAlgorithm"), as_of=as_of)
    context = reported.context("source")
    reported.configure("source")
    plan = take_plan(context)
    described = (
        f"S3 Inventory as of {as_of:%Y-%m-%d %H:%M} UTC ({plan.reports['source'].uri}); "
        "what was written since is left to the next report"
    )
    shown_plan = hyve("show", "--json")
    assert datetime.fromisoformat(shown_plan.document["reports"]["source"]["as_of"]) == as_of
    assert f"source from {described}" in hyve("show").out
    assert f"source from {described}" in hyve("dryrun").out
    assert plan_metadata(context, plan)["source inventory from"] == described
    inventory = context.inventories("source").load(plan.source_inventory)
    shown = inventory_metadata(context, inventory)
    assert shown["as of"] == dg.MetadataValue.timestamp(as_of)
    assert (shown["report"], shown["report rows"]) == (plan.reports["source"].uri, 1)
    assert [record.data for record in shown["report says"].records] == [
        {"column": "ChecksumAlgorithm", "value": "CRC64NVME", "objects": 1}
    ]
    assert hyve("report", "--output", str(tmp_path / "plan.html")).code == 0
    assert described in (tmp_path / "plan.html").read_text()
    lag = re.search(r'^hyve_inventory_timestamp_seconds{.*"source".*} (.*)$', hyve("metrics").out, re.MULTILINE)
    assert lag is not None
    assert float(lag[1]) == as_of.timestamp()


def test_each_side_may_be_read_by_a_process_of_its_own(reported: Reported) -> None:
    reported.pair.source.put({"a": b"a", "b": b"b"})
    reported.pair.store.put({"a": b"a"})
    reported.write()
    taken = take_inventories(reported.context(processes=2), SIDES)
    assert [(taken[side].objects, taken[side].report is not None) for side in SIDES] == [(2, True), (1, True)]
