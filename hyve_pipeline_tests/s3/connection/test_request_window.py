"""The slots in flight: given back and lent on, fewer while the server refuses, all of them again later."""

import threading
import time

import pytest

from hyve_pipeline.s3.connection.request_window import Window


class _Server:
    """Counts what a window is told of refusals."""

    def __init__(self) -> None:
        self.refusals = 0

    def round(self, window: Window, share: float) -> int:
        """Let as many requests end as may be in flight, a share of them after a refusal; the limit afterwards."""
        endings = window.limit
        self.refusals += round(endings * share)
        for _ in range(endings):
            window.ended()
        return window.limit


def test_nothing_refused_leaves_all_slots() -> None:
    server = _Server()
    window = Window(128, lambda: server.refusals)
    assert {server.round(window, 0.0) for _ in range(20)} == {128}


def test_a_few_refusals_leave_all_slots() -> None:
    server = _Server()
    window = Window(128, lambda: server.refusals)
    assert {server.round(window, 0.04) for _ in range(20)} == {128}


def test_many_refusals_take_away_half_of_their_share_each_round() -> None:
    server = _Server()
    window = Window(100, lambda: server.refusals)
    assert [server.round(window, share) for share in (1.0, 0.5, 0.1)] == [50, 37, 35]


def test_refusals_before_the_window_was_made_do_not_count() -> None:
    window = Window(10, lambda: 1000)
    for _ in range(100):
        window.ended()
    assert window.limit == 10


def test_more_refusals_than_endings_are_all_of_them() -> None:
    server = _Server()
    window = Window(100, lambda: server.refusals)
    assert server.round(window, 5.0) == 50


@pytest.mark.parametrize(("ceiling", "fewest"), [(1, 1), (8, 1), (128, 8)])
def test_some_are_always_left_and_all_come_back(ceiling: int, fewest: int) -> None:
    server = _Server()
    window = Window(ceiling, lambda: server.refusals)
    assert min(server.round(window, 1.0) for _ in range(50)) == fewest
    limits = [server.round(window, 0.0) for _ in range(20)]
    assert limits == sorted(limits)
    assert limits[-1] == ceiling


def test_slots_that_are_lent_are_not_free() -> None:
    window = Window(3)
    assert window.has_room(2)
    assert window.borrow(until=lambda: False)
    assert not window.has_room(2)
    window.give_back()
    assert window.has_room(2)
    assert not window.has_room(3)


def test_who_waits_to_borrow_goes_before_what_is_new() -> None:
    window = Window(2)
    assert not window.has_room(2)
    borrowed: list[bool] = []
    thread = threading.Thread(target=lambda: borrowed.append(window.borrow(until=lambda: False)))
    thread.start()
    while window._wanted == 0:
        time.sleep(0.001)
    # Something ends: its slot is for the one who waits.
    assert not window.has_room(1)
    thread.join(5)
    assert borrowed == [True]
    assert not window.has_room(1)
    window.give_back()
    assert window.has_room(1)


def test_who_no_longer_wants_to_borrow_does_not() -> None:
    window = Window(1)
    assert not window.has_room(1)
    over = threading.Event()
    borrowed: list[bool] = []
    thread = threading.Thread(target=lambda: borrowed.append(window.borrow(until=over.is_set)))
    thread.start()
    time.sleep(0.02)
    over.set()
    window.wake()
    thread.join(5)
    assert borrowed == [False]
    assert window.has_room(0)
