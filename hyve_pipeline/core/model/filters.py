"""Include and exclude globs, applied to one key in Python or to a column of keys in DuckDB.

Globs have the syntax of `aws s3 sync` (Python's `fnmatch`): ``*`` matches any characters including ``/``,
``?`` one character, ``[abc]`` or ``[a-z]`` one of these and ``[!abc]`` any other; a ``[`` that is not closed
matches itself. Globs are case-sensitive and must match the whole key below the prefix.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

_SAFE_CHARACTER = re.compile(r"[A-Za-z0-9_/]")
# A class without members in RE2, which has no `(?!)`.
_NOTHING = r"[^\x{0}-\x{10ffff}]"


@dataclass(frozen=True)
class Filters:
    """The keys that a sync includes. An excluded key is neither copied nor deleted.

    Attributes:
        include: a key must match one of these globs; empty means that every key does.
        exclude: a key that matches one of these globs is excluded, even if it matches `include`.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def matches(self, key: str) -> bool:
        """Whether `key`, the key below the prefix, is included."""
        if any(fnmatchcase(key, glob) for glob in self.exclude):
            return False
        return not self.include or any(fnmatchcase(key, glob) for glob in self.include)

    def condition(self, key: str) -> str:
        """The rule of `matches` as an SQL boolean expression for DuckDB.

        Args:
            key: an SQL expression for the key below the prefix, such as a column's quoted name.

        Returns:
            An expression, in parentheses if necessary; ``true`` without any glob. It contains only ASCII
            letters, digits and regular expression syntax of the globs, so no glob can end the SQL literal.
        """
        conditions = []
        if self.include:
            conditions.append(_matches_any(key, self.include))
        if self.exclude:
            conditions.append(f"NOT {_matches_any(key, self.exclude)}")
        return f"({' AND '.join(conditions)})" if conditions else "true"


def _matches_any(key: str, globs: tuple[str, ...]) -> str:
    # The option s lets the dot match newlines, which keys may contain.
    return "(" + " OR ".join(f"regexp_full_match({key}, '{_as_re2(glob)}', 's')" for glob in globs) + ")"


def _as_re2(glob: str) -> str:
    """The glob as a pattern for RE2, the regular expressions of DuckDB.

    `fnmatch.translate` makes patterns for Python's `re`, in a syntax that RE2 does not have.
    """
    return "".join(_re2_parts(glob))


def _re2_parts(glob: str) -> Iterator[str]:
    at = 0
    while at < len(glob):
        character = glob[at]
        at += 1
        if character == "*":
            yield ".*"
        elif character == "?":
            yield "."
        elif character == "[" and (end := _class_end(glob, at)) is not None:
            yield _re2_class(glob[at:end])
            at = end + 1
        else:
            yield _re2_literal(character)


def _class_end(glob: str, start: int) -> int | None:
    """Where the class that begins at `start`, after its ``[``, is closed; None if it is not."""
    # A closing bracket in first position, or after the `!`, is a member of the class.
    first = start + 1 if glob.startswith("!", start) else start
    end = glob.find("]", first + 1)
    return None if end < 0 else end


def _re2_class(members: str) -> str:
    """The class for the text between the brackets. A descending range has no members."""
    negated = members.startswith("!")
    if negated:
        members = members[1:]
    ranges = []
    at = 0
    while at < len(members):
        low = high = members[at]
        if members.startswith("-", at + 1) and at + 2 < len(members):
            high = members[at + 2]
            at += 2
        at += 1
        if low <= high:
            ranges.append(_re2_literal(low) if low == high else f"{_re2_literal(low)}-{_re2_literal(high)}")
    if not ranges:
        return "." if negated else _NOTHING
    return f"[{'^' if negated else ''}{''.join(ranges)}]"


def _re2_literal(character: str) -> str:
    return character if _SAFE_CHARACTER.fullmatch(character) else rf"\x{{{ord(character):x}}}"
