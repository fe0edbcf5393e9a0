"""How far a plan came, by its markers and its journal."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError, StateError
from hyve_pipeline.core.model.journal import (
    ARCHIVED,
    AttemptSummary,
    JournalRow,
    Outcome,
    ShardState,
    Tally,
    count_outcomes,
)
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.status import PlanStatus, ShardStatus
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import find_shard, has_begun_attempts, plan_status, unsettled_rows
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline.state.ended import mark_ended
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory

NOW = datetime.now(UTC)


class Journaled:
    """A plan of five shards with two objects each, and what its journal is made to say."""

    def __init__(self, home: Path) -> None:
        self.context: SyncContext = context_at(home, shard_objects=2)
        source = written_inventory(self.context, "source", {f"{number:02d}": Entry() for number in range(10)})
        store = written_inventory(self.context, "store", {})
        self.plan: Plan = freeze_plan(self.context, diff_inventories(self.context, source, store))

    def attempt(self, number: int, *outcomes: Outcome, run: str = "a run", ends: bool = True) -> AttemptSummary:
        """Journal one attempt at a shard, with these outcomes of its objects."""
        shard = self.plan.shards[number - 1]
        journal = ShardJournal(self.context.state, self.plan.id, shard)
        with journal.claimed(self.context.actor) as claim, journal.begin(claim, run, NOW) as writer:
            for place, outcome in enumerate(outcomes):
                code = {Outcome.DONE: None, Outcome.SKIPPED: ARCHIVED, Outcome.FAILED: "SlowDown"}[outcome]
                key = f"{2 * (number - 1) + place:02d}"
                writer.append(JournalRow(key=key, action="copy", outcome=outcome, at=NOW, bytes=3, code=code))
            writer.flush()
            counted = count_outcomes(journal.last_rows().values())
            summary = AttemptSummary(**dict(counted), attempt=writer.begun.attempt, run_id=run, started=NOW, ended=NOW)
            if ends:
                writer.finish(summary)
                journal.mark_ended(summary)
        return summary

    def status(self) -> PlanStatus:
        return plan_status(self.context, self.context.plans.load(self.plan.id))

    def states(self) -> list[ShardState]:
        return [entry.state for entry in self.status().shards]

    def remove_markers(self) -> None:
        self.context.state.remove(f"journals/{self.plan.id}/ended")


@pytest.fixture
def journaled(tmp_path: Path) -> Journaled:
    return Journaled(tmp_path)


def _make_mixed(journaled: Journaled) -> None:
    journaled.attempt(1, Outcome.DONE, Outcome.DONE)
    journaled.attempt(2, Outcome.DONE, Outcome.SKIPPED, run="the second")
    journaled.attempt(3, Outcome.DONE, Outcome.FAILED)
    journaled.attempt(4, Outcome.DONE, ends=False)


MIXED = [ShardState.FINISHED, ShardState.FINISHED, ShardState.FAILED, ShardState.STARTED, ShardState.PENDING]


def test_markers_and_summaries_say_the_same(journaled: Journaled) -> None:
    _make_mixed(journaled)
    by_markers = journaled.status()
    assert [entry.state for entry in by_markers.shards] == MIXED
    assert [entry.begun for entry in by_markers.shards] == [1, 1, 1, 1, 0]
    assert [entry.run_id for entry in by_markers.shards] == ["a run", "the second", "a run", None, None]
    assert by_markers.tally("copy") == Tally(done=5, skipped=1, failed=1, bytes=15)
    assert by_markers.reasons() == {ARCHIVED: 1, "SlowDown": 1}
    assert (by_markers.attempts, by_markers.changed("copy")) == (3, 0)
    # As earlier versions left it.
    journaled.remove_markers()
    old = journaled.status()
    assert [(entry.state, entry.tally, entry.begun, entry.attempt, entry.run_id) for entry in old.shards] == [
        (entry.state, entry.tally, entry.begun, entry.attempt, entry.run_id) for entry in by_markers.shards
    ]
    assert (old.reasons(), old.attempts) == (by_markers.reasons(), by_markers.attempts)


def test_finished_shards_need_no_file_but_their_markers(journaled: Journaled) -> None:
    for number in range(1, 6):
        journaled.attempt(number, Outcome.DONE, Outcome.DONE)
    for number in range(1, 6):
        journaled.context.state.remove(f"journals/{journaled.plan.id}/{number:04d}/0001/summary.json")
    status = journaled.status()
    assert status.state == "finished"
    assert (status.tally("copy").done, status.reasons(), status.without, status.lacks) == (10, {}, {}, ())
    with pytest.raises(StateError, match=r"summary\.json: missing"):
        _ = status.shards[0].run_id


def test_a_retry_that_has_begun_is_seen(journaled: Journaled) -> None:
    journaled.attempt(1, Outcome.DONE, Outcome.FAILED)
    journaled.attempt(1, ends=False)
    assert journaled.states()[0] is ShardState.STARTED
    journaled.attempt(1, Outcome.DONE, Outcome.DONE)
    (entry, *_) = journaled.status().shards
    assert (entry.state, entry.attempt, entry.tally.done) == (ShardState.FINISHED, 3, 2)


def test_rows_of_an_attempt_that_did_not_end_are_not_taken_for_counted(journaled: Journaled) -> None:
    """The journal is read where an earlier attempt has no marker: it may have written rows since."""
    journaled.attempt(1, Outcome.DONE, ends=False)
    journaled.attempt(1, Outcome.DONE, Outcome.DONE)
    journaled.context.state.remove(f"journals/{journaled.plan.id}/0001/0002/summary.json")
    assert journaled.states()[0] is ShardState.STARTED


@pytest.mark.parametrize("done", [1, 3])
def test_a_marker_of_another_number_of_objects_counts_for_nothing(journaled: Journaled, done: int) -> None:
    summary = journaled.attempt(1, Outcome.DONE, Outcome.FAILED)
    journaled.remove_markers()
    wrong = replace(summary.tally, done=done, failed=0)
    mark_ended(journaled.context.state, journaled.plan.id, 1, summary.model_copy(update={"tally": wrong}))
    assert journaled.states()[0] is ShardState.FAILED


def test_two_markers_of_one_attempt_count_for_nothing(journaled: Journaled) -> None:
    summary = journaled.attempt(1, Outcome.DONE, Outcome.DONE)
    other = replace(summary.tally, bytes=1)
    mark_ended(journaled.context.state, journaled.plan.id, 1, summary.model_copy(update={"tally": other}))
    (entry, *_) = journaled.status().shards
    assert (entry.state, entry.tally) == (ShardState.FINISHED, summary.tally)


def test_finished_shards_are_remembered(journaled: Journaled) -> None:
    _make_mixed(journaled)
    finished: dict[int, ShardStatus] = {}
    plan_status(journaled.context, journaled.plan, finished)
    assert finished.keys() == {1, 2}


def test_what_is_not_settled(journaled: Journaled) -> None:
    _make_mixed(journaled)
    rows = unsettled_rows(journaled.context, journaled.status())
    assert [(row.key, row.outcome) for row in rows] == [("03", Outcome.SKIPPED), ("05", Outcome.FAILED)]


def test_whether_this_actor_has_begun_anything(journaled: Journaled) -> None:
    context, plan = journaled.context, journaled.plan
    mine = context.actor.id
    assert not has_begun_attempts(context, plan)
    journaled.attempt(1, Outcome.DONE, Outcome.DONE, run="another")
    assert not has_begun_attempts(context, plan)
    journaled.attempt(2, Outcome.DONE, Outcome.DONE, run=mine)
    assert has_begun_attempts(context, plan)
    assert has_begun_attempts(context, plan, {1})
    assert not has_begun_attempts(context, plan, {1, 2})
    journaled.attempt(3, ends=False, run=mine)
    assert has_begun_attempts(context, plan, {1, 2})


def test_a_shard_is_found_by_its_partition_or_a_close_one_is_named(journaled: Journaled) -> None:
    context, plan = journaled.context, journaled.plan
    key = plan.partition_keys("copy")[0]
    assert find_shard(context, key, "copy")[1].number == 1
    for wrong, meant in ((key.replace("-0001", "-1"), key), (f"1{key}", plan.id), ("nonsense", None)):
        with pytest.raises(ConfigurationError) as refused:
            find_shard(context, wrong, "copy")
        assert (f"did you mean {meant}?" in str(refused.value)) == (meant is not None)
