"""What protects an object from being deleted or overwritten: S3's Object Lock.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

# From the weaker to the stronger.
_MODES = ("GOVERNANCE", "COMPLIANCE")


@dataclass(frozen=True, slots=True)
class ObjectLock:
    """The protection of one object; an expired retention is none.

    Attributes:
        mode: the mode of its retention, ``GOVERNANCE`` or ``COMPLIANCE``; None without one.
        until: the end of its retention, as S3 writes it; None without one.
        legal_hold: it is kept until the hold is taken away.
        event_hold: it is kept until an event, and for a time after it.
        event_days: that time in days, or None.
        event_years: that time in years, or None.
    """

    mode: str | None = None
    until: str | None = None
    legal_hold: bool = False
    event_hold: bool = False
    event_days: str | None = None
    event_years: str | None = None

    def __bool__(self) -> bool:
        return self.has_retention or self.legal_hold

    @property
    def has_retention(self) -> bool:
        """Whether it has what a request for its retention sets: a date, or an event hold."""
        return self.until is not None or self.event_hold

    def missing_in(self, other: "ObjectLock") -> "ObjectLock":
        """What another object needs to be protected as well as this one; false if nothing.

        No protection is ever weakened: the other may have more, such as the default retention of its bucket.
        """
        is_held = not self.event_hold or self._event == other._event
        needs_date = self.until is not None and not (
            other.until is not None
            and _instant(other.until) >= _instant(self.until)
            and _MODES.index(other.mode or _MODES[0]) >= _MODES.index(self.mode or _MODES[0])
        )
        if is_held and not needs_date:
            return ObjectLock(legal_hold=self.legal_hold and not other.legal_hold)
        return replace(self.joined(other), legal_hold=self.legal_hold and not other.legal_hold)

    @property
    def _event(self) -> tuple[bool, str | None, str | None]:
        return self.event_hold, self.event_days, self.event_years

    def joined(self, other: "ObjectLock") -> "ObjectLock":
        """This protection with that of another: the later date, the stronger mode, and the holds of both."""
        dates = [date for date in (self.until, other.until) if date is not None]
        modes = [mode for mode in (self.mode, other.mode) if mode is not None]
        lock = replace(
            self,
            until=max(dates, key=_instant, default=None),
            mode=max(modes, key=_MODES.index, default=None),
            legal_hold=self.legal_hold or other.legal_hold,
        )
        if not self.event_hold and other.event_hold:
            lock = replace(lock, event_hold=True, event_days=other.event_days, event_years=other.event_years)
        return lock


NO_LOCK = ObjectLock()


def current_lock(lock: ObjectLock, now: datetime | None = None) -> ObjectLock:
    """The protection without a retention that has ended: S3 takes no date in the past.

    Raises:
        ValueError: its date or its mode is none.
    """
    if lock.mode is not None and lock.mode not in _MODES:
        raise ValueError(f"{lock.mode!r:.100} is no mode of a retention")
    if lock.until is None or _instant(lock.until) > (now or datetime.now(UTC)):
        return lock
    return replace(lock, until=None, mode=lock.mode if lock.event_hold else None)


def _instant(date: str) -> datetime:
    found = datetime.fromisoformat(date)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
