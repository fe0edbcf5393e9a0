"""Headers of requests that read an object, and content that a server or proxy compresses or decompresses."""

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import Optional
from hyve_pipeline.s3.connection.server_abilities import CHECKSUM_MODE, ORIGINAL_CODING, READ_CONDITIONS
from hyve_pipeline.s3.wire.messages import Pairs, Response

CHECKSUM_MODE_HEADERS: Pairs = (("x-amz-checksum-mode", "ENABLED"),)

# The first allows a server to send gzip content as it is stored; the second forbids it to compress other content.
_GZIP_CODING: Pairs = (("accept-encoding", "gzip"),)
PLAIN_CODING: Pairs = (("accept-encoding", "identity"),)

# Optional headers of requests that read an object: the ETag of the answer is checked in any case.
OPTIONAL_READ_HEADERS = (
    Optional(CHECKSUM_MODE, ("x-amz-checksum-mode",), ("checksum",)),
    Optional(READ_CONDITIONS, ("if-match",), ("if-match", "condition")),
)


def coding_headers(connection: Connection) -> Pairs:
    """The header with which a server sends an object as it is stored.

    Some servers decompress what is stored with ``Content-Encoding: gzip`` unless the request accepts it. Others
    compress other content if the request accepts it.
    """
    return PLAIN_CODING if connection.abilities.lacks(ORIGINAL_CODING) else _GZIP_CODING


def condition_headers(etag: str) -> Pairs:
    """The condition that the object must have this ETag, given without quotes."""
    return (("if-match", f'"{etag}"'),)


def is_gzip(response: Response) -> bool:
    """Whether the content of an answer has the coding gzip: as it is stored, or compressed by a server or proxy."""
    return "gzip" in (response.header("content-encoding") or "").lower()


def transcoding_hint(response: Response) -> str:
    """Why an answer may have another number of bytes than the object: the end of a sentence, or empty."""
    if is_gzip(response):
        return "; it came with Content-Encoding: gzip, so a proxy may have compressed it"
    hints = (response.header("x-goog-stored-content-encoding") or "", response.header("warning") or "")
    if "gzip" in hints[0].lower() or "gunzip" in hints[1].lower() or "214" in hints[1].split():
        return "; it is stored with Content-Encoding: gzip, and the server decompressed it"
    return ""
