"""How a server lists, where servers differ: found out from its answers, once a connection."""

from dataclasses import dataclass
from typing import Literal

from hyve_pipeline.s3.wire.messages import Request

# What a listing can do without: older servers refuse these, and others ignore them.
ENCODING, VERSION_2 = "encoding-type", "list-type"


@dataclass(slots=True)
class ListingDialect:
    """What was found out so far.

    Attributes:
        by_marker: the server knows only the first version of listing, ListObjects, and goes on from a marker.
        is_encoding: whether the server percent-encodes keys when it is asked to; None while that is not known.
        plus: what a ``+`` in an encoded key stands for, a space or itself; None while no key has shown it.
        is_one_order: the server lists versions and delete markers in one order, and not apart.
        refused: the parameters of a listing that the server refuses, so that they are left out.
    """

    by_marker: bool = False
    is_encoding: bool | None = None
    plus: Literal[" ", "+"] | None = None
    is_one_order: bool = False
    refused: frozenset[str] = frozenset()

    def spoken(self, request: Request) -> Request:
        """A request to the bucket, without what the server refuses."""
        if not self.refused:
            return request
        return request._replace(query=tuple(pair for pair in request.query if pair[0] not in self.refused))
