"""Runs that overlap in one process: in what order, how many, and how they end."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from hyve_pipeline.core.runtime.interruption import pause
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.commands import overlap
from hyve_pipeline.orchestration.commands.inprocess import RunOutcome, run_job
from hyve_pipeline.orchestration.commands.instance import open_instance
from hyve_pipeline.orchestration.commands.overlap import RunMaker, out_of_turn, run_overlapping, share_of

_PATIENCE = 60


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with open_instance(Home(tmp_path / "home")) as instance:
        yield instance


class _Works:
    """A job whose runs do one thing, without Dagster; which run it is, its configuration says."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.now = 0
        self.most = 0
        self.meeting: threading.Barrier | None = None
        self.shares: list[int] = []
        self._lock = threading.Lock()

        @dg.op(config_schema=int, out=dg.Out(dg.Nothing))
        def act(context: dg.OpExecutionContext) -> None:
            with out_of_turn():
                self.work(context.op_config)

        @dg.job(executor_def=dg.in_process_executor)
        def works() -> None:
            act()

        self.job = works

    def work(self, number: int) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.shares.append(share_of(128))
        try:
            if self.meeting is not None:
                self.meeting.wait(_PATIENCE)
            self.act(number)
        finally:
            with self._lock:
                self.now -= 1

    def act(self, number: int) -> None:
        if number < 0:
            raise dg.Failure(f"{number} is below zero", allow_retries=False)

    def maker(self, number: int) -> RunMaker:
        config = {"ops": {"act": {"config": number}}}
        return lambda on_begin: run_job(
            self.instance,
            self.job,
            command="test",
            run_config=config,
            tags={"number": str(number)},
            on_begin=on_begin,
        )

    def run(self, *numbers: int, most: int = 2) -> list[RunOutcome]:
        makers = [self.maker(number) for number in numbers]
        return run_overlapping(self.instance, makers, most, lambda outcome: not outcome.success)

    def numbers(self, outcomes: list[RunOutcome]) -> list[int]:
        runs = [self.instance.get_run_by_id(outcome.run_id) for outcome in outcomes]
        return [int(run.tags["number"]) for run in runs if run is not None]


@pytest.fixture
def works(instance: dg.DagsterInstance) -> _Works:
    return _Works(instance)


def test_two_at_a_time_and_told_in_their_order(works: _Works) -> None:
    works.meeting = threading.Barrier(2)  # which only two at the same time can pass
    outcomes = works.run(*range(12))
    assert works.numbers(outcomes) == list(range(12))
    assert all(outcome.success for outcome in outcomes)
    assert works.most == 2
    assert set(works.shares) == {64}


@pytest.mark.parametrize(("count", "most"), [(3, 1), (1, 2)])
def test_alone_a_run_has_all_to_itself(works: _Works, count: int, most: int) -> None:
    assert len(works.run(*range(count), most=most)) == count
    assert works.most == 1
    assert works.shares == [128] * count


def test_a_share_is_never_nothing() -> None:
    token = overlap._sharers.set(2)
    try:
        assert [share_of(number) for number in (1, 2, 3, 5)] == [1, 1, 1, 2]
    finally:
        overlap._sharers.reset(token)


def test_none(works: _Works) -> None:
    assert works.run() == []


def test_a_lane_that_waits_for_its_turn_may_find_nothing_left(works: _Works) -> None:
    def maker(number: int) -> RunMaker:
        def make(_: object) -> RunOutcome:
            time.sleep(0.002)  # keeps its turn, so that the other lane waits for it
            return RunOutcome(str(number), success=True)

        return make

    for count in range(1, 60):
        outcomes = run_overlapping(works.instance, [maker(number) for number in range(count % 4)], 2, lambda _: False)
        assert [outcome.run_id for outcome in outcomes] == [str(number) for number in range(count % 4)]


def test_after_the_last_one_no_other_begins_and_what_goes_on_ends(works: _Works) -> None:
    works.meeting = threading.Barrier(2)
    outcomes = works.run(0, 1, 2, -3, 4, 5, 6, 7)
    assert works.numbers(outcomes) == [0, 1, 2, -3]
    assert [outcome.success for outcome in outcomes] == [True, True, True, False]
    assert str(outcomes[-1].error) == "-3 is below zero"


def test_what_goes_wrong_beside_the_run_is_raised(works: _Works) -> None:
    def broken(_: object) -> RunOutcome:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run_overlapping(works.instance, [works.maker(0), broken, works.maker(2)], 2, lambda outcome: False)
    assert works.now == 0


def _interrupted_when_ended(monkeypatch: pytest.MonkeyPatch, reached: threading.Event) -> None:
    """As a signal does it: the main thread's wait raises."""

    def wait(_: object) -> None:
        assert reached.wait(_PATIENCE)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(overlap._Lanes, "_await_one", wait)


def test_an_interrupt_cancels_what_goes_on(works: _Works, monkeypatch: pytest.MonkeyPatch) -> None:
    reached = threading.Event()

    def act(number: int) -> None:
        if number == 2:
            reached.set()
        if number >= 1:
            pause(_PATIENCE)

    monkeypatch.setattr(works, "act", act)
    _interrupted_when_ended(monkeypatch, reached)
    with pytest.raises(KeyboardInterrupt):
        works.run(0, 1, 2, 3)
    statuses = {run.tags["number"]: run.status for run in works.instance.get_runs()}
    assert statuses == {
        "0": dg.DagsterRunStatus.SUCCESS,
        "1": dg.DagsterRunStatus.CANCELED,
        "2": dg.DagsterRunStatus.CANCELED,
    }


def test_a_run_that_does_not_end_is_called_canceled_all_the_same(
    works: _Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, release = threading.Event(), threading.Event()

    def act(number: int) -> None:
        reached.set()
        release.wait(_PATIENCE)

    _interrupted_when_ended(monkeypatch, reached)
    works.act = act
    overlap_seconds, overlap._END_SECONDS = overlap._END_SECONDS, 1.0
    try:
        with pytest.raises(KeyboardInterrupt):
            works.run(0, most=1)
        (run,) = works.instance.get_runs()
        assert run.status is dg.DagsterRunStatus.CANCELED
    finally:
        overlap._END_SECONDS = overlap_seconds
        release.set()
        for thread in threading.enumerate():
            if thread.name.startswith("run-"):
                thread.join(_PATIENCE)
