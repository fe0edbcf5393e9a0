"""What is remembered of copied objects decides the next plan, whatever the clocks say."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.journal import CHANGED, AttemptSummary, JournalRow, Outcome, count_outcomes
from hyve_pipeline.core.model.memory import Segment
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.ends import note_end
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan, read_shard
from hyve_pipeline.operations.plan.memory import MemoryRows, update_memory
from hyve_pipeline.operations.undo import undo_plan
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline_tests.conftest import MakeBucket
from hyve_pipeline_tests.operations.applying import apply, planned, put_in_parts
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory
from hyve_pipeline_tests.syncs import MakePair, Pair, next_second

EVERYTHING = RelativeRange("", None)


@pytest.fixture
def context(tmp_path: Path) -> SyncContext:
    return context_at(tmp_path / "home", transfer="stream")


def sets_of(context: SyncContext, plan: Plan) -> dict[str, tuple[str, str]]:
    """Set and reason of each listed key."""
    rows = [row for shard in plan.shards for row in read_shard(context, plan, shard).to_pylist()]
    return {row["key"]: (row["set"], row["reason"]) for row in rows}


def synced(context: SyncContext) -> Plan:
    plan = planned(context)
    apply(context, plan, "copy", "delete")
    return plan


def remembered(context: SyncContext) -> dict[str, tuple[str | None, str | None]]:
    memory = update_memory(context, context.located("source"), context.located("store"))
    rows = MemoryRows(context.state, memory)
    found = rows.read(EVERYTHING).to_pylist()
    rows.close()
    return {row["key"]: (row["source_etag"], row["store_etag"]) for row in found if row["source_etag"] is not None}


@pytest.mark.both_states
def test_the_store_is_compared_with_what_was_copied(pair: Pair) -> None:
    context = pair.context()
    pair.source.put({"a": b"one", "b": b"two", "c": b"three", "sub/d": b"four"})
    synced(context)
    assert planned(context).is_empty
    etags = {key: etag.strip('"') for key, (_, etag, _) in pair.source.listing().items()}
    assert remembered(context) == {key: (etag, etag) for key, etag in etags.items()}

    # The store's objects are newer, so that a rule by times sees nothing of this.
    pair.source.put({"a": b"ONE"})
    next_second()
    pair.store.put({"a": b"0n3", "b": b"tWo", "c": b"longer than before"})
    plan = planned(context)
    assert sets_of(context, plan) == {"a": ("modified", "source changed since it was copied")}
    assert plan.count(ChangeSet.ALTERED).objects == 2
    assert pair.lines("altered") == ["b", "c"]
    apply(context, plan, "copy")
    assert pair.store.read() == {"a": b"ONE", "b": b"tWo", "c": b"longer than before", "sub/d": b"four"}

    again = planned(pair.context(altered="overwrite"))
    assert {key: name for key, (name, _) in sets_of(context, again).items()} == dict.fromkeys("bc", "modified")
    assert again.count(ChangeSet.ALTERED).objects == 0
    assert not (pair.home / "out" / "images" / "altered.txt").exists()
    apply(context, again, "copy")
    assert pair.store.read() == pair.source.read()
    assert planned(context).is_empty


@pytest.mark.both_states
def test_an_older_source_is_modified_too(pair: Pair) -> None:
    context = pair.context()
    pair.source.put({"a": b"new"})
    synced(context)
    next_second()
    # As from a backup: other content of the same size. The store's object is as it was left, only later.
    pair.source.put({"a": b"old"})
    next_second()
    pair.store.put({"a": b"new"})
    assert sets_of(context, planned(context)) == {"a": ("modified", "source changed since it was copied")}


def test_an_undone_key_is_never_unchanged(make_pair: MakePair, make_bucket: MakeBucket) -> None:
    pair = make_pair()
    context = pair.context(trash=f"s3://{make_bucket('trash')}/")
    pair.source.put({"a": b"old1"})
    synced(context)
    next_second()
    pair.source.put({"a": b"new2"})
    undo_plan(context, synced(context), "an undo")
    assert pair.store.read() == {"a": b"old1"}
    plan = planned(context)
    assert sets_of(context, plan) == {"a": ("modified", "undone")}
    apply(context, plan, "copy")
    assert pair.store.read() == {"a": b"new2"}
    assert planned(context).is_empty


def test_objects_in_parts_are_remembered_by_their_own_etags(make_pair: MakePair) -> None:
    pair = make_pair()
    context = pair.context(keep_parts=False)
    etag = put_in_parts(pair.source, "big", [6 * 1024**2, 1024**2])
    synced(context)
    copied = pair.store.listing()["big"][1].strip('"')
    assert copied != etag
    assert remembered(context) == {"big": (etag, copied)}
    # The rule by ETags can't tell these; the memory can.
    assert planned(pair.context(compare="etag")).is_empty
    next_second()
    put_in_parts(pair.store, "big", [7 * 1024**2])
    assert planned(context).count(ChangeSet.ALTERED).objects == 1


def plan_of(context: SyncContext, keys: str, etag: str = "1") -> Plan:
    """A plan that overwrites these keys, made from written listings."""
    source = written_inventory(context, "source", {key: Entry(time=9, etag=etag) for key in keys})
    store = written_inventory(context, "store", {key: Entry() for key in keys})
    return freeze_plan(context, diff_inventories(context, source, store))


def journal(context: SyncContext, plan: Plan, outcomes: dict[str, JournalRow], *, ends: bool) -> None:
    for shard in plan.shards:
        of_shard = ShardJournal(context.state, plan.id, shard)
        with of_shard.claimed(context.actor) as claim, of_shard.begin(claim, "a run", datetime.now(UTC)) as writer:
            for row in read_shard(context, plan, shard).to_pylist():
                if row["key"] in outcomes:
                    writer.append(outcomes[row["key"]])
            if ends:
                now = datetime.now(UTC)
                totals = dict(count_outcomes(outcomes.values()))
                summary = AttemptSummary(attempt=1, run_id="a run", started=now, ended=now, **totals)
                writer.finish(summary)
                note_end(context, plan, shard, summary)


def outcome(
    key: str, kind: Outcome, action: Action = "copy", *, code: str | None = None, etag_after: str | None = None
) -> JournalRow:
    return JournalRow(key, action, kind, datetime.now(UTC), code=code, etag_after=etag_after)


@pytest.mark.parametrize("ends", [True, False])
def test_what_failed_or_was_interrupted_is_never_unchanged(context: SyncContext, *, ends: bool) -> None:
    plan = plan_of(context, "abcde")
    rows = [
        outcome("a", Outcome.DONE, etag_after="copied"),
        outcome("b", Outcome.FAILED, code="InternalError"),
        outcome("c", Outcome.SKIPPED, code=CHANGED),
        outcome("d", Outcome.SKIPPED, code=CHANGED, etag_after="another"),
    ]
    journal(context, plan, {row.key: row for row in rows}, ends=ends)
    assert {key: pair[0] for key, pair in remembered(context).items()} == {
        "a": Entry(etag="1").row("a")["etag"],
        "b": "",
        "d": "",
        "e": "",
    }
    # Now the store has objects that are later than the source's.
    source = written_inventory(context, "source", {key: Entry(time=9, etag="1") for key in "abcde"})
    entries = {key: Entry(time=10, etag="1") for key in "bcde"} | {"a": Entry(time=10, etag="copied")}
    store = written_inventory(context, "store", entries)
    plan = freeze_plan(context, diff_inventories(context, source, store))
    assert sets_of(context, plan) == dict.fromkeys("bde", ("modified", "its last copy was interrupted"))


def test_a_copy_whose_etag_no_answer_gave_is_not_taken_for_altered(context: SyncContext) -> None:
    plan = plan_of(context, "a")
    journal(context, plan, {"a": outcome("a", Outcome.DONE, etag_after="")}, ends=True)
    assert {key: pair[1] for key, pair in remembered(context).items()} == {"a": None}
    source = written_inventory(context, "source", {"a": Entry(time=9, etag="1")})
    store = written_inventory(context, "store", {"a": Entry(time=10, etag="2")})
    plan = freeze_plan(context, diff_inventories(context, source, store))
    assert sets_of(context, plan) == {}


def test_an_interrupted_shard_counts_once(context: SyncContext) -> None:
    first = plan_of(context, "ab")
    journal(context, first, {}, ends=False)
    assert remembered(context) == dict.fromkeys("ab", ("", None))
    second = plan_of(context, "ab")
    journal(context, second, {key: outcome(key, Outcome.DONE, etag_after=key) for key in "ab"}, ends=True)
    assert {key: pair[1] for key, pair in remembered(context).items()} == {"a": "a", "b": "b"}
    # Nothing happened since: nothing is written again.
    newest = context.memories.newest()
    remembered(context)
    assert context.memories.newest() == newest


def test_deleted_keys_are_forgotten_and_segments_are_merged(context: SyncContext) -> None:
    copied = {key: outcome(key, Outcome.DONE, etag_after=key) for key in "abc"}
    journal(context, plan_of(context, "abc"), copied, ends=True)
    assert remembered(context).keys() == set("abc")
    source = written_inventory(context, "source", {key: Entry() for key in "bc"})
    store = written_inventory(context, "store", {key: Entry() for key in "abc"})
    deletes = freeze_plan(context, diff_inventories(context, source, store))
    journal(context, deletes, {"a": outcome("a", Outcome.DONE, "delete")}, ends=True)
    assert remembered(context).keys() == set("bc")
    for number in "0123456789":
        journal(context, plan_of(context, number), {number: outcome(number, Outcome.DONE, etag_after="0")}, ends=True)
        assert remembered(context).keys() == {*"bc", *"0123456789"[: int(number) + 1]}
    newest = context.memories.newest()
    assert newest is not None
    assert len(newest.segments) <= 8
    assert sum(segment.rows for segment in newest.segments) == 12
    # Nothing remains of segments that were merged some memories ago.
    kept = [name for name in context.state.names("memory") if name.endswith(".json")]
    assert len(kept) == 3
    needed = {file for name in kept for file in context.memories.load(name.removesuffix(".json")).files}
    found = {f"memory/{entry.name}" for entry in context.state.entries("memory", recursive=True)}
    assert {name for name in found if name.endswith(".parquet")} == needed


def test_a_large_segment_is_not_written_again_for_small_ones(context: SyncContext) -> None:
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + 100)))
    many = {key: outcome(key, Outcome.DONE, etag_after="1") for key in letters}
    journal(context, plan_of(context, letters), many, ends=True)
    assert remembered(context).keys() == {*many}
    (large,) = _segments(context)
    source = written_inventory(context, "source", {key: Entry(time=9, etag="1") for key in letters[1:]})
    store = written_inventory(context, "store", {key: Entry(etag="1") for key in letters})
    deletes = freeze_plan(context, diff_inventories(context, source, store))
    journal(context, deletes, {letters[0]: outcome(letters[0], Outcome.DONE, "delete")}, ends=True)
    wanted = {*letters[1:]}
    for key in "abcdefghij":
        journal(context, plan_of(context, key), {key: outcome(key, Outcome.DONE, etag_after="2")}, ends=True)
        wanted.add(key)
        assert remembered(context).keys() == wanted
        first, *others = _segments(context)
        assert first == large
        assert len(others) < 8


def _segments(context: SyncContext) -> tuple[Segment, ...]:
    newest = context.memories.newest()
    assert newest is not None
    return newest.segments


def test_many_plans_are_added_at_once(context: SyncContext) -> None:
    for number in "0123456789":
        plan = plan_of(context, f"a{number}", number)
        journal(context, plan, {key: outcome(key, Outcome.DONE, etag_after=number) for key in f"a{number}"}, ends=True)
        for name in context.state.names("memory"):
            context.state.remove(f"memory/{name}")
    found = remembered(context)
    assert {key: pair[1] for key, pair in found.items()} == {"a": "9"} | {key: key for key in "0123456789"}
    newest = context.memories.newest()
    assert newest is not None
    assert len(newest.segments) == 1


def test_what_a_damaged_journal_says_is_copied_again(context: SyncContext) -> None:
    plan = plan_of(context, "ab")
    journal(context, plan, {key: outcome(key, Outcome.DONE, etag_after=key) for key in "ab"}, ends=True)
    folder = context.state.below(f"journals/{plan.id}/0001")
    for entry in folder.entries(recursive=True):
        if entry.name.endswith(".parquet"):
            folder.write_text(entry.name, "damaged")
    assert remembered(context) == dict.fromkeys("ab", ("", None))


def test_another_pair_of_places_has_another_memory(context: SyncContext) -> None:
    plan = plan_of(context, "a")
    journal(context, plan, {"a": outcome("a", Outcome.DONE, etag_after="copied")}, ends=True)
    assert remembered(context).keys() == {"a"}
    source, store = context.located("source"), context.located("store")
    other = store.model_copy(update={"bucket": "another"})
    memory = update_memory(context, source, other)
    assert memory is None or memory.segments == ()


def test_a_range_reads_the_newest_row_of_each_key(context: SyncContext) -> None:
    for digit, etag in enumerate(("first", "second", "third"), start=1):
        plan = plan_of(context, "abc" if etag != "second" else "b", str(digit))
        journal(context, plan, {key: outcome(key, Outcome.DONE, etag_after=etag) for key in "abc"}, ends=True)
        remembered(context)
    memory = context.memories.newest()
    assert memory is not None
    assert len(memory.segments) == 3
    rows = MemoryRows(context.state, memory)
    found: pa.Table = rows.read(EVERYTHING)
    assert {row["key"]: row["store_etag"] for row in found.to_pylist()} == dict.fromkeys("abc", "third")
    assert found.num_rows == 3
    rows.close()


def test_what_a_verification_found_equal_by_content_is_remembered(make_pair: MakePair) -> None:
    pair = make_pair()
    by_size = pair.context(compare="size")
    pair.store.put({"equal": b"1234", "other": b"1234"})
    next_second()
    pair.source.put({"equal": b"1234", "other": b"5678"})
    plan = planned(by_size)
    assert plan.is_empty
    assert verify_plan(by_size, plan).verified
    assert remembered(by_size) == {}
    assert not verify_plan(by_size, plan, content="100%").verified
    etag = pair.source.listing()["equal"][1].strip('"')
    assert remembered(by_size) == {"equal": (etag, etag)}
    # By the times alone both would be modified.
    context = pair.context()
    assert sets_of(context, planned(context)) == {"other": ("modified", "source is newer")}
    # A file that is damaged takes nothing away but what it says.
    verified = verify_plan(by_size, plan, content="100%")
    assert verified.content is not None
    assert verified.content.file is not None
    with context.state.writing(verified.content.file) as stream:
        stream.write(b"damaged")
    assert remembered(by_size) == {"equal": (etag, etag)}
