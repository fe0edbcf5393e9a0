"""Lengths of time, read from and written as text."""

import re
from decimal import Decimal

_SECONDS = {"min": 60, "h": 3600, "d": 86_400}
_UNITS = {"m": "min", "minute": "min", "minutes": "min", "hour": "h", "hours": "h", "day": "d", "days": "d"}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([a-z]+)")


def parse_duration(text: str) -> int:
    """Read ``"48 h"``, ``"90 min"`` or ``"2 days"``.

    Returns:
        Seconds, rounded down.

    Raises:
        ValueError: the text is not such a duration.
    """
    match = _DURATION.fullmatch(text.strip())
    unit = None if match is None else _SECONDS.get(_UNITS.get(match[2], match[2]))
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not a duration such as '48 h', '90 min' or '7 days'")
    return int(Decimal(match[1]) * unit)


def readable_duration(seconds: float) -> str:
    """A number of seconds in hours, or in minutes where it is less than two hours."""
    if seconds < 2 * _SECONDS["h"]:
        return f"{seconds / _SECONDS['min']:.0f} min"
    return f"{seconds / _SECONDS['h']:.4g} h"
