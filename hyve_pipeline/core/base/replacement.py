"""Replacements of regular expressions, taken apart once: Python's own parses them anew for each match."""

import re
from collections.abc import Sequence

_ESCAPE = re.compile(r"\\(?:g<([^>]*)>|([1-9][0-9]?)|(\\)|.|\Z)", re.DOTALL)
# Python takes these for one character by its octal number.
_OCTAL = re.compile(r"\\[0-3][0-7]{2}")

# Literal texts, and numbers of groups.
Replacement = tuple[str | int, ...]


def parse_replacement(replace: str, pattern: re.Pattern[str]) -> Replacement:
    r"""The parts of a replacement, as in Python's `re`, but that ``\\`` is the only escape beside those of groups.

    Args:
        replace: the replacement.
        pattern: the expression, whose groups it may refer to; group 0 is the whole text.

    Raises:
        ValueError: it has another escape, or there is no such group.

    >>> parse_replacement(r"photos/\2-\g<1>", re.compile("(.)(.)"))
    ('photos/', 2, '-', 1)
    """
    parts: list[str | int] = []
    position = 0
    for escape in _ESCAPE.finditer(replace):
        parts.append(replace[position : escape.start()])
        name, number, backslash = escape.groups()
        group = number if name is None else name
        if _OCTAL.match(replace, escape.start()) or (group is None and backslash is None):
            raise ValueError(rf"'{escape[0]}' is none of \1, \g<1>, \g<name> and \\")
        parts.append("\\" if group is None else _group(group, pattern))
        position = escape.end()
    return tuple(part for part in (*parts, replace[position:]) if part != "")


def _group(name: str, pattern: re.Pattern[str]) -> int:
    if name.isascii() and name.isdecimal() and int(name) <= pattern.groups:
        return int(name)
    if name in pattern.groupindex:
        return pattern.groupindex[name]
    raise ValueError(f"there is no group '{name}'")


def expand(parts: Sequence[str | int], found: re.Match[str]) -> str:
    """The text that a replacement becomes for a match; a group that took no part is empty."""
    return "".join([part if isinstance(part, str) else found[part] or "" for part in parts])
