"""Finds out what a ``+`` in an encoded key stands for, if the page does not show it: by HEAD of the possible keys."""

from collections.abc import Sequence
from http import HTTPStatus

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.transport import ResponseOrError
from hyve_pipeline.s3.listing.key_encoding import Plus, decode_key
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Request, Response

# A key may have been deleted since it was listed, or both possible keys may exist.
_MAX_TRIES = 5

_MEANINGS: tuple[Plus, ...] = (" ", "+")


def settle_plus(connection: Connection, written: Sequence[str]) -> Plus | None:
    """Find out what a ``+`` stands for in the keys of a listing: only one of the two possible keys should exist.

    Args:
        connection: the bucket.
        written: encoded keys with a plus.

    Returns:
        A space, or a plus; None if for no key exactly one of the two exists.

    Raises:
        MalformedPageError: a key is not properly encoded.
    """
    for key in written[:_MAX_TRIES]:
        asked = [connection.ask(Request("HeadObject", "HEAD", decode_key(key, plus)), _exists) for plus in _MEANINGS]
        found: list[Plus] = [plus for plus, one in zip(_MEANINGS, asked, strict=True) if one.result()]
        if len(found) == 1:
            return found[0]
    return None


def _exists(ending: ResponseOrError) -> bool:
    if isinstance(ending, Response):
        return True
    if isinstance(ending, S3RequestError) and ending.status in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
        return False
    raise ending
