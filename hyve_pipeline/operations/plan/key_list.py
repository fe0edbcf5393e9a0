"""Reads a list of keys that a plan is to be restricted to: nothing on a line of it is left out silently."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.keys import displayed, list_line, parse_list_line
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.settings.mapping import key_mapping
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.place_fields import MAX_KEY_BYTES

# A line of JSON may have other members beside its key.
_LONGEST_LINE = 1024**2

_BYTE_ORDER_MARK = "\ufeff"


@dataclass
class CountedLines:
    """Some lines of a list: how many, and the number of the first one, from 1."""

    lines: int = 0
    first: int = 0

    def add(self, number: int) -> None:
        """Count a line."""
        self.lines += 1
        self.first = self.first or number


@dataclass
class KeyList:
    """The keys of a list, and what became of its other lines.

    Attributes:
        name: what the list is called in messages.
        keys: the keys below the source's prefix, each once, in the order of the list.
        lines: how many lines it has.
        empty: its empty lines, which name no key.
        doubled: lines with a key that an earlier line has.
        excluded: lines with a key that globs or rules leave out; the key is among `keys` all the same, and the plan
            counts it as excluded.
        without_rule: lines with a key that no rule of the mapping is about, likewise; the plan counts it as left out.
    """

    name: str
    keys: list[str] = field(default_factory=list)
    lines: int = 0
    empty: CountedLines = field(default_factory=CountedLines)
    doubled: CountedLines = field(default_factory=CountedLines)
    excluded: CountedLines = field(default_factory=CountedLines)
    without_rule: CountedLines = field(default_factory=CountedLines)


class _WrongLineError(ValueError):
    """What is wrong with a line."""


def read_key_list(name: str, lines: BinaryIO, settings: SyncSettings) -> KeyList:
    """Read a list: whole keys of the source, one a line as in ``new.txt``, or JSON objects with a member ``key``.

    Which of the two it is, the first line that is not empty shows.

    Args:
        name: what the list is called in messages.
        lines: its bytes.
        settings: the sync, with prefixes and filters.

    Raises:
        ConfigurationError: a line is no key that both buckets could have below their prefixes, or there is no key.
    """
    found = KeyList(name)
    filters = Filters.of(settings.options)
    name_of = key_mapping(settings.mapping).to_store if settings.mapping else None
    problems: list[str] = []
    seen: set[str] = set()
    are_json: bool | None = None
    for number, raw in enumerate(iter(lambda: lines.readline(_LONGEST_LINE + 1), b""), start=1):
        if len(raw) > _LONGEST_LINE:
            raise ConfigurationError(f"{name}: line {number}: is too long for a line with a key; no plan was made")
        found.lines = number
        line = raw.removesuffix(b"\n")
        if not line:
            found.empty.add(number)
            continue
        try:
            text = _decoded(line, number)
            if are_json is None:
                are_json = _json_key(text) is not None
            key = _below(_key_of(text, is_json=are_json), settings)
        except _WrongLineError as error:
            problems.append(f"line {number}: {error}")
            continue
        if key in seen:
            found.doubled.add(number)
            continue
        seen.add(key)
        found.keys.append(key)
        planned = key if name_of is None else name_of(key)
        if planned is None:
            found.without_rule.add(number)
        elif not filters.matches(planned):
            found.excluded.add(number)
    if problems:
        more = "" if len(problems) == 1 else f" (and {counted(len(problems) - 1, 'more wrong line')})"
        raise ConfigurationError(f"{name}: {problems[0]}{more}; no plan was made")
    if not found.keys:
        raise ConfigurationError(f"{name}: it has no key; no plan was made")
    if found.without_rule.lines == len(found.keys):
        raise ConfigurationError(f"{name}: no rule of the mapping is about any of its keys; no plan was made")
    return found


def _decoded(line: bytes, number: int) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise _WrongLineError("is not UTF-8") from None
    if number == 1 and text.startswith(_BYTE_ORDER_MARK):
        raise _WrongLineError("begins with a byte order mark: write the list without one")
    return text


def _key_of(text: str, *, is_json: bool) -> str:
    of_json = _json_key(text)
    if is_json:
        if of_json is None:
            raise _WrongLineError('is no JSON object with a string "key", as the lines before are')
        key = of_json
    elif of_json is not None:
        raise _WrongLineError(
            "is a JSON object, and the lines before are not: write it as a JSON string if it is a key"
        )
    elif text.endswith("\r"):
        raise _WrongLineError("ends with a carriage return: end lines with a newline alone")
    elif not text.startswith('"') and list_line(text) != text:
        raise _WrongLineError("holds a control character: write the key as a JSON string, in double quotes")
    else:
        try:
            key = parse_list_line(text)
        except ValueError:
            raise _WrongLineError("begins with a double quote and is no JSON string") from None
    try:
        key.encode()
    except UnicodeEncodeError:
        raise _WrongLineError("holds half a surrogate pair, which no key has") from None
    return key


def _json_key(text: str) -> str | None:
    """The key of a JSON object; None where the text is none, or has no string ``key``."""
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    key = found.get("key") if isinstance(found, dict) else None
    return key if isinstance(key, str) else None


def _below(key: str, settings: SyncSettings) -> str:
    """The key below the source's prefix."""
    prefix, store_prefix = settings.source.prefix, settings.store.prefix
    if len(key.encode()) > MAX_KEY_BYTES:
        raise _WrongLineError(f"the key has {len(key.encode()):,} bytes, a key has {MAX_KEY_BYTES:,} at most")
    if not key.startswith(prefix):
        raise _WrongLineError(f"{displayed(key)!r} is not below the source's prefix {displayed(prefix)!r}")
    below = key[len(prefix) :]
    if not below and not prefix:
        raise _WrongLineError("the key is empty")
    size = len((store_prefix + below).encode())
    # With a mapping it is another key there, which is checked with all that is proved of it.
    if size > MAX_KEY_BYTES and not settings.mapping:
        raise _WrongLineError(f"the key has {size:,} bytes in the store, a key has {MAX_KEY_BYTES:,} at most")
    return below


def counted_lines(found: KeyList) -> Iterator[str]:
    """What became of lines that name no further key for the plan, a sentence for each kind."""
    kinds = (
        (found.empty, "is empty", "are empty"),
        (found.doubled, "has a key that an earlier line has", "have keys that earlier lines have"),
        (found.excluded, "has a key that the filters exclude", "have keys that the filters exclude"),
        (
            found.without_rule,
            "has a key that no rule of the mapping is about",
            "have keys that no rule of the mapping is about",
        ),
    )
    for kind, one, many in kinds:
        if kind.lines == 1:
            yield f"{found.name}: line {kind.first} {one}"
        elif kind.lines:
            yield f"{found.name}: {kind.lines:,} lines {many}, the first of them line {kind.first}"
