"""Several processes make one plan: the same as one alone makes."""

import threading
from pathlib import Path

import pytest

from hyve_pipeline.core.base.ids import make_id, number_of
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.list_range import ListedRange
from hyve_pipeline.operations.inventory.take import take_inventory
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.planning import help_planning, is_planning, planning
from hyve_pipeline.state.parquet import open_dataset
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory
from hyve_pipeline_tests.syncs import MakePair, Pair


# After `state_place`, which hides the variable from tests of a state in a folder.
@pytest.fixture
def state_in_bucket(
    state_place: BucketSettings | None, make_place: MakePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del state_place
    place = make_place("state")
    monkeypatch.setenv("HYVE_STATE", f"{place.uri}?endpoint_url={place.endpoint_url}&profile={place.profile}")
    monkeypatch.setenv("HYVE_CACHE", str(tmp_path / "cache"))


def _remembered(context: SyncContext, side: Side, cuts: list[str]) -> None:
    """Make a newest inventory that says where to cut the next listing, as one of a large bucket does."""
    taken = take_inventory(context, side)
    later = make_id(number_of(taken.id) + 1, taken.started, "00000000", "microseconds")
    context.inventories(side).save(taken.model_copy(update={"id": later, "cuts": tuple(cuts)}))


@pytest.mark.usefixtures("state_in_bucket")
def test_workers_list_ranges_of_one_listing(make_pair: MakePair) -> None:
    pair: Pair = make_pair()
    keys = [f"{number:03d}" for number in range(60)]
    pair.source.put(dict.fromkeys(keys, b"1"))
    context = pair.context()
    _remembered(context, "source", ["015", "030", "045"])
    ended = threading.Event()
    helped: list[int] = []

    def help_until_ended() -> None:
        worker = pair.context()
        while not ended.is_set():
            helped.append(help_planning(worker))

    helper = threading.Thread(target=help_until_ended)
    helper.start()
    try:
        inventory = take_inventory(context, "source", shared_objects=20)
    finally:
        ended.set()
        helper.join()
    assert [part.rpartition("/")[2] for part in inventory.files] == ["rows.parquet"] * 3
    assert open_dataset(context.state, inventory.files).to_table().column("key").to_pylist() == keys
    assert (inventory.objects, inventory.bytes) == (60, 60)
    results = [name for name in (entry.name for entry in context.state.entries(recursive=True)) if "summary" in name]
    assert len(results) == 3
    manifests = [context.state.read_manifest(name, ListedRange) for name in results]
    assert sum(listed.objects for listed in manifests) == 60
    assert sum(helped) <= 3
    # Nobody leads it any more.
    assert help_planning(pair.context()) == 0


@pytest.mark.usefixtures("state_in_bucket")
def test_a_comparison_in_ranges_is_that_of_the_whole(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    source = written_inventory(
        context, "source", {f"{number:03d}": Entry(time=number % 3) for number in range(0, 300, 2)}, 10
    )
    store = written_inventory(context, "store", {f"{number:03d}": Entry(time=1) for number in range(0, 300, 3)}, 10)
    whole = diff_inventories(context, source, store)
    lists = {name: (tmp_path / "out" / "images" / f"{name}.txt").read_bytes() for name in ("new", "modified")}
    parts = diff_inventories(context, source, store, shared_rows=40)
    assert len(parts.changes) > 3
    assert (parts.counts, parts.skipped_examples, parts.future) == (whole.counts, whole.skipped_examples, whole.future)
    for name in (ChangeSet.NEW, ChangeSet.MODIFIED, ChangeSet.DUPLICATE):
        one, other = (open_dataset(context.state, diff.files[name]).to_table().to_pylist() for diff in (whole, parts))
        assert one == other
    for name, content in lists.items():
        assert (tmp_path / "out" / "images" / f"{name}.txt").read_bytes() == content


def test_a_plan_that_is_being_made_is_known(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    assert not is_planning(context)
    with planning(context):
        assert is_planning(context)
        # A second one is made beside it.
        with planning(context):
            assert is_planning(context)
    assert not is_planning(context)


@pytest.mark.usefixtures("state_in_bucket")
def test_claims_of_earlier_plans_do_not_pile_up(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    for _ in range(5):
        with planning(context):
            assert is_planning(context)
        assert not is_planning(context)
    assert context.state.names("planning") == ["0004", "0005"]
