"""Amounts of US dollars: decimal numbers, read exactly as they are written."""

import re
from decimal import ROUND_UP, Decimal

MICRO = Decimal("0.000001")
_CENT = Decimal("0.01")
_DOLLARS = re.compile(r"\$?\s*([0-9]{1,12}(?:\.[0-9]{1,6})?)")


def parse_dollars(value: object) -> Decimal:
    """Read ``25``, ``25.5``, ``"25.50"`` or ``"$25.50"``.

    Raises:
        ValueError: it is no amount, or has more than six decimals.
    """
    if isinstance(value, Decimal):
        return value
    # The shortest text of a binary number is what was written.
    match = None if isinstance(value, bool) else _DOLLARS.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f"{value!r} is not an amount of US dollars such as 25 or '25.50'")
    return Decimal(match[1])


def in_dollars(amount: Decimal) -> str:
    """An amount for the reader, rounded up to a cent, or to a millionth of a dollar where it is less than that."""
    if 0 < amount < _CENT:
        return f"${amount.quantize(MICRO, ROUND_UP).normalize():f}"
    return f"${amount.quantize(_CENT, ROUND_UP):,}"
