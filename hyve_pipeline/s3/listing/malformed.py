"""The errors of malformed pages, and how messages quote their texts."""

# A text of a damaged page may have megabytes.
_MOST_SHOWN = 200

# The end of the message on a listing that can't be believed, though its pages were requested several times.
ADVICE = "nothing was planned: run it again, and tell the provider of the server if it stays so"


class MalformedPageError(ValueError):
    """An answer to ListObjectsV2 that contradicts itself or its request; the message says how."""


class UnsupportedListingError(MalformedPageError):
    """The server can't continue a listing after a key, so another request would not help."""


def shown(text: str) -> str:
    """A text in quotes for a message; only the beginning of a long one."""
    return repr(text) if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]!r}..."
