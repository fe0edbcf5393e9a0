from datetime import UTC, datetime

import pytest
from dagster._utils.schedules import cron_string_iterator, is_valid_cron_string
from hypothesis import given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.settings.cron import check_cron


@pytest.mark.parametrize(
    "expression",
    ["0 2 * * *", "*/5 * * * *", "0 9-17/2 * * mon-FRI", "0,30 0 1,15 jan,7 *", "0 0 29 2 *", "5/20 * * * 7", "@daily"],
)
def test_ordinary_schedules_are_accepted(expression: str) -> None:
    check_cron(expression)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "minute, hour, day, month and weekday are required"),
        ("0 2 * *", "minute, hour, day, month and weekday are required"),
        ("0 2 * * * *", "minute, hour, day, month and weekday are required"),
        ("@reboot", "minute, hour, day, month and weekday are required"),
        ("60 * * * *", "minute '60' is not from 0 to 59"),
        ("0 24 * * *", "hour '24' is not from 0 to 23"),
        ("0 0 0 * *", "day '0' is not from 1 to 31"),
        ("0 0 * 13 *", "month '13' is not from 1 to 12"),
        ("0 0 * * 8", "weekday '8' is not from 0 to 7"),
        ("0 0 * * sunday", "weekday 'sunday' is not from 0 to 7"),
        ("mon * * * *", "minute 'mon' is not from 0 to 59"),
        ("1, * * * *", "minute '' is neither *, a number, a range nor a step such as */5"),
        ("*-5 * * * *", "minute '*-5' is neither *, a number, a range nor a step such as */5"),
        ("-1 * * * *", "minute '-1' is neither *, a number, a range nor a step such as */5"),
        ("٣ * * * *", "minute '٣' is neither *, a number, a range nor a step such as */5"),
        ("*/0 * * * *", "minute '*/0' is an empty range"),
        ("5-1 * * * *", "minute '5-1' is an empty range"),
        ("0 0 30,31 2 *", "never fires: none of its months has such a day"),
        ("0 0 31 4,6 *", "never fires: none of its months has such a day"),
    ],
)
def test_a_wrong_schedule_says_which_field(expression: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"^'") as caught:
        check_cron(expression)
    assert str(caught.value).startswith(repr(expression))
    assert str(caught.value).endswith(problem)


NUMBERS = st.sampled_from([*map(str, range(62)), "jan", "Feb", "dec", "sun", "mon", "SAT", "00", "07", "x"])
ITEMS = st.one_of(
    st.just("*"),
    NUMBERS,
    st.builds("{}-{}".format, NUMBERS, NUMBERS),
    st.builds("{}/{}".format, st.just("*") | NUMBERS, st.integers(0, 70)),
    st.builds("{}-{}/{}".format, NUMBERS, NUMBERS, st.integers(0, 70)),
)
FIELDS = st.lists(ITEMS, min_size=1, max_size=3).map(",".join)


@settings(deadline=None)
@given(
    st.lists(st.just("*") | FIELDS, min_size=5, max_size=5).map(" ".join)
    | st.text("0123456789*/-,@ aehjn", max_size=20)
)
def test_dagster_can_run_every_accepted_schedule(expression: str) -> None:
    try:
        check_cron(expression)
    except ValueError:
        return
    assert is_valid_cron_string(expression)
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert next(iter(cron_string_iterator(now.timestamp(), expression, "UTC"))) >= now
