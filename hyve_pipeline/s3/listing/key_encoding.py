"""Keys as ``encoding-type=url`` writes them, of which there are two kinds.

AWS writes a space as ``+`` and a plus as ``%2B``, as forms do. Other servers write a space as ``%20`` and leave a plus
as it is, as paths do. A page with a ``+`` shows by its other keys which kind it is, or does not show it at all.
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
    """Keys of a page have a ``+``, and it does not show what that stands for.

    Attributes:
        written: the keys with a plus, as they are written.
    """

    def __init__(self, written: Sequence[str]) -> None:
        super().__init__(f"it does not show whether the '+' of the key {shown(written[0])} stands for a space")
        self.written = list(written)


def decode_keys(written: Sequence[str], known: Plus | None = None) -> list[str]:
    """Undo ``encoding-type=url`` for the keys of one page.

    Args:
        written: the keys as the page has them.
        known: what a plus stands for, where that is known of the server. What the page itself shows counts more.

    Raises:
        MalformedPageError: a key is not properly encoded.
        AmbiguousPlusError: it can't be known what a plus stands for.
    """
    with_plus = [key for key in written if "+" in key]
    plus: Plus = "+"
    if with_plus:
        found = _shown_by(written) or known
        if found is None:
            raise AmbiguousPlusError(with_plus)
        plus = found
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
        # The error of a text that is no UTF-8 quotes all of it.
        raise MalformedPageError(f"the key {shown(key)} cannot be decoded: {shown(str(error))}") from error


def _shown_by(written: Sequence[str]) -> Plus | None:
    """What a plus stands for on a page, as far as its keys show: where spaces have a code, it stands for itself."""
    text = "\n".join(written)
    has_encoded_space = "%20" in text or " " in text
    has_encoded_plus = "%2B" in text or "%2b" in text
    if has_encoded_space == has_encoded_plus:
        return None
    return "+" if has_encoded_space else " "
