"""Work outside the main thread ends when it is asked to stop, and only then."""

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


def test_work_that_has_no_stop_event_is_never_interrupted() -> None:
    raise_if_interrupted()
    pause(0)


def test_the_stop_event_applies_within_the_block_only() -> None:
    stop = threading.Event()
    with interrupted_by(stop):
        raise_if_interrupted()
        pause(0)
        stop.set()
        with pytest.raises(KeyboardInterrupt):
            raise_if_interrupted()
        with pytest.raises(KeyboardInterrupt):
            pause(0)
    raise_if_interrupted()


def test_a_stop_event_ends_a_pause() -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    begun = time.monotonic()
    with interrupted_by(stop), pytest.raises(KeyboardInterrupt):
        pause(60)
    assert 0.05 < time.monotonic() - begun < 30


def test_other_threads_are_not_interrupted() -> None:
    stop = threading.Event()
    stop.set()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            raise_if_interrupted()
        except BaseException as error:  # noqa: BLE001 - checked below
            failed.append(error)

    with interrupted_by(stop):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert failed == []


def test_an_interrupt_is_raised_at_once() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def _deferred(done: list[str]) -> None:
    with deferring_interrupts():
        interrupt()
        done.append("a line")
        with deferring_interrupts():
            done.append("a line within")
        done.append("never")


def test_a_deferred_interrupt_is_raised_at_the_end_of_the_block() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _deferred(done)
    assert done == ["a line", "a line within"]
    raise_if_interrupted()  # it is over
