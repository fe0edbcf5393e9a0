"""Parts are done once each, by whoever is there, and those of lost processes by others."""

import threading
from pathlib import Path

import pytest

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.workers.shared_parts import SharedParts
from hyve_pipeline.state.claims import take_claim
from hyve_pipeline_tests.operations.listings import context_at


class _Result(Frozen):
    number: int
    folder: str


def _parts(context: SyncContext, done: list[int], count: int = 8) -> SharedParts[_Result]:
    def do(number: int, folder: str) -> _Result:
        done.append(number)
        context.state.write_text(f"{folder}/rows", "x")
        return _Result(number=number, folder=folder)

    return SharedParts(context, "work", count, _Result, do, poll_seconds=0.01)


def test_each_part_is_done_once_by_several(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    done: list[int] = []
    found: list[list[_Result]] = []
    threads = [threading.Thread(target=lambda: found.append(_parts(context, done).all_results())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(8))
    assert [[result.number for result in results] for results in found] == [list(range(8))] * 4
    assert all(context.state.exists(f"{result.folder}/rows") for result in found[0])


def test_a_part_that_another_process_does_is_waited_for(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    done: list[int] = []
    claim = take_claim(context.state.below("work/0003"), context.actor, name="part 3")
    assert claim is not None
    parts = _parts(context, done)
    with claim:
        assert parts.do_free() == 7
        assert parts.do_free() == 0
    assert [result.number for result in parts.all_results()] == list(range(8))
    assert done[-1] == 3


def test_the_leader_notes_what_others_did_once_each(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    assert _parts(context, [], 3).do_free() == 3
    noted: list[int] = []

    def do(number: int, folder: str) -> _Result:
        return _Result(number=number, folder=folder)

    def note(result: _Result) -> None:
        noted.append(result.number)

    parts = SharedParts(context, "work", 5, _Result, do, note_of_others=note, poll_seconds=0.01)
    assert [result.number for result in parts.all_results()] == [0, 1, 2, 3, 4]
    assert noted == [0, 1, 2]


def test_a_part_that_failed_is_free_again(tmp_path: Path) -> None:
    context = context_at(tmp_path)

    def fail(number: int, folder: str) -> _Result:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        SharedParts(context, "work", 2, _Result, fail).do_free()
    done: list[int] = []
    assert len(_parts(context, done, 2).all_results()) == 2


def test_parts_are_done_for_others_while_the_leader_is_alive(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    done: list[int] = []
    assert _parts(context, done).help() == 0
    leader = take_claim(context.state.below("work/leader"), context.actor, name="the lead")
    assert leader is not None
    with leader:
        assert _parts(context, done, 3).help() == 3
        with pytest.raises(RuntimeError, match="has a leader already"):
            _parts(context, done).lead(_Result(number=0, folder=""))
    assert _parts(context, done).help() == 0
    assert done == [0, 1, 2]


def test_the_leader_offers_the_parts_and_gets_all_results(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    order = _Result(number=7, folder="order")
    assert [result.number for result in _parts(context, []).lead(order)] == list(range(8))
    assert context.state.read_manifest("work/order.json", _Result) == order
