"""Guessing where a range of keys can be cut, from nothing but where its walk has come to.

How the keys behind that position are spread is not known. So cuts are spread over the places where keys
of folders, numbers, dates and hashes go on: for each leading part of the position, keys that begin with it
and then have a later character. A cut with no keys behind it costs one request and is not repeated, since
the range ends there from then on; a good one halves the work. Whether the listing is complete does not
depend on any of this: every cut leaves two ranges that together are the old one.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

# Characters go on within these; what comes after '9' is most likely a letter.
_CLASSES = ("0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")

_FIRST_BEYOND_ASCII = 0x80
_SURROGATES = range(0xD800, 0xE000)  # not characters: no key has them
_LAST = 0x10FFFF
_STEPS = 8

# S3 refuses longer keys, even as bounds. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_MOST_KEY_BYTES = 1024


def cut_points(
    position: str, until: str | None, settled: int, varying: int, alphabet: Collection[str], wanted: int
) -> list[str]:
    """Keys at which the range between `position` and `until` may be cut.

    Args:
        position: the last key that was seen.
        until: the end of the range; None means no bound.
        settled: how many leading characters are the same for all keys that there can be.
        varying: how many leading characters the keys that were passed on the way to the position have in
            common: cuts behind these would give away less than what was passed.
        alphabet: characters that keys have.
        wanted: how many cuts are wanted at most.

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
    """The cuts that keep `depth` characters of the position and go on with a later one, ascending."""
    head = position[:depth]
    before = position[depth] if depth < len(position) else ""
    end = until[depth] if until is not None and until[:depth] == head and depth < len(until) else None
    cuts = (head + character for character in _later_characters(before, end, alphabet))
    return [cut for cut in cuts if (until is None or cut < until) and len(cut.encode()) <= _MOST_KEY_BYTES]


def _later_characters(before: str, end: str | None, alphabet: Collection[str]) -> Iterator[str]:
    """Characters after `before` that a key is likely to go on with before `end`, ascending."""
    if before and ord(before) >= _FIRST_BEYOND_ASCII:
        yield from _later_beyond_ascii(ord(before), ord(end) if end is not None else None)
        return
    for characters in _CLASSES:
        if before and before in characters[:-1]:
            later = characters[characters.index(before) + 1 :]
            yield from [character for character in later if character in alphabet] or later
            return
    # The characters of this kind are used up: perhaps another kind follows.
    yield from (characters[0] for characters in _CLASSES if before < characters[0])
    yield chr(_FIRST_BEYOND_ASCII)


def _later_beyond_ascii(code: int, end: int | None) -> Iterator[str]:
    """Characters evenly spread up to `end`, or else up to where scripts after this one may well begin."""
    distance = (end if end is not None else min(2 * code, _LAST)) - code
    later = {code + distance * step // _STEPS for step in range(1, _STEPS)}
    return (chr(number) for number in sorted(later) if number > code and number not in _SURROGATES)


def _spread(values: Sequence[T], count: int) -> Sequence[T]:
    """Up to `count` of the values, evenly spread, in their order."""
    if count >= len(values):
        return values
    return [values[(2 * number + 1) * len(values) // (2 * count)] for number in range(count)]
