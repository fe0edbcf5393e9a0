"""Sizes in bytes, read from and written as text."""

import re
from decimal import Decimal

MIB = 1024**2
GIB = 1024**3

_UNITS = {"": 1, "b": 1}
_UNITS |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgtp", 1)}
_UNITS |= {f"{letter}ib": 1024**power for power, letter in enumerate("kmgtp", 1)}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*([A-Za-z]*)")


def parse_size(text: str) -> int:
    """Read ``"100 GiB"`` (1,024 based), ``"100 GB"`` (1,000 based) or ``"1000000"``, in upper or lower case.

    Returns:
        Bytes, rounded down.

    Raises:
        ValueError: the text is not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not a size such as '100 GiB' or a number of bytes")
    return int(Decimal(match[1]) * unit)


def readable_bytes(size: float) -> str:
    """A number of bytes with a decimal unit, such as `1.2 MB`."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} PB"
