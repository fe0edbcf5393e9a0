"""Which keys and objects a sync includes: globs on the key, ordered rules, and filters on what the listing says.

Globs and rules are applied to one key in Python or to a column of keys in DuckDB, filters on properties to rows of
inventories in DuckDB.

Globs have the syntax of `aws s3 sync` (Python's `fnmatch`): ``*`` matches any characters including ``/``,
``?`` one character, ``[abc]`` or ``[a-z]`` one of these and ``[!abc]`` any other; a ``[`` that is not closed
matches itself. Globs are case-sensitive and must match the whole key below the prefix.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from hyve_pipeline.core.settings.filter import FilterSettings
from hyve_pipeline.core.settings.options import Options

_SAFE_CHARACTER = re.compile(r"[A-Za-z0-9_/]")
# A class without members in RE2, which has no `(?!)`.
_NOTHING = r"[^\x{0}-\x{10ffff}]"


@dataclass(frozen=True)
class Filters:
    """What a sync includes. What it excludes is neither copied nor deleted.

    Globs and rules look at the key alone. All others look at the source's object: its copy in the store may be of
    another time and another storage class. So a key is excluded on both sides by what the source has, and what a filter
    leaves out of the source is never taken for an object that the source lacks. Where the source has no such key, the
    store's own object decides in the same way.

    Attributes:
        include: a key must match one of these globs; empty means that every key does.
        exclude: a key that matches one of these globs is excluded, even if it matches `include`.
        rules: ``+ GLOB`` or ``- GLOB`` each; the first one that matches decides. A key that none matches is included.
        properties: the filters on objects; their durations were replaced by times.
        copies_keep_class: whether copies get the storage class of the source's object, so that the class of what only
            the store has can be compared.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    properties: FilterSettings = field(default_factory=FilterSettings)
    copies_keep_class: bool = True

    @classmethod
    def of(cls, options: Options, now: datetime | None = None) -> "Filters":
        """The filters of a sync.

        Args:
            options: its options; those of a plan have times for all durations.
            now: the time that durations end at; by default this moment.
        """
        found = options.filter or FilterSettings()
        return cls(
            include=options.include,
            exclude=options.exclude,
            rules=found.rules,
            properties=found.at(now or datetime.now(UTC)),
            copies_keep_class=options.storage_class == "source",
        )

    def matches(self, key: str) -> bool:
        """Whether globs and rules include `key`, the key below the prefix."""
        if any(fnmatchcase(key, glob) for glob in self.exclude):
            return False
        if self.include and not any(fnmatchcase(key, glob) for glob in self.include):
            return False
        return next((rule[0] == "+" for rule in self.rules if fnmatchcase(key, rule[2:])), True)

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
        if self.rules:
            cases = (f"WHEN {_matches_any(key, (rule[2:],))} THEN {rule[0] == '+'}" for rule in self.rules)
            conditions.append(f"CASE {' '.join(cases)} ELSE true END")
        return f"({' AND '.join(conditions)})" if conditions else "true"

    @property
    def look_at_objects(self) -> bool:
        """Whether there are filters on what an inventory says of an object."""
        return self.passes("s", "t", "true") != "true"

    def passes(self, source: str, store: str, is_in_source: str) -> str:
        """Whether an object passes the filters on what inventories say, as an SQL boolean expression for DuckDB.

        Args:
            source: the table of the source's rows, with the columns of an inventory.
            store: that of the store's rows.
            is_in_source: the SQL condition that the source has the key, else only the store has it.

        Returns:
            An expression, in parentheses if necessary; ``true`` without any such filter.
        """
        of_source = self._conditions(source)
        of_store = self._conditions(store, with_class=self.copies_keep_class)
        if not of_source:
            return "true"
        return f"(CASE WHEN {is_in_source} THEN {' AND '.join(of_source)} ELSE {' AND '.join(of_store) or 'true'} END)"

    def _conditions(self, table: str, *, with_class: bool = True) -> list[str]:
        # No untrusted text: numbers, times, and names of classes, which the settings check.
        found = self.properties
        bounds = (("size", ">=", found.min_size), ("size", "<=", found.max_size))
        conditions = [f"{table}.{column} {sign} {size}" for column, sign, size in bounds if size is not None]
        for sign, time in ((">=", found.newer_than), ("<", found.older_than)):
            if isinstance(time, datetime):
                conditions.append(f"{table}.last_modified {sign} TIMESTAMPTZ '{time.astimezone(UTC).isoformat()}'")
        if found.storage_class and with_class:
            names = ", ".join(f"'{name}'" for name in found.storage_class)
            conditions.append(f"{table}.storage_class IN ({names})")
        return conditions


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
