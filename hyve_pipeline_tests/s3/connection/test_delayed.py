"""Things done a little later: in the order of their times, and none forgotten."""

import threading
import time

from hyve_pipeline.s3.connection.delayed import Later


def test_actions_are_done_at_their_times() -> None:
    later, done, all_done = Later(), list[str](), threading.Event()
    begun = time.monotonic()

    def give_up() -> None:
        done.append("given up")

    assert later.do(0.15, all_done.set, give_up)
    assert later.do(0.10, lambda: done.append("second"), give_up)
    assert later.do(0.00, lambda: done.append("first"), give_up)
    assert all_done.wait(5)
    assert time.monotonic() - begun >= 0.15
    assert done == ["first", "second"]
    later.close()
    assert done == ["first", "second"]


def test_closing_gives_up_what_waits() -> None:
    later, ended = Later(), list[str]()
    for name in "ab":
        assert later.do(60, lambda: ended.append("done"), lambda name=name: ended.append(name))
    later.close()
    later.close()
    assert ended == ["a", "b"]
    assert not later.do(0, lambda: ended.append("done"), lambda: ended.append("late"))
    assert ended == ["a", "b"]


def test_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    later = Later()
    assert not set(threading.enumerate()) - before
    later.do(60, lambda: None, lambda: None)
    later.close()
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before
