"""How many pages are in flight: more while that pays, fewer when the server asks for it."""

from collections.abc import Callable

from hyve_pipeline.s3.listing.pace import Pace


def _run(speed_with: Callable[[int], float], ceiling: int, pages: int) -> list[int]:
    """What is allowed after each page of a server that gives so many pages a second with so many in flight."""
    now = 0.0
    pace = Pace(ceiling, now)
    allowed = []
    for _ in range(pages):
        now += 1 / speed_with(pace.allowed)
        pace.page(now, pace.allowed)
        allowed.append(pace.allowed)
    return allowed


def test_it_grows_to_the_ceiling_while_latency_is_the_limit() -> None:
    allowed = _run(lambda in_flight: in_flight / 0.06, ceiling=32, pages=200)
    assert allowed[-1] == 32
    assert allowed.index(32) < 70


def test_it_stays_low_where_more_bring_nothing() -> None:
    assert max(_run(lambda _in_flight: 100.0, ceiling=32, pages=500)) <= 4


def test_it_stops_where_the_server_is_saturated() -> None:
    assert _run(lambda in_flight: min(in_flight, 8) / 0.06, ceiling=64, pages=500)[-1] in (8, 16)


def test_a_slow_down_halves_it() -> None:
    pace = Pace(32, 0.0)
    now = 0.0
    for _ in range(200):
        now += 0.06 / pace.allowed
        pace.page(now, pace.allowed)
    assert pace.allowed == 32
    pace.slow_down(now)
    assert pace.allowed == 16
    # These were sent before.
    for _ in range(10):
        pace.slow_down(now)
    assert pace.allowed == 16
    for _ in range(200):
        now += 1
        pace.page(now, pace.allowed)
        pace.slow_down(now)
    assert pace.allowed == 1


def test_it_grows_again_after_a_slow_down() -> None:
    pace = Pace(32, 0.0)
    pace.slow_down(0.0)
    now, seen = 0.0, 0
    for _ in range(2000):
        now += 0.06 / pace.allowed
        pace.page(now, pace.allowed)
        seen = max(seen, pace.allowed)
    assert seen == 32


def test_too_little_to_do_says_nothing() -> None:
    pace = Pace(32, 0.0)
    for number in range(100):
        pace.page(number * 0.06, 1)
    assert pace.allowed == 2
