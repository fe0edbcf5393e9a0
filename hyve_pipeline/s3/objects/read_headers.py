"""Headers of requests that read an object, and the reading of what comes back changed on the way."""

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import Optional
from hyve_pipeline.s3.connection.server_abilities import CHECKSUM_MODE, ORIGINAL_CODING, READ_CONDITIONS
from hyve_pipeline.s3.wire.messages import Pairs, Response

CHECKSUM_MODE_HEADERS: Pairs = (("x-amz-checksum-mode", "ENABLED"),)

# The first lets a server give what is stored packed as it is; the second keeps it from packing what is not.
_PACKED_CODING: Pairs = (("accept-encoding", "gzip"),)
PLAIN_CODING: Pairs = (("accept-encoding", "identity"),)

# What a request that reads an object can do without: the ETag of its answer is compared in any case.
OPTIONAL_READ_HEADERS = (
    Optional(CHECKSUM_MODE, ("x-amz-checksum-mode",), ("checksum",)),
    Optional(READ_CONDITIONS, ("if-match",), ("if-match", "condition")),
)


def coding_headers(connection: Connection) -> Pairs:
    """The header that lets a server give an object as it is stored.

    Some unpack what is stored with ``Content-Encoding: gzip`` for those who don't say that they take it. Others pack
    what is not, for those who do.
    """
    return PLAIN_CODING if connection.abilities.lacks(ORIGINAL_CODING) else _PACKED_CODING


def condition_headers(etag: str) -> Pairs:
    """The header by which only an object with this ETag, given without quotes, is read."""
    return (("if-match", f'"{etag}"'),)


def is_packed(response: Response) -> bool:
    """Whether an answer says that its content is packed with gzip: as it is stored, or only on the way."""
    return "gzip" in (response.header("content-encoding") or "").lower()


def change_on_the_way(response: Response) -> str:
    """What may have happened to an object of which another number of bytes came: the end of a sentence, or nothing."""
    if is_packed(response):
        return "; it came with Content-Encoding: gzip, so a server on the way may have packed it"
    hints = (response.header("x-goog-stored-content-encoding") or "", response.header("warning") or "")
    if "gzip" in hints[0].lower() or "gunzip" in hints[1].lower() or "214" in hints[1].split():
        return "; it is stored with Content-Encoding: gzip, and the server unpacked it"
    return ""
