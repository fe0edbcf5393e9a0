"""Times as users write them."""

from datetime import UTC, datetime


def parse_time(text: str) -> datetime:
    """A time with its zone, in UTC; without one nobody could say later which time was meant.

    Raises:
        ValueError: it is none, or has no zone.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError(f"{text!r} is no time with a zone, such as 2026-11-01T00:00:00Z")
    return time.astimezone(UTC)
