"""Markers of attempts that have ended."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hyve_pipeline.core.model.journal import AttemptSummary, Tally
from hyve_pipeline.core.model.server_lack import ServerLack
from hyve_pipeline.state.ended import ended_attempts, mark_ended
from hyve_pipeline.state.files import Folder

NOW = datetime.now(UTC)


def _summary(attempt: int, tally: Tally, **more: object) -> AttemptSummary:
    members: dict[str, object] = {"failures": {}, "skips": {}, "run_id": "a run", "started": NOW, "ended": NOW}
    return AttemptSummary.model_validate({"attempt": attempt, "tally": tally, **members, **more})


def test_the_names_say_what_came_of_an_attempt(tmp_path: Path) -> None:
    state = Folder.local(tmp_path)
    mark_ended(state, "plan", 3, _summary(1, Tally(done=5, failed=1, skipped=2, bytes=70), failures={"SlowDown": 1}))
    mark_ended(state, "plan", 3, _summary(2, Tally(done=6, skipped=2, bytes=80), skips={"Archived": 2}))
    mark_ended(state, "plan", 12_345, _summary(1, Tally(done=9, bytes=10**15)))
    mark_ended(state, "another", 4, _summary(1, Tally(done=1)))
    found = ended_attempts(state, "plan")
    assert found.keys() == {3, 12_345}
    assert sorted((one.attempt, one.tally, one.has_more) for one in found[3]) == [
        (1, Tally(done=5, failed=1, skipped=2, bytes=70), True),
        (2, Tally(done=6, skipped=2, bytes=80), True),
    ]
    (large,) = found[12_345]
    assert (large.requests, large.retries, large.seconds) == (0, 0, 0.0)
    assert (large.shard, large.tally, large.has_more) == (12_345, Tally(done=9, bytes=10**15), False)
    assert abs((large.at - datetime.now(UTC)).total_seconds()) < 60


def test_the_names_say_what_it_took(tmp_path: Path) -> None:
    state = Folder.local(tmp_path)
    ended = NOW + timedelta(seconds=2.5)
    mark_ended(state, "plan", 1, _summary(1, Tally(done=5), requests=12, retries=3, ended=ended, skips={"Archived": 1}))
    mark_ended(state, "plan", 1, _summary(2, Tally(done=5), requests=4, ended=NOW - timedelta(seconds=1)))
    state.write_text("journals/plan/ended/0001-0003-5-0-0-7", "")  # by an earlier version
    found = sorted(ended_attempts(state, "plan")[1], key=lambda one: one.attempt)
    assert [(one.requests, one.retries, one.seconds) for one in found] == [(12, 3, 2.5), (4, 0, 0.0), (0, 0, 0.0)]
    assert [one.has_more for one in found] == [True, False, False]


def test_what_copies_or_servers_lack_is_in_the_summary_only(tmp_path: Path) -> None:
    state = Folder.local(tmp_path)
    lack = ServerLack(place="s3://store", lack="does not support object tags", consequence="copies have none")
    mark_ended(state, "plan", 1, _summary(1, Tally(done=1), without={"tags": 1}))
    mark_ended(state, "plan", 2, _summary(1, Tally(done=1), lacks=(lack,)))
    assert all(marker.has_more for markers in ended_attempts(state, "plan").values() for marker in markers)


def test_other_names_are_not_markers(tmp_path: Path) -> None:
    state = Folder.local(tmp_path)
    assert ended_attempts(state, "plan") == {}
    names = ["0001-0001-5-0-0", "0001-0001-5-0-0-7-less", "0001-0001-5-0-0-7-more-1", "0001-0001-5--0-7", "x"]
    for name in names:
        state.write_text(f"journals/plan/ended/{name}", "")
    assert ended_attempts(state, "plan") == {}
