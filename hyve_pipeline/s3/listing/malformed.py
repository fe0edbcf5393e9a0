"""What a page of a listing is that can't be believed, and how messages quote what it says."""

# A page may be damaged so that a text in it has megabytes.
_MOST_SHOWN = 200


class MalformedPageError(ValueError):
    """An answer to ListObjectsV2 that does not fit together, or not to what was asked; the message says how."""


class UnknownWayOnError(MalformedPageError):
    """A page shows that the server can't list on from a key, so that asking once more would not help."""


def shown(text: str) -> str:
    """A text in quotes, as a message has it: its beginning, where it is long."""
    return repr(text) if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]!r}..."
