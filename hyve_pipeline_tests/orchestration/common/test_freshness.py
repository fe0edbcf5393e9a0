"""When a plan is too old, by Dagster's rule for deadlines: the newest plan is older than the last one's window."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from hyve_pipeline.orchestration.common.freshness import freshness_of

# Both changes of the clocks are in it, and the turn of a year; in the short time, one of them.
_YEAR = (datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=400))
_FORTNIGHT = (datetime(2026, 3, 20, tzinfo=UTC), timedelta(days=14))
_DRYRUN = timedelta(minutes=3)


@cache
def ticks(schedule: str, timezone: str) -> list[datetime]:
    """When Dagster takes a schedule to be due."""
    begin, length = _FORTNIGHT if len(schedule.split()) == 5 and not schedule.split()[1].isdigit() else _YEAR
    start = begin.replace(tzinfo=ZoneInfo(timezone))
    windows = dg.TimeWindowPartitionsDefinition(
        start=start, end=start + length, cron_schedule=schedule, fmt="%Y-%m-%dT%H:%M:%S%z"
    )
    keys = windows.get_partition_keys(current_time=start + length)
    return [datetime.strptime(key, "%Y-%m-%dT%H:%M:%S%z") for key in keys]


def stale_after(policy: dg.FreshnessPolicy, plans: list[datetime]) -> list[datetime]:
    """The deadlines after which Dagster calls the asset stale, though the first plan is made."""
    deadline_cron, zone, room = (getattr(policy, name) for name in ("deadline_cron", "timezone", "lower_bound_delta"))
    stale = []
    for deadline in ticks(deadline_cron, zone):
        made = bisect_right(plans, deadline)
        if made and plans[made - 1].timestamp() <= deadline.timestamp() - room.total_seconds():
            stale.append(deadline)
    return stale


SCHEDULES = [
    "0 2 * * *",
    "30 1 * * *",
    "0 2 * * 1-5",
    "0 23 * * *",
    "30 22 * * mon-fri",
    "0 2,14 * * *",
    "0 9,22 * * *",
    "0 * * * *",
    "@weekly",
    "@monthly",
    "0 3 29 2 *",
    "*/25 8-18/3 * * 1-5",
    "*/27 * * * *",
    "0 2 1,15 * 1",
]


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_plan_of_each_night_is_fresh(schedule: str, timezone: str) -> None:
    policy = freshness_of(schedule, timezone)
    assert policy is not None
    due = ticks(schedule, timezone)
    stale = stale_after(policy, [tick + _DRYRUN for tick in due])
    assert stale == []


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_each_night_that_is_left_out_is_found_within_two_hours(schedule: str, timezone: str) -> None:
    policy = freshness_of(schedule, timezone)
    assert policy is not None
    due = ticks(schedule, timezone)
    for left_out in range(1, len(due) - 1, max(1, len(due) // 40)):
        plans = [tick + _DRYRUN for tick in (*due[:left_out], *due[left_out + 1 :])]
        found = [deadline for deadline in stale_after(policy, plans) if due[left_out] <= deadline]
        assert found
        assert found[0] - due[left_out] <= timedelta(hours=3), "an hour more where clocks are put on"
        assert len(found) == 1, "a plan that is there again is fresh"


@pytest.mark.parametrize("schedule", ["59 22,3 * * *", "59 23 1 * *", "0,1 5 * * *"])
def test_some_schedules_have_no_deadline_that_cron_can_say(schedule: str) -> None:
    assert freshness_of(schedule, "UTC") is None
