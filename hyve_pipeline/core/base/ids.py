"""Ids of what a sync keeps: inventories, diffs and plans.

    000042-20260131T020000000Z-1a2b3c4d

The number orders them: it is greater than that of all that was there when the id was made, whatever the clock says.
What was made at the same time may share a number. The time is for people. Ids of versions before the number had
come begin with the time, and are older than all with one.
"""

import re
from datetime import UTC, datetime

_ID = re.compile(r"(?:([0-9]{6,18})-)?([0-9]{8}T[0-9]{9,12})Z-[0-9a-f]{8}")

# How times begin, whose resolution differs between kinds of ids: up to the millisecond.
_TIME_LENGTH = len("20260131T020000000")


def make_id(number: int, time: datetime, digest: str, timespec: str = "milliseconds") -> str:
    """An id.

    Args:
        number: its place in the order, from 1; 0 is left out.
        time: for people.
        digest: 8 hexadecimal digits that no other has.
        timespec: ``milliseconds`` or ``microseconds``.
    """
    shown = re.sub(r"[-:.]", "", time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec))
    return f"{f'{number:06d}-' if number else ''}{shown}Z-{digest}"


def is_id(text: str) -> bool:
    """Whether this is in the form of an id."""
    return _ID.fullmatch(text) is not None


def number_of(identity: str) -> int:
    """The id's place in the order; 0 for what has none."""
    match = _ID.match(identity)
    return int(match[1] or 0) if match is not None else 0


def order_of(identity: str) -> tuple[int, str]:
    """What ids, or names of files that begin with one, are sorted by, oldest first."""
    return number_of(identity), identity


def is_older(identity: str, other: str) -> bool:
    """Whether one was made before another, as far as that is known."""
    return _age(identity) < _age(other)


def time_of(identity: str) -> datetime:
    """The time in an id, by the clock of whoever made it.

    Raises:
        ValueError: there is none.
    """
    match = _ID.match(identity)
    if match is None:
        raise ValueError(f"{identity!r} is no id")
    return datetime.strptime(match[2], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)


def _age(identity: str) -> tuple[int, str]:
    number = number_of(identity)
    return number, "" if number else identity[:_TIME_LENGTH]
