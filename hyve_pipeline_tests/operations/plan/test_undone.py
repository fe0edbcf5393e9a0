"""Undone keys are in the next plan, whatever times and sizes say, until a plan has copied them."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.base.ids import number_of
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.journal import JournalRow, Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan, read_shard
from hyve_pipeline.operations.plan.undone import UndoneRows
from hyve_pipeline.operations.undo import undo_plan
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline.state.undone import UndoneKeys
from hyve_pipeline_tests.conftest import MakeBucket
from hyve_pipeline_tests.operations.applying import apply, copied_plan, planned
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory
from hyve_pipeline_tests.syncs import MakePair, Pair, next_second
from hyve_pipeline_tests.tally import THOROUGHNESS

EVERYTHING = RelativeRange("", None)
KEYS = ("a", "b", "c/d", "é", "\U0001f600", "z")
STORE = BucketSettings(bucket="store-bucket")


def keys_of(context: SyncContext, store: BucketSettings | None = None) -> set[str]:
    rows = UndoneRows(context, store or context.settings.store).read(EVERYTHING)
    keys = rows.column("key").to_pylist()
    assert keys == sorted(set(keys))
    return set(keys)


def reasons_of(context: SyncContext, plan: Plan) -> dict[str, str]:
    rows = [row for shard in plan.shards for row in read_shard(context, plan, shard).to_pylist()]
    return {row["key"]: row["reason"] for row in rows}


class World:
    """A sync whose two listings are always the same, so that only what was undone is ever to be copied."""

    def __init__(self, home: Path) -> None:
        self.context = context_at(home, shard_objects=2)
        listing = {key: Entry() for key in KEYS}
        self._inventories = [written_inventory(self.context, side, listing, 2) for side in ("source", "store")]
        # By which undo, the last one of each.
        self.undone: dict[str, int] = {}
        self.plans: list[tuple[Plan, int]] = []
        self.undos = 0

    def undo(self, keys: set[str]) -> None:
        """As an undo does that puts these back, of a plan of two shards."""
        kept = UndoneKeys(self.context.state, self.context.settings.store)
        undo_id = kept.new_id(datetime.now(UTC))
        for shard, half in enumerate((sorted(keys)[:2], sorted(keys)[2:]), start=1):
            kept.keep(undo_id, shard, KEYS)
            kept.keep(undo_id, shard, half)
        self.undos += 1
        self.undone |= dict.fromkeys(keys, self.undos)

    def plan(self) -> None:
        diff = diff_inventories(self.context, *self._inventories)
        plan = freeze_plan(self.context, diff)
        assert reasons_of(self.context, plan) == dict.fromkeys(self.undone, "undone")
        assert diff.counts[ChangeSet.MODIFIED].objects == len(self.undone)
        if plan.shards:
            self.plans.append((plan, self.undos))

    def apply(self, keys: set[str]) -> None:
        """Do some objects of the newest plan, and fail with the others."""
        if not self.plans:
            return
        plan, undos = self.plans[-1]
        for shard in plan.shards:
            of_shard = ShardJournal(self.context.state, plan.id, shard)
            with (
                of_shard.claimed(self.context.actor) as claim,
                of_shard.begin(claim, "a run", datetime.now(UTC)) as journal,
            ):
                for row in read_shard(self.context, plan, shard).to_pylist():
                    outcome = Outcome.DONE if row["key"] in keys else Outcome.FAILED
                    journal.append(JournalRow(row["key"], "copy", outcome, datetime.now(UTC)))
                    # A plan that was made before an undo proves nothing of what was undone since.
                    if outcome is Outcome.DONE and self.undone.get(row["key"], 0) <= undos:
                        self.undone.pop(row["key"], None)


steps = st.tuples(st.sampled_from(["undo", "plan", "plan", "apply", "apply"]), st.sets(st.sampled_from(KEYS)))


@settings(deadline=None, max_examples=10 * THOROUGHNESS)
@given(st.lists(steps, max_size=8))
def test_what_is_remembered_is_what_was_undone_and_not_copied_since(steps: list[tuple[str, set[str]]]) -> None:
    with tempfile.TemporaryDirectory() as home:
        world = World(Path(home))
        for step, keys in steps:
            if step == "plan":
                world.plan()
            else:
                getattr(world, step)(keys)
        world.plan()
        assert keys_of(world.context) == world.undone.keys()
        left = world.context.state.names("undone_keys")
        assert bool(left) == bool(world.undone), "what is settled leaves no file"


def test_keys_are_read_by_range(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    kept = UndoneKeys(context.state, STORE)
    undo_id = kept.new_id(datetime.now(UTC))
    for shard in range(1, 4):
        kept.keep(undo_id, shard, [f"{shard}{number}" for number in range(3)])
    rows = UndoneRows(context, STORE)
    assert rows.read(EVERYTHING).num_rows == 9
    assert rows.read(RelativeRange("20", "30")).column("key").to_pylist() == ["20", "21", "22"]
    assert rows.read(RelativeRange("4", None)).num_rows == 0
    assert rows.read(RelativeRange("", "10")).num_rows == 0


def test_another_store_has_other_undone_keys(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    kept = UndoneKeys(context.state, STORE)
    kept.keep(kept.new_id(datetime.now(UTC)), 1, ["a"])
    assert keys_of(context) == {"a"}
    for change in ({"bucket": "another"}, {"prefix": "below/"}):
        assert keys_of(context, STORE.model_copy(update=change)) == set()
    assert keys_of(context) == {"a"}


def test_an_undo_is_newer_than_the_plans_that_there_are_and_older_than_the_next(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.undo({"a"})
    world.plan()
    world.undo({"b"})
    world.plan()
    (first, _), (second, _) = world.plans
    undos = [number_of(name) for name in UndoneKeys(world.context.state, STORE).names()]
    assert undos[0] < number_of(first.id) < undos[1] < number_of(second.id)


@pytest.fixture
def kept(request: pytest.FixtureRequest, make_pair: MakePair, make_bucket: MakeBucket) -> tuple[Pair, SyncContext]:
    if request.param == "versions":
        pair = make_pair(versioned=True, prefixes=("in/", "out/"))
        return pair, pair.context(shard_objects=2)
    pair = make_pair(prefixes=("in/", "out/"))
    return pair, pair.context(shard_objects=2, trash=f"s3://{make_bucket('trash')}/images/")


@pytest.mark.parametrize(("kept", "state_kind"), [("trash", "s3"), ("versions", "folder")], indirect=True)
def test_what_an_undo_put_back_is_copied_by_the_next_plan(kept: tuple[Pair, SyncContext]) -> None:
    pair, context = kept
    pair.store.put({"out/same": b"old", "out/longer": b"long before", "out/gone": b"only here", "out/back": b"then"})
    next_second()
    pair.source.put({"in/same": b"new", "in/longer": b"new", "in/new": b"new"})
    plan = planned(context)
    assert set(reasons_of(context, plan)) == {"same", "longer", "new", "gone", "back"}
    apply(context, plan, "copy", "delete")
    assert pair.store.read() == {f"out/{key}": b"new" for key in ("same", "longer", "new")}
    next_second()
    pair.source.put({"in/back": b"now?"})  # before the undo: it is older than what the undo puts there
    next_second()
    undo_plan(context, plan, "an undo")
    assert pair.store.read()["out/same"] == b"old"
    assert keys_of(context) == {"same", "longer", "gone", "back"}

    again = planned(context)
    assert reasons_of(context, again) == {
        "same": "undone",
        "longer": "undone",
        "back": "undone",
        "gone": "missing in source",
    }
    apply(context, again, "copy")
    assert pair.store.read()["out/same"] == b"new"
    assert pair.store.read()["out/back"] == b"now?"
    assert keys_of(context) == {"gone"}
    apply(context, again, "delete")
    assert keys_of(context) == set()
    assert planned(context).shards == ()


def test_an_undo_that_is_cut_short_leaves_no_key_out(pair: Pair, make_bucket: MakeBucket) -> None:
    context = pair.context(shard_objects=1, trash=f"s3://{make_bucket('trash')}/")
    pair.store.put(dict.fromkeys("abc", b"old"))
    next_second()
    pair.source.put(dict.fromkeys("abc", b"new"))
    plan = copied_plan(context)
    # What a process leaves that is killed while it puts the last shard's object back.
    journal = ShardJournal(context.state, plan.id, plan.shards[2])
    with journal.claimed(context.actor), pytest.raises(Exception, match="another process"):
        undo_plan(context, plan, "an undo")
    assert keys_of(context) == set()
    shard = f"journals/{plan.id}/0001"
    damaged = next(f"{shard}/{name}" for name in pair.state_files(shard) if name.endswith(".parquet"))
    content = pair.read_state(damaged)
    pair.write_state(damaged, content[:-1])
    with pytest.raises(Exception, match="damaged"):
        undo_plan(context, plan, "an undo")
    pair.write_state(damaged, content)
    assert keys_of(context) == {"b", "c"}
    assert {key for key, body in pair.store.read().items() if body == b"old"} == {"b", "c"}
    assert reasons_of(context, planned(context)) == {"b": "undone", "c": "undone"}
