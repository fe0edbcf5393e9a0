"""The figures of activities: totals, ends, clocks and rates."""

import time

import pytest

from hyve_pipeline.cli.activities import Activities, Activity


def _only(activities: Activities) -> Activity:
    (activity,) = activities.all()
    return activity


def test_totals_add_up_until_the_end() -> None:
    activities = Activities()
    activities.expect("copy", 30, 3000)
    activities.expect("copy", 10, 1000)
    activities.advance("copy", 5, 500)
    copy = _only(activities)
    assert (copy.objects, copy.total, copy.is_total_exact, copy.is_done) == (5, 40, True, False)
    assert copy.described_size() == "500 B/4.0 kB"
    activities.advance("copy", 35, 3500)
    activities.end("copy", None, None, 2)
    assert (copy.objects, copy.total, copy.failed, copy.is_done) == (40, 40, 2, True)
    assert copy.described_size() == "4.0 kB"


def test_the_end_has_the_last_word_on_the_figures() -> None:
    activities = Activities()
    activities.estimate("list store", 0)
    activities.advance("list store", 300, 3000)
    activities.end("list store", 302, 3020, 0)
    listing = _only(activities)
    assert (listing.objects, listing.size, listing.total, listing.is_done) == (302, 3020, 0, True)


def test_one_object_is_not_called_objects() -> None:
    activities = Activities()
    activities.expect("copy", 1, 3)
    copy = _only(activities)
    assert (copy.objects, copy.total, copy.unit) == (0, 1, "object")
    activities.advance("copy", 1, 3)
    assert (copy.objects, copy.unit) == (1, "object")


def test_a_wrong_estimate_is_no_total() -> None:
    activities = Activities()
    activities.estimate("compare", 10)
    activities.advance("compare", 9, 0)
    compare = _only(activities)
    assert (compare.total, compare.is_total_exact, compare.unit) == (10, False, "keys")
    activities.advance("compare", 2, 0)
    assert compare.total == 0
    assert compare.described_size() == ""


def test_what_others_did_is_not_missing_at_the_end() -> None:
    activities = Activities()
    activities.expect("copy", 40, 0)
    activities.advance("copy", 25, 0)
    activities.end("copy", None, None, 0)
    assert (_only(activities).objects, _only(activities).total) == (25, 0)


def test_clocks_stop_and_go_on_with_the_work() -> None:
    activities = Activities()
    activities.advance("list store", 1, 1)
    activities.end("list store", None, None, 0)
    listing = _only(activities)
    seconds = listing.seconds
    time.sleep(0.2)
    assert listing.seconds == seconds
    activities.advance("list store", 1, 1)
    assert not listing.is_done
    # The time in between does not count.
    assert listing.seconds - seconds < 0.2
    activities.close()
    assert not listing.is_done
    assert listing.ended is not None


def test_rate_and_time_left_are_those_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    activities = Activities()
    activities.expect("copy", 1000, 0)
    copy = _only(activities)
    assert copy.rate() is None
    now += 5
    activities.advance("copy", 500, 0)
    assert copy.rate() == 100
    now += 20  # nothing moved since
    assert copy.rate() is None
    now += 2
    activities.advance("copy", 20, 0)
    rate = copy.rate()
    assert rate == 10
    assert copy.seconds_left(rate) == 48
    activities.end("copy", None, None, 0)
    assert copy.seconds_left(rate) is None
    assert copy.rate() == pytest.approx(520 / 27)


def test_nothing_is_no_rate_in_the_first_seconds_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    activities = Activities()
    activities.advance("list source", 0, 0)
    listing = _only(activities)
    assert listing.rate() is None
    now += 2
    assert listing.rate() is None
    now += 4
    # It stalls.
    assert listing.rate() == 0
    activities.end("list source", None, None, 0)
    assert listing.rate() is None
