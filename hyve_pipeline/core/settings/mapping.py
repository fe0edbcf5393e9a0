"""The rules by which keys of the source become other keys in the store, and back.

Both directions are functions of the rules alone. So a key of the store belongs to a sync, and may be deleted by it,
only if some key of the source, there or not, would become it; and which one that is, is known without a table of keys.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Annotated, Any, Optional

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    create_model,
    model_serializer,
    model_validator,
)

from hyve_pipeline.core.base.inverse_pattern import inverse_of
from hyve_pipeline.core.base.replacement import expand, parse_replacement
from hyve_pipeline.core.settings.field_checks import JsonSchema
from hyve_pipeline.core.settings.place_fields import MAX_KEY_BYTES
from hyve_pipeline.core.settings.table import SettingsTable, contradiction


def _valid_text(text: str) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("has half a surrogate pair, which no key has") from None
    if size > MAX_KEY_BYTES:
        raise ValueError(f"has {size:,} bytes, a key has {MAX_KEY_BYTES:,} at most")
    return text


def _valid_pattern(pattern: str) -> str:
    try:
        _compiled(_valid_text(pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    return pattern


_Text = Annotated[str, AfterValidator(_valid_text)]
_Prefix = Annotated[_Text, JsonSchema(examples=["raw/2025/"])]
_NewPrefix = Annotated[_Text, JsonSchema(examples=["archive/2025/"])]
_Pattern = Annotated[str, AfterValidator(_valid_pattern), JsonSchema(examples=[r"incoming/(\d+)/(.*)"])]
_Replacement = Annotated[_Text, JsonSchema(examples=[r"photos/\2-\1"])]


class InverseRule(SettingsTable):
    """How a renamed key becomes the source's key again."""

    match: _Pattern = Field(description="A regular expression that matches the whole key below the store's prefix.")
    replace: _Replacement = Field(description="The source's key, with references to the groups.")

    @model_validator(mode="after")
    def _check(self) -> "InverseRule":
        _check_replacement(self.match, self.replace)
        return self


# `from` is a word of Python's own, so that no class can have it in its body.
_Beginning = create_model(
    "_Beginning",
    __base__=SettingsTable,
    **{
        "from": (
            Optional[_Prefix],  # noqa: UP045 - a type made at run time
            Field(default=None, description="What keys of the source begin with, below its prefix; empty means all."),
        )
    },  # type: ignore[call-overload]
)


class MappingRule(_Beginning):
    """One rule of a mapping: what some keys of the source become in the store."""

    to: _NewPrefix | None = Field(
        default=None, description="What takes the place of `from` in the store, below its prefix."
    )
    match: _Pattern | None = Field(
        default=None,
        description=(
            "Instead of `from`, a regular expression of Python that matches the whole key below the source's prefix; "
            "`.` matches a newline, too."
        ),
    )
    replace: _Replacement | None = Field(
        default=None, description=r"The key below the store's prefix, with references to the groups such as `\1`."
    )
    inverse: InverseRule | None = Field(
        default=None,
        description=(
            "How such a key becomes the source's again, where `match` and `replace` are too intricate to derive it."
        ),
    )

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if value is not None}

    @property
    def beginning(self) -> str | None:
        """The setting `from`."""
        return getattr(self, "from")

    @property
    def described(self) -> str:
        """The rule in a few words; its texts are not escaped."""
        old, new = (self.beginning, self.to) if self.match is None else (self.match, self.replace)
        return f"'{old}' to '{new}'"

    @model_validator(mode="after")
    def _check(self) -> "MappingRule":
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if ("from" in given) == ("match" in given):
            raise contradiction("from", "set either from, with to, or match, with replace")
        first, second = ("from", "to") if "from" in given else ("match", "replace")
        if second not in given:
            raise contradiction(second, f"is missing: {first} needs it")
        others = [name for name in given if name not in (first, second, *(("inverse",) if first == "match" else ()))]
        if others:
            raise contradiction(others[0], f"can't be combined with {first}")
        if self.match is not None and self.replace is not None:
            _check_replacement(self.match, self.replace)
            if self.inverse is None and inverse_of(self.match, self.replace) is None:
                raise contradiction(
                    "inverse",
                    "is needed, as it can't be derived from match and replace: set how a key of the store becomes the "
                    "source's again, as { match = …, replace = … }",
                )
        return self


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


def _check_replacement(match: str, replace: str) -> None:
    try:
        parse_replacement(replace, _compiled(match))
    except ValueError as error:
        raise contradiction("replace", f"'{replace}' is not a replacement for '{match}': {error}") from None


def check_rules(rules: Sequence[MappingRule]) -> None:
    """Refuse rules of which the second never applies, or which give one key of the store to two of the source.

    Of regular expressions, and of prefixes that contain each other, only the keys show whether they do.

    Raises:
        PydanticCustomError: there are such rules; the message names both.
    """
    for (one, first), (two, second) in combinations(enumerate(rules, start=1), 2):
        if first.beginning is None or second.beginning is None:
            continue
        if second.beginning.startswith(first.beginning):
            raise contradiction("mapping", f"rule {two} never applies: all its keys begin as those of rule {one}")
        to, later = first.to or "", second.to or ""
        overlaps = to == later or (
            (to.startswith(later) or later.startswith(to)) and not first.beginning.startswith(second.beginning)
        )
        if overlaps:
            raise contradiction(
                "mapping",
                f"rules {one} and {two} can give two keys of the source one key in the store: "
                f"{first.described}, and {second.described}",
            )


# A key in one bucket to the key in the other, or None where a rule does not fit.
_Way = Callable[[str], str | None]


def _by_prefix(old: str, new: str) -> _Way:
    length = len(old)
    return lambda key: new + key[length:] if key.startswith(old) else None


def _by_pattern(match: str, replace: str) -> _Way:
    pattern = _compiled(match)
    parts = parse_replacement(replace, pattern)

    def way(key: str) -> str | None:
        found = pattern.fullmatch(key)
        return None if found is None else expand(parts, found)

    return way


def _ways(rule: MappingRule) -> tuple[_Way, _Way]:
    """The ways there and back of a rule."""
    if rule.match is None or rule.replace is None:
        beginning, to = rule.beginning or "", rule.to or ""
        return _by_prefix(beginning, to), _by_prefix(to, beginning)
    if rule.inverse is not None:
        back = rule.inverse.match, rule.inverse.replace
    else:
        # Without one the rule is not valid.
        back = inverse_of(rule.match, rule.replace) or ("", "")
    return _by_pattern(rule.match, rule.replace), _by_pattern(*back)


class KeyMapping:
    """Rules in a form that is fast to apply. All keys are below the prefixes of their buckets.

    Args:
        rules: the rules, the first one first.
    """

    def __init__(self, rules: Sequence[MappingRule]) -> None:
        ways = [_ways(rule) for rule in rules]
        self._there = [there for there, _ in ways]
        self._back = [back for _, back in ways]

    def to_store(self, key: str) -> str | None:
        """What a key of the source becomes, by the first rule that fits; None if none does."""
        for way in self._there:
            found = way(key)
            if found is not None:
                return found
        return None

    def to_source(self, key: str) -> str | None:
        """The key of the source that becomes a key of the store; None if no key does.

        Where several would, it is that of the first rule. A source that has another one of them is refused.
        """
        return next((found for found in self._candidates(key) if self.to_store(found) == key), None)

    def _candidates(self, key: str) -> Iterator[str]:
        for way in self._back:
            found = way(key)
            if found is not None:
                yield found


@lru_cache(maxsize=64)
def key_mapping(rules: tuple[MappingRule, ...]) -> KeyMapping:
    """The mapping of some rules; it is made once."""
    return KeyMapping(rules)
