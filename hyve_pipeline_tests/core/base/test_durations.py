"""Lengths of time, read from and written as text."""

import pytest

from hyve_pipeline.core.base.durations import parse_duration, readable_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("48 h", 172_800), ("90min", 5_400), (" 1.5 hours ", 5_400), ("7 days", 604_800), ("1 d", 86_400), ("2 m", 120)],
)
def test_durations_have_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "48", "h", "-1 h", "1 year", "1 h 30 min", "1e3 h", "nan h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as"):
        parse_duration(text)


def test_durations_are_written_in_hours_or_minutes() -> None:
    assert [readable_duration(seconds) for seconds in (59, 7_199, 7_200, 172_800, 9_000)] == [
        *("1 min", "120 min", "2 h", "48 h", "2.5 h")
    ]
