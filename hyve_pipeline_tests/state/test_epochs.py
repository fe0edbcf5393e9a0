"""One plan of a sync at a time in a bucket, by any number of processes, and an undo by one alone."""

import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import pytest

from hyve_pipeline.core.base.errors import RefusedError
from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.state.epochs import Epoch, applied_beside, applying
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.heartbeat import ClaimLostError
from hyve_pipeline_tests.state.holders import FAST, go_on, holder

_APPLY = """
from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.state.epochs import applying
from hyve_pipeline.state.heartbeat import ClaimLostError
with applying(state, "images", "one", Actor.of_command("copy"), times=times) as epoch:
    held()
    try:
        epoch.check()
    except ClaimLostError:
        print("lost", flush=True)
    sys.stdin.readline()
    epoch.renew()
    epoch.check()
    print("renewed")
"""


def _applying(state: Folder, plan: str, *, alone: bool = False) -> AbstractContextManager[Epoch]:
    return applying(state, "images", plan, Actor.of_command("copy"), alone=alone, times=FAST)


@contextmanager
def _soon_applying(state: Folder, plan: str, *, alone: bool = False) -> Iterator[Epoch]:
    """Apply a plan as soon as others allow it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            entered = _applying(state, plan, alone=alone)
            epoch = entered.__enter__()
        except RefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
            continue
        try:
            yield epoch
        finally:
            entered.__exit__(None, None, None)
        return


def test_many_processes_apply_one_plan(state: Folder) -> None:
    together = threading.Barrier(4, timeout=60)

    def work(_: int) -> None:
        with _applying(state, "one") as epoch:
            together.wait()
            epoch.check()
            epoch.renew()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert applied_beside(state) is None


def test_another_plan_is_refused_meanwhile(state: Folder) -> None:
    with _applying(state, "one"):
        with pytest.raises(RefusedError, match=r"plan one of sync images is being applied by process \d+.*plan two"):
            _applying(state, "two").__enter__()
        with _applying(state, "one"):
            pass
        with pytest.raises(RefusedError, match="plan one of sync images is being applied or undone by process"):
            _applying(state, "one", alone=True).__enter__()
        assert applied_beside(state) == applied_beside(state, "two") == "one"
        assert applied_beside(state, "one") is None
    with _applying(state, "two"):
        assert applied_beside(state, "one") == "two"
    assert applied_beside(state) is None


def test_an_undo_is_alone(state: Folder) -> None:
    with _applying(state, "one", alone=True):
        for alone in (False, True):
            with pytest.raises(RefusedError, match="plan one of sync images is being"):
                _applying(state, "one", alone=alone).__enter__()
    with _applying(state, "one"):
        pass


def test_old_epochs_are_removed(in_bucket: Folder) -> None:
    for plan in ("one", "two", "one"):
        with _applying(in_bucket, plan):
            pass
    assert in_bucket.names("epochs") == ["000003"]


def test_a_process_that_was_killed_keeps_no_other_out(in_bucket: Folder) -> None:
    with holder(_APPLY, in_bucket) as process:
        with pytest.raises(RefusedError):
            _applying(in_bucket, "two").__enter__()
        process.kill()
        process.wait()
        with _applying(in_bucket, "two") as epoch:
            epoch.check()


def test_one_of_another_host_is_waited_for(in_bucket: Folder) -> None:
    with holder(_APPLY, in_bucket, is_elsewhere=True) as process:
        process.kill()
        process.wait()
        with pytest.raises(RefusedError):
            _applying(in_bucket, "two").__enter__()
        with _soon_applying(in_bucket, "two") as epoch:
            epoch.check()


def test_a_paused_process_knows_that_another_plan_may_be_applied(in_bucket: Folder) -> None:
    with holder(_APPLY, in_bucket, is_elsewhere=True) as process:
        process.send_signal(signal.SIGSTOP)
        with _soon_applying(in_bucket, "two") as epoch:
            process.send_signal(signal.SIGCONT)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "lost\n"
            epoch.check()
        assert go_on(process) == "renewed\n"


def test_two_plans_are_never_applied_at_the_same_time(in_bucket: Folder) -> None:
    applied: list[str] = []
    deadline = time.monotonic() + 60

    def work(number: int) -> int:
        plan, done = f"{number % 2}", 0
        while done < 2:
            assert time.monotonic() < deadline
            try:
                with _applying(in_bucket, plan) as epoch:
                    applied.append(plan)
                    assert set(applied) == {plan}
                    time.sleep(random.random() / 20)
                    epoch.check()
                    applied.remove(plan)
                    done += 1
            except RefusedError:
                time.sleep(random.random() / 5)
        return done

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [2] * 4


def test_a_newer_epoch_ends_it(in_bucket: Folder) -> None:
    with _applying(in_bucket, "one") as epoch:
        in_bucket.create("epochs/000002/epoch.json", b"")
        message, deadline = "", time.monotonic() + 60
        while not message and time.monotonic() < deadline:
            try:
                epoch.check()
                time.sleep(0.02)
            except ClaimLostError as error:
                message = str(error)
        assert "plan one of sync images: another process has taken over" in message
