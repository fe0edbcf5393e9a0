"""Derives the regular expression that undoes a rename, where that is simple enough to be sure of its form.

Whether it really undoes the rename is checked on every key: a derived expression that is wrong for a key refuses a
plan, and never lets anything be written or deleted.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from hyve_pipeline.core.base.replacement import parse_replacement

# What has a meaning of its own outside of groups and classes, so that the text there is no literal.
_SPECIAL = frozenset(".[]*+?{}|")


class _Group(NamedTuple):
    """A group of an expression: its number, and the expression inside."""

    number: int
    inner: str


class _NotSimpleError(ValueError):
    """An expression has more than literals and groups."""


def inverse_of(match: str, replace: str) -> tuple[str, str] | None:
    r"""The expression and the replacement that turn a renamed key back.

    They are derived where the expression is made of literals and of groups that are neither nested nor repeated, and
    the replacement of literals and of references to all of these groups.

    Args:
        match: a valid regular expression, which matches a whole key.
        replace: a valid replacement for it.

    >>> inverse_of(r"incoming/(\d+)/(.*)", r"photos/\2-\1")
    ('photos/(?P<g2>.*)\\-(?P<g1>\\d+)', 'incoming/\\g<g1>/\\g<g2>')
    >>> inverse_of(r"(a|b)+", r"x\1") is None
    True
    """
    try:
        parts = list(_expression(match))
    except _NotSimpleError:
        return None
    groups = {part.number: part for part in parts if isinstance(part, _Group)}
    written = parse_replacement(replace, re.compile(match))
    if groups.keys() != {part for part in written if isinstance(part, int)}:
        return None
    seen: set[int] = set()
    expression = ""
    for part in written:
        if isinstance(part, str):
            expression += re.escape(part)
        else:
            expression += f"(?P=g{part})" if part in seen else f"(?P<g{part}>{groups[part].inner})"
            seen.add(part)
    replacement = "".join(
        part.replace("\\", "\\\\") if isinstance(part, str) else f"\\g<g{part.number}>" for part in parts
    )
    return expression, replacement


def _expression(match: str) -> Iterator[str | _Group]:
    """The literals and groups of an expression that matches a whole key.

    Raises:
        _NotSimpleError: it has something else.
    """
    text = match.removeprefix("^")
    position = number = 0
    while position < len(text):
        character = text[position]
        if character == "(":
            end = _group_end(text, position)
            number += 1
            yield _group(text[position + 1 : end], number)
            position = end + 1
        elif character == "\\":
            escaped = text[position + 1 : position + 2]
            if not escaped or escaped.isalnum():
                raise _NotSimpleError
            yield escaped
            position += 2
        elif character == "$" and position == len(text) - 1:
            return
        elif character in _SPECIAL or character in "^$)":
            raise _NotSimpleError
        else:
            yield character
            position += 1


def _group_end(text: str, start: int) -> int:
    """The position of the parenthesis that closes a group.

    Raises:
        _NotSimpleError: another group is in it.
    """
    position = start + 1
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "[":
            position = _class_end(text, position)
        elif character == "(" and text[position : position + 3] != "(?:":
            raise _NotSimpleError
        elif character == "(":
            position = _group_end(text, position)
        elif character == ")":
            return position
        position += 1
    raise _NotSimpleError


def _class_end(text: str, start: int) -> int:
    """The position of the bracket that closes a class of characters; one that comes first is part of it."""
    position = start + 1
    position += text[position : position + 1] == "^"
    position += text[position : position + 1] == "]"
    while position < len(text) and text[position] != "]":
        position += 2 if text[position] == "\\" else 1
    return position


def _group(text: str, number: int) -> _Group:
    """A group by what is between its parentheses.

    Raises:
        _NotSimpleError: it captures nothing, or what it matches depends on other groups.
    """
    if text.startswith("?"):
        found = re.match(r"\?P<[^>]+>", text)
        if found is None:
            raise _NotSimpleError
        text = text[found.end() :]
    if re.search(r"\\[1-9]|[\^$]|\\[AbBZz]", re.sub(r"\\\\|\[(?:\\.|[^\]\\])*\]", "", text)):
        raise _NotSimpleError
    return _Group(number, text)
