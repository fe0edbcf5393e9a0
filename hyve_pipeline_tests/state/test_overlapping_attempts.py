"""Journals of attempts of which one was paused, and writes its last rows while, or after, the next one ends."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType

import pytest

from hyve_pipeline.core.model.journal import (
    CHANGED,
    AttemptSummary,
    JournalRow,
    Outcome,
    ShardState,
    count_outcomes,
)
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.heartbeat import ClaimLostError
from hyve_pipeline.state.journals import AttemptWriter, ShardJournal

_NOW = datetime(2024, 5, 6, tzinfo=UTC)
_KEYS = ("a", "b", "c")


@dataclass
class _Claim:
    """A claim without heartbeats."""

    number: int
    takes_over: bool
    is_lost: bool = False

    def check(self) -> None:
        if self.is_lost:
            raise ClaimLostError("lost")

    def __enter__(self) -> "_Claim":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def _row(key: str, outcome: Outcome, code: str | None = None) -> JournalRow:
    return JournalRow(key, "copy", outcome, _NOW, bytes=3, code=code, etag_before="old", etag_after="new")


@pytest.fixture
def journal(state: Folder) -> ShardJournal:
    return ShardJournal(state, "plan", Shard(1, "copy", 0, objects=3, bytes=9, first_key="a", last_key="c"))


def _finished(
    journal: ShardJournal, claim: _Claim, *rows: JournalRow, meanwhile: Callable[[], None] = lambda: None
) -> AttemptSummary:
    with journal.begin(claim, "a run", _NOW) as writer:
        for row in rows:
            writer.append(row)
        meanwhile()
        counted = count_outcomes(rows)
        summary = AttemptSummary(**dict(counted), attempt=claim.number, run_id="a run", started=_NOW, ended=_NOW)
        return journal.finish(claim, writer, summary)


def _paused(journal: ShardJournal) -> tuple[_Claim, AttemptWriter]:
    claim = _Claim(1, takes_over=False)
    return claim, journal.begin(claim, "paused run", _NOW)


def test_rows_that_come_before_the_end_are_counted(journal: ShardJournal) -> None:
    _, paused = _paused(journal)

    def go_on() -> None:
        with paused:
            paused.append(_row("a", Outcome.DONE))

    others = [_row(key, Outcome.SKIPPED, CHANGED) for key in _KEYS]
    summary = _finished(journal, _Claim(2, takes_over=True), *others, meanwhile=go_on)
    assert (summary.tally.done, summary.tally.skipped, summary.skips) == (1, 2, {CHANGED: 2})
    assert journal.latest() == (ShardState.FINISHED, summary)


def test_rows_that_come_after_the_end_are_counted_again(journal: ShardJournal) -> None:
    claim, paused = _paused(journal)
    with paused:
        summary = _finished(
            journal, _Claim(2, takes_over=True), *(_row(key, Outcome.SKIPPED, CHANGED) for key in _KEYS)
        )
        assert summary.tally.skipped == 3
        claim.is_lost = True
        paused.append(_row("b", Outcome.DONE))
        with pytest.raises(ClaimLostError):
            journal.finish(claim, paused, summary)
    journal.recount()
    state, recounted = journal.latest()
    assert state is ShardState.FINISHED
    assert recounted is not None
    assert (recounted.attempt, recounted.tally.done, recounted.tally.skipped, recounted.tally.bytes) == (2, 1, 2, 3)
    assert journal.last_rows()["b"] == _row("b", Outcome.DONE)


def test_nothing_is_recounted_while_the_next_attempt_is_in_progress(journal: ShardJournal) -> None:
    _, paused = _paused(journal)
    with paused, journal.begin(_Claim(2, takes_over=True), "a run", _NOW):
        paused.append(_row("b", Outcome.DONE))
        paused.flush()
        journal.recount()
        assert journal.latest() == (ShardState.STARTED, None)


def test_a_claim_without_work_is_no_attempt(state: Folder, journal: ShardJournal) -> None:
    _finished(journal, _Claim(1, takes_over=False), *(_row(key, Outcome.DONE) for key in _KEYS))
    for name in ("claim.json", "beat", "ended.json"):
        state.write_text(f"journals/plan/0001/0002/{name}", "")
    assert journal.newest_attempt() == 1
    found, summary = journal.latest()
    assert found is ShardState.FINISHED
    assert summary is not None
    assert summary.attempt == 1
