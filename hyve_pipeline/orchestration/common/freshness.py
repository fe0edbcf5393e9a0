"""The freshness policy of a plan: it is too old when a scheduled dryrun is overdue."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import dagster as dg

from hyve_pipeline.core.settings.cron import CronFields

# How long after its time a dryrun's plan is expected, where the schedule leaves so much room.
_HOURS = 2

# On days when clocks are changed, a deadline is an hour nearer to its dryrun, or farther from it.
_CLOCKS_CHANGE = timedelta(hours=1)


def freshness_of(schedule: str, timezone: str) -> dg.FreshnessPolicy | None:
    """The policy that fails two hours after a missed dryrun (or at the end of the hour), until the next plan.

    A policy has a deadline for each dryrun, as a cron expression: that of the schedule, later by as much as such an
    expression allows.

    Args:
        schedule: a cron expression.
        timezone: its time zone.

    Returns:
        The policy; None if no cron expression has later times than the schedule.
    """
    fields = CronFields.of(schedule)
    later = _hours_later(fields) or _minutes_later(fields)
    if later is None:
        return None
    deadline, room = later
    return dg.FreshnessPolicy.cron(str(deadline), lower_bound_delta=room, timezone=timezone)


def _hours_later(fields: CronFields) -> tuple[CronFields, timedelta] | None:
    """The same minute of later hours, perhaps of the next day."""
    room = timedelta(hours=_HOURS) + _CLOCKS_CHANGE
    if len(fields.minutes) > 1 or timedelta(hours=_smallest_gap(fields.hours, 24)) < room:
        return None
    later = replace(fields, hours=tuple(sorted((hour + _HOURS) % 24 for hour in fields.hours)))
    if fields.hours[-1] + _HOURS < 24:
        return later, room
    if fields.hours[0] + _HOURS < 24 or not fields.is_every_date:
        return None  # one of the hours is on another day than the others, or on a day that no field can name
    return later.on_next_weekday(), room


def _minutes_later(fields: CronFields) -> tuple[CronFields, timedelta] | None:
    """Later minutes of the same hours."""
    minutes = min(_smallest_gap(fields.minutes, 60) - 1, 59 - fields.minutes[-1])
    if not minutes:
        return None
    later = replace(fields, minutes=tuple(minute + minutes for minute in fields.minutes))
    return later, timedelta(minutes=minutes + 1)


def _smallest_gap(numbers: tuple[int, ...], turn: int) -> int:
    """The smallest difference between numbers that follow each other, the last and the first of the next turn too."""
    return min(after - before for before, after in pairwise((*numbers, numbers[0] + turn)))
