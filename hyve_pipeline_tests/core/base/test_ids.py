"""Ids are ordered by their numbers, never by a clock."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.ids import is_id, is_older, make_id, number_of, order_of, time_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

times = st.integers(0, 250_000_000_000_000_000).map(lambda number: EPOCH + timedelta(microseconds=number))


@given(st.integers(0, 10**9), times, st.sampled_from(["milliseconds", "microseconds"]))
def test_an_id_contains_its_number_and_time(number: int, time: datetime, timespec: str) -> None:
    identity = make_id(number, time, "1a2b3c4d", timespec)
    assert is_id(identity)
    assert number_of(identity) == number_of(f"{identity}.json") == number
    resolution = timedelta(milliseconds=1) if timespec == "milliseconds" else timedelta(microseconds=1)
    assert time - resolution < time_of(identity) <= time


def test_the_form_is_as_documented() -> None:
    time = datetime(2026, 1, 31, 3, 0, tzinfo=timezone(timedelta(hours=1)))
    assert make_id(42, time, "1a2b3c4d") == "000042-20260131T020000000Z-1a2b3c4d"
    assert make_id(0, time, "1a2b3c4d", "microseconds") == "20260131T020000000000Z-1a2b3c4d"
    assert make_id(1_000_000, time, "1a2b3c4d") == "1000000-20260131T020000000Z-1a2b3c4d"


@given(st.lists(st.tuples(st.integers(1, 2_000_000), times), min_size=2, max_size=5, unique_by=lambda made: made[0]))
def test_numbers_decide_whatever_the_clock_says(made: list[tuple[int, datetime]]) -> None:
    ids = sorted((make_id(number, time, "00000000") for number, time in made), key=order_of)
    assert [number_of(identity) for identity in ids] == sorted(number for number, _ in made)
    assert is_older(ids[0], ids[1])
    assert not is_older(ids[1], ids[0])


def test_ids_without_a_number_are_older_than_all_with_one_and_ordered_by_time() -> None:
    old = ["20200101T000000000Z-ffffffff", "20990101T000000000000Z-00000000", "20990101T000000000Z-00000000"]
    new = "000001-20000101T000000000Z-00000000"
    assert sorted([new, *reversed(old)], key=order_of)[-1] == new
    assert is_older(old[0], old[1])
    assert not is_older(old[1], old[2])
    assert all(is_older(identity, new) for identity in old)


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "plan", "x" * 5_000, "000042-20260131T020000000Z-1a2b3c4d\n", "../000042"),
        *("000042-20260131T020000000Z-1a2b3c4d/..", "\x00", "42-20260131T020000000Z-1a2b3c4d"),
    ],
)
def test_other_texts_are_not_ids(text: str) -> None:
    assert not is_id(text)
