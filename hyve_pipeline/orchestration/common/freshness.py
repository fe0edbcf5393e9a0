"""When a plan is too old: by the schedule that should have made a newer one."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import dagster as dg

# How long a dryrun may take before its plan counts as late.
_SLACK = timedelta(hours=1)

# A Friday that is the first of a month, so that a weekend, or the rest of a month, is among the first gaps.
_START = datetime(2027, 1, 1, tzinfo=UTC)

# How many days are looked at: more, if those before do not tell.
_DAYS = (4, 40, 1_500)
_ENOUGH_TICKS = 20


def freshness_of(schedule: str) -> dg.FreshnessPolicy:
    """Late when one dryrun was left out, as a warning, and failed when two were.

    Args:
        schedule: a cron expression.
    """
    gap = longest_gap(schedule)
    return dg.FreshnessPolicy.time_window(warn_window=gap + _SLACK, fail_window=2 * gap + _SLACK)


def longest_gap(schedule: str) -> timedelta:
    """The longest time between two ticks of a schedule.

    Of the time in UTC: where clocks are changed, it is an hour longer once a year, which is within the slack.
    """
    gap = timedelta()
    for days in _DAYS:
        end = _START + timedelta(days=days)
        ticks = [*_ticks(schedule, end), end]
        gap = max((after - before for before, after in pairwise(ticks[:-1])), default=timedelta(days=days))
        if len(ticks) > _ENOUGH_TICKS and ticks[-1] - ticks[-2] <= gap:
            break
    return gap


def _ticks(schedule: str, end: datetime) -> list[datetime]:
    written = "%Y-%m-%dT%H:%M:%S%z"
    windows = dg.TimeWindowPartitionsDefinition(start=_START, end=end, cron_schedule=schedule, fmt=written)
    return [datetime.strptime(key, written).astimezone(UTC) for key in windows.get_partition_keys(current_time=end)]
