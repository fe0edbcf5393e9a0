"""Decoding the keys of a listing with ``encoding-type=url``, of which there are two kinds.

AWS writes a space as ``+`` and a plus as ``%2B``, as in forms. Other servers write a space as ``%20`` and a plus as it
is, as in paths. The other keys of a page with a ``+`` may show which kind it is.
"""

import re
from collections.abc import Sequence
from typing import Literal
from urllib.parse import unquote, unquote_plus

from hyve_pipeline.s3.listing.malformed import MalformedPageError, shown

# What a plus in an encoded key stands for: a space, or itself.
Plus = Literal[" ", "+"]

_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


class AmbiguousPlusError(MalformedPageError):
    """Keys of a page have a ``+``, and nothing shows what it stands for.

    Attributes:
        written: the encoded keys with a plus.
    """

    def __init__(self, written: Sequence[str]) -> None:
        super().__init__(f"nothing shows whether the '+' in the key {shown(written[0])} stands for a space")
        self.written = list(written)


def decode_keys(written: Sequence[str], known: Plus | None = None) -> list[str]:
    """Undo ``encoding-type=url`` for the keys of one page.

    Args:
        written: the encoded keys.
        known: what a plus stands for, if that is known of the server. What the page itself shows has precedence.

    Raises:
        MalformedPageError: a key is not properly encoded.
        AmbiguousPlusError: nothing shows what a plus stands for.
    """
    with_plus = [key for key in written if "+" in key]
    plus = (_shown_by(written) or known) if with_plus else "+"
    if plus is None:
        raise AmbiguousPlusError(with_plus)
    return [decode_key(key, plus) if "%" in key or "+" in key else key for key in written]


def decode_key(key: str, plus: Plus) -> str:
    """Undo ``encoding-type=url`` for one key.

    Raises:
        MalformedPageError: the key is not properly encoded.
    """
    try:
        if _BROKEN_ESCAPE.search(key):
            raise ValueError("broken percent-encoding")
        return unquote_plus(key, errors="strict") if plus == " " else unquote(key, errors="strict")
    except ValueError as error:
        # The error for a text that is not UTF-8 quotes all of it.
        raise MalformedPageError(f"the key {shown(key)} cannot be decoded: {shown(str(error))}") from error


def _shown_by(written: Sequence[str]) -> Plus | None:
    """What a plus stands for on a page, if its keys show it: itself if spaces are encoded."""
    text = "\n".join(written)
    has_encoded_space = "%20" in text or " " in text
    has_encoded_plus = "%2B" in text or "%2b" in text
    if has_encoded_space == has_encoded_plus:
        return None
    return "+" if has_encoded_space else " "


def forms_of(written: str) -> set[str]:
    """The texts that an element which repeats a parameter may stand for, each in one line: it may be encoded or not."""
    return {in_one_line(form) for form in (written, unquote(written), unquote_plus(written))}


def in_one_line(text: str) -> str:
    """The text with normalised line ends, as XML does not keep them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
