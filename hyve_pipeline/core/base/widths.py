"""Text where each character is one column wide, or two: on a terminal, and in charts."""

import unicodedata
from collections.abc import Iterable

from hyve_pipeline.core.base.keys import displayed

_ELLIPSIS = "…"

# More characters than any line has room for.
_MOST_CHARACTERS = 2_000


def columns_of(text: str) -> int:
    """How many columns a text takes; marks that take none are counted as one."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def shortened_key(key: str, columns: int) -> str:
    """A key, escaped, and shortened in its middle to so many columns."""
    half = _MOST_CHARACTERS // 2
    # A very long key is shortened first, so that not all of it is escaped and measured.
    ends = key if len(key) <= _MOST_CHARACTERS else key[:half] + key[-half:]
    parts = [displayed(character) for character in ends]
    if len(ends) == len(key) and sum(map(columns_of, parts)) <= columns:
        return "".join(parts)
    begin = _fitting(parts, (columns - 1) - (columns - 1) // 2)
    end = _fitting(reversed(parts), (columns - 1) // 2)
    return "".join([*begin, _ELLIPSIS, *reversed(end)])


def _fitting(parts: Iterable[str], room: int) -> list[str]:
    """The first parts that fit into so many columns."""
    kept: list[str] = []
    for part in parts:
        room -= columns_of(part)
        if room < 0:
            break
        kept.append(part)
    return kept
