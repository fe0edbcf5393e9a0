"""Guesses where a range of keys can be cut, from the position of its walk.

The distribution of the keys after that position is unknown. So cuts are placed where keys of folders, numbers, dates
and hashes usually continue: for each leading part of the position, keys that begin with it and have a later character
next. A cut with no keys after it costs one request and is not repeated, as the range then ends there; a good one halves
the work. The completeness of the listing does not depend on cuts: the two new ranges together are the old one.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

# The next characters are taken from the same class; after '9' a letter is most likely.
_CLASSES = ("0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")

_FIRST_BEYOND_ASCII = 0x80
_SURROGATES = range(0xD800, 0xE000)  # not characters: no key has them
_LAST = 0x10FFFF
_STEPS = 8

# S3 refuses longer keys, even as start-after. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_MAX_KEY_BYTES = 1024


def cut_points(
    position: str, until: str | None, settled: int, varying: int, alphabet: Collection[str], wanted: int
) -> list[str]:
    """Keys at which the range between `position` and `until` may be cut.

    Args:
        position: the last listed key.
        until: the end of the range; None means no bound.
        settled: how many leading characters all possible keys have in common.
        varying: how many leading characters the recently listed keys have in common: later cuts would leave less to the
            new walk than was just listed.
        alphabet: characters that occur in keys.
        wanted: the most cuts.

    Returns:
        Keys that need not exist, ascending, all greater than `position` and less than `until`.
    """
    begin = max(settled, shared_length(position, until) if until is not None else 0)
    depths = range(begin, max(begin, varying) + 1)
    levels = [cuts for depth in depths if (cuts := _cuts_at(position, until, depth, alphabet))]
    levels = levels[:wanted]
    return sorted(cut for cuts in levels for cut in _spread(cuts, wanted // len(levels)))


def shared_length(left: str, right: str) -> int:
    """How many characters two keys have in common at their beginning."""
    pairs = zip(left, right, strict=False)
    return next((depth for depth, pair in enumerate(pairs) if pair[0] != pair[1]), min(len(left), len(right)))


def _cuts_at(position: str, until: str | None, depth: int, alphabet: Collection[str]) -> list[str]:
    """The cuts that keep `depth` characters of the position and have a later one next, ascending."""
    head = position[:depth]
    before = position[depth] if depth < len(position) else ""
    end = until[depth] if until is not None and until[:depth] == head and depth < len(until) else None
    cuts = (head + character for character in _later_characters(before, end, alphabet))
    return [cut for cut in cuts if (until is None or cut < until) and len(cut.encode()) <= _MAX_KEY_BYTES]


def _later_characters(before: str, end: str | None, alphabet: Collection[str]) -> Iterator[str]:
    """Likely next characters of keys, after `before` and before `end`, ascending."""
    if before and ord(before) >= _FIRST_BEYOND_ASCII:
        yield from _later_beyond_ascii(ord(before), ord(end) if end is not None else None)
        return
    for characters in _CLASSES:
        if before and before in characters[:-1]:
            later = characters[characters.index(before) + 1 :]
            yield from [character for character in later if character in alphabet] or later
            return
    # No later character in this class: perhaps another class follows.
    yield from (characters[0] for characters in _CLASSES if before < characters[0])
    yield chr(_FIRST_BEYOND_ASCII)


def _later_beyond_ascii(code: int, end: int | None) -> Iterator[str]:
    """Characters evenly spread up to `end`, or up to where later scripts are likely to begin."""
    distance = (end if end is not None else min(2 * code, _LAST)) - code
    later = {code + distance * step // _STEPS for step in range(1, _STEPS)}
    return (chr(number) for number in sorted(later) if number > code and number not in _SURROGATES)


def _spread(values: Sequence[T], count: int) -> Sequence[T]:
    """Up to `count` of the values, evenly spread, in their order."""
    if count >= len(values):
        return values
    return [values[(2 * number + 1) * len(values) // (2 * count)] for number in range(count)]
