"""Ids of inventories, diffs and plans.

    000042-20260131T020000000Z-1a2b3c4d

The number orders them: it is greater than every number that existed when the id was made, whatever the clock says.
Ids made at the same time may share a number. The time is for the reader. Ids of early versions have no number: they
begin with the time, and are older than all ids with a number.
"""

import re
from datetime import UTC, datetime

_ID = re.compile(r"(?:([0-9]{6,18})-)?([0-9]{8}T[0-9]{9,12})Z-[0-9a-f]{8}")

# The part of the time that all ids have, up to the millisecond: kinds of ids differ in resolution.
_TIME_LENGTH = len("20260131T020000000")


def make_id(number: int, time: datetime, digest: str, timespec: str = "milliseconds") -> str:
    """An id.

    Args:
        number: its place in the order, from 1; 0 is omitted.
        time: when it is made, for the reader.
        digest: 8 unique hexadecimal digits.
        timespec: ``milliseconds`` or ``microseconds``.
    """
    shown = re.sub(r"[-:.]", "", time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec))
    return f"{f'{number:06d}-' if number else ''}{shown}Z-{digest}"


def is_id(text: str) -> bool:
    """Whether the text has the form of an id."""
    return _ID.fullmatch(text) is not None


def number_of(identity: str) -> int:
    """The id's place in the order; 0 when it has none."""
    match = _ID.match(identity)
    return int(match[1] or 0) if match is not None else 0


def order_of(identity: str) -> tuple[int, str]:
    """The sort key, oldest first, of ids and of file names that begin with one."""
    return number_of(identity), identity


def is_older(identity: str, other: str) -> bool:
    """Whether one was made before the other, as far as known."""
    return _age(identity) < _age(other)


def time_of(identity: str) -> datetime:
    """The time in an id, by the clock of the machine that made it.

    Raises:
        ValueError: it is not an id.
    """
    match = _ID.match(identity)
    if match is None:
        raise ValueError(f"{identity!r} is not an id")
    return datetime.strptime(match[2], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)


def _age(identity: str) -> tuple[int, str]:
    number = number_of(identity)
    return number, "" if number else identity[:_TIME_LENGTH]
