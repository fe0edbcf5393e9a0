"""Finding out what a ``+`` in an encoded key stands for, where the page does not show it: by asking for the keys."""

from collections.abc import Sequence
from http import HTTPStatus

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.transport import Ending
from hyve_pipeline.s3.listing.key_encoding import Plus, decode_key
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Request, Response

# A key may be gone since it was listed, or there may be one of either kind.
_MOST_ASKED = 5

_MEANINGS: tuple[Plus, ...] = (" ", "+")


def settle_plus(connection: Connection, written: Sequence[str]) -> Plus | None:
    """Find out what a ``+`` stands for in keys that a server lists: that of the two keys which is there shows it.

    Args:
        connection: the bucket.
        written: keys with a plus, as they are written.

    Returns:
        A space, or a plus; None where both or neither are there, whichever key is asked for.

    Raises:
        MalformedPageError: a key is not properly encoded.
    """
    for key in written[:_MOST_ASKED]:
        asked = [connection.ask(Request("HeadObject", "HEAD", decode_key(key, plus)), _exists) for plus in _MEANINGS]
        found: list[Plus] = [plus for plus, one in zip(_MEANINGS, asked, strict=True) if one.result()]
        if len(found) == 1:
            return found[0]
    return None


def _exists(ending: Ending) -> bool:
    if isinstance(ending, Response):
        return True
    if isinstance(ending, S3RequestError) and ending.status in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
        return False
    raise ending
