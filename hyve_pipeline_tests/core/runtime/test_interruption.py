"""Work beside the main thread ends when it is told to, and not else."""

import threading
import time

import pytest

from hyve_pipeline.core.runtime.interruption import (
    deferring_interrupts,
    interrupt,
    interrupted_by,
    pause,
    raise_if_interrupted,
)


def test_nothing_interrupts_work_that_nobody_may_interrupt() -> None:
    raise_if_interrupted()
    pause(0)


def test_the_wish_holds_within_the_block_only() -> None:
    wish = threading.Event()
    with interrupted_by(wish):
        raise_if_interrupted()
        pause(0)
        wish.set()
        with pytest.raises(KeyboardInterrupt):
            raise_if_interrupted()
        with pytest.raises(KeyboardInterrupt):
            pause(0)
    raise_if_interrupted()


def test_a_wish_ends_a_pause() -> None:
    wish = threading.Event()
    threading.Timer(0.1, wish.set).start()
    begun = time.monotonic()
    with interrupted_by(wish), pytest.raises(KeyboardInterrupt):
        pause(60)
    assert 0.05 < time.monotonic() - begun < 30


def test_other_threads_do_not_mind() -> None:
    wish = threading.Event()
    wish.set()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            raise_if_interrupted()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            failed.append(error)

    with interrupted_by(wish):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert failed == []


def test_an_interrupt_comes_at_once() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def _deferred(done: list[str]) -> None:
    with deferring_interrupts():
        interrupt()
        done.append("a line")
        with deferring_interrupts():
            done.append("a line within")
        done.append("never")


def test_an_interrupt_that_is_deferred_comes_at_the_end_of_a_block() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _deferred(done)
    assert done == ["a line", "a line within"]
    raise_if_interrupted()  # it is over
