"""How a server lists, where servers differ: found out from its answers, once a connection."""

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True)
class ListingDialect:
    """What was found out so far.

    Attributes:
        by_marker: the server knows only the first version of listing, ListObjects, and goes on from a marker.
        is_encoding: whether the server percent-encodes keys when it is asked to; None while that is not known.
        plus: what a ``+`` in an encoded key stands for, a space or itself; None while no key has shown it.
        is_one_order: the server lists versions and delete markers in one order, and not apart.
    """

    by_marker: bool = False
    is_encoding: bool | None = None
    plus: Literal[" ", "+"] | None = None
    is_one_order: bool = False
