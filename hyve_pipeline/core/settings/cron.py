"""Cron expressions of five fields, checked when the settings are read rather than when the schedule is due.

The grammar is what cron and Dagster's scheduler have in common: Dagster accepts every expression that is accepted
here. It is not used for the check, as it takes half a second to import.
"""

import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass, replace

NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_ITEM = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>[0-9]+))?", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LEAP_YEAR = 2000


@dataclass(frozen=True)
class _Field:
    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        number = self.lowest + self.names.index(text.lower()) if text.lower() in self.names else None
        if number is None and text.isdigit() and len(text) <= 2:
            number = int(text)
        if number is None or not self.lowest <= number <= self.highest:
            raise ValueError(f"{self.name} {text!r} is not from {self.lowest} to {self.highest}")
        return number

    def numbers(self, text: str) -> set[int]:
        """All numbers of a list such as ``1-5/2,10``."""
        numbers: set[int] = set()
        for item in text.split(","):
            parts = _ITEM.fullmatch(item)
            if parts is None or (parts["first"] == "*" and parts["last"]):
                raise ValueError(f"{self.name} {item!r} is neither *, a number, a range nor a step such as */5")
            first = self.lowest if parts["first"] == "*" else self.number(parts["first"])
            last = self.highest if parts["first"] == "*" or parts["step"] else first
            if parts["last"]:
                last = self.number(parts["last"])
            step = int(parts["step"] or 1)
            if first > last or step == 0:
                raise ValueError(f"{self.name} {item!r} is an empty range")
            numbers.update(range(first, last + 1, step))
        return numbers


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_WEEKDAY = _Field("weekday", 0, 7, _WEEKDAYS)
_FIELDS = (_MINUTE, _HOUR, _Field("day", 1, 31), _Field("month", 1, 12, _MONTHS), _WEEKDAY)


def check_cron(expression: str) -> None:
    """Check a cron expression such as ``0 2 * * *`` or ``@daily``.

    Raises:
        ValueError: it does not have five fields, a field is wrong, or no month has such a day.
    """
    if expression in NICKNAMES:
        return
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f"{expression!r} is not a cron expression such as '0 2 * * *': "
            "minute, hour, day, month and weekday are required"
        )
    try:
        _, _, days, months, _ = (field.numbers(text) for field, text in zip(_FIELDS, fields, strict=True))
    except ValueError as error:
        raise ValueError(f"{expression!r} is not a cron expression such as '0 2 * * *': {error}") from None
    if min(days) > max(monthrange(_LEAP_YEAR, month)[1] for month in months):
        raise ValueError(f"{expression!r} never fires: none of its months has such a day")


@dataclass(frozen=True)
class CronFields:
    """A cron expression, field by field.

    Attributes:
        minutes, hours: all numbers that the field matches, in order.
        days, months, weekdays: as written.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: str
    months: str
    weekdays: str

    @classmethod
    def of(cls, expression: str) -> "CronFields":
        """The fields of an expression that `check_cron` accepts."""
        minutes, hours, days, months, weekdays = NICKNAMES.get(expression, expression).split()
        return cls(_in_order(_MINUTE, minutes), _in_order(_HOUR, hours), days, months, weekdays)

    @property
    def is_every_date(self) -> bool:
        """Whether both day and month are ``*``."""
        return self.days == self.months == "*"

    def on_next_weekday(self) -> "CronFields":
        """The same, one day of the week later."""
        if self.weekdays == "*":
            return self
        later = sorted({(day + 1) % 7 for day in _WEEKDAY.numbers(self.weekdays)})
        return replace(self, weekdays=_listed(later))

    def __str__(self) -> str:
        """The expression."""
        return f"{_listed(self.minutes)} {_listed(self.hours)} {self.days} {self.months} {self.weekdays}"


def _in_order(field: _Field, text: str) -> tuple[int, ...]:
    return tuple(sorted(field.numbers(text)))


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))
