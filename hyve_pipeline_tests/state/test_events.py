"""Events: numbered without gaps, by several processes at once, and found by their numbers."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.event import Actor, EventKind
from hyve_pipeline.state.events import EventLog
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.storage.local_storage import LocalStorage

_ACTOR = Actor.of_command("sync")


def _log(folder: Path) -> EventLog:
    return EventLog(Folder.local(folder))


def _append(folder: Path, count: int) -> list[int]:
    log = _log(folder)
    return [log.append(EventKind.PLAN_APPROVED, _ACTOR, plan=f"{number}").number for number in range(count)]


def test_an_event_is_read_as_it_was_written(tmp_path: Path) -> None:
    log = _log(tmp_path)
    assert (log.newest_number(), log.oldest_number(), log.after(0, 10)) == (0, 0, [])
    written = log.append(EventKind.SHARD_ENDED, _ACTOR, plan="p", shard=3, attempt=2)
    assert log.after(0, 10) == [written]
    assert (written.number, written.plan, written.shard, written.attempt) == (1, "p", 3, 2)
    assert written.actor.command == "sync"
    assert written.actor.dagster_run is None


def test_a_run_of_dagster_is_named() -> None:
    assert Actor.of_run("some run").dagster_run == "some run"


def test_events_are_read_in_parts_and_in_order(tmp_path: Path) -> None:
    _append(tmp_path, 7)
    log = _log(tmp_path)
    assert [event.number for event in log.after(0, 3)] == [1, 2, 3]
    assert [event.number for event in log.after(3, 3)] == [4, 5, 6]
    assert [event.number for event in log.after(6, 3)] == [7]
    assert log.after(7, 3) == []


def test_processes_that_append_at_once_take_different_numbers(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3) as pool:
        found = list(pool.map(_append, [tmp_path] * 3, [15] * 3))
    assert sorted(number for numbers in found for number in numbers) == list(range(1, 46))
    assert [event.number for event in _log(tmp_path).after(0, 100)] == list(range(1, 46))


def test_the_log_is_listed_only_where_another_process_has_appended(tmp_path: Path) -> None:
    listed: list[str] = []

    class Listed(Folder):
        def names(self, path: str = "") -> list[str]:
            listed.append(path)
            return super().names(path)

        def below(self, name: str) -> Folder:
            return Listed(self._storage, self._name(name))

    log = EventLog(Listed(LocalStorage(tmp_path)))
    assert log.append(EventKind.PLAN_APPROVED, _ACTOR, plan="p").number == 1
    listed.clear()
    assert log.append(EventKind.PLAN_APPROVED, _ACTOR, plan="p").number == 2
    assert listed == []
    _append(tmp_path, 5)
    assert log.append(EventKind.PLAN_APPROVED, _ACTOR, plan="p").number == 8
    assert listed == ["", "000000"]


def test_pruning_goes_across_folders_and_keeps_the_count(tmp_path: Path) -> None:
    log = EventLog(Folder.local(tmp_path), folder_events=4)
    for number in range(10):
        log.append(EventKind.PLAN_APPROVED, _ACTOR, plan=f"{number}")
    assert log.prune(7) == 6
    assert [event.number for event in log.after(0, 100)] == [7, 8, 9, 10]
    assert log.prune(100) == 3
    assert [event.number for event in log.after(2, 100)] == [10]
    assert log.prune(100) == 0
    assert log.append(EventKind.PLAN_APPROVED, _ACTOR, plan="p").number == 11


def test_the_number_of_an_event_that_was_removed_is_not_given_again(tmp_path: Path) -> None:
    """Dagster's sensor is past it: what has it would never be reported."""
    idle, busy = _log(tmp_path), _log(tmp_path)
    idle.append(EventKind.PLAN_APPROVED, _ACTOR, plan="p")
    for _ in range(4):
        busy.append(EventKind.PLAN_APPROVED, _ACTOR, plan="p")
    assert busy.prune(5) == 4
    assert idle.append(EventKind.PLAN_APPROVED, _ACTOR, plan="p").number == 6


def test_a_damaged_event_is_named(tmp_path: Path) -> None:
    _append(tmp_path, 1)
    (path,) = tmp_path.rglob("*.json")
    path.write_text(path.read_text().replace('"plan": "0"', '"plan": "1"'))
    with pytest.raises(StateError, match=r"00000001\.json: damaged"):
        _log(tmp_path).after(0, 1)


def test_a_name_that_is_taken_stays_as_it_is(tmp_path: Path) -> None:
    folder = Folder.local(tmp_path)
    other = Actor.of_command("copy")
    assert folder.create_manifest("some/name.json", _ACTOR)
    assert not folder.create_manifest("some/name.json", other)
    assert folder.read_manifest("some/name.json", Actor) == _ACTOR
    assert folder.names("some") == ["name.json"]
