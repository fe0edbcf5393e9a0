"""Requests and responses as both transports know them, and how keys are written into them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

Pairs = tuple[tuple[str, str], ...]

# S3 signs the path as it is sent. Everything but these and the unreserved characters is percent-encoded, so
# that no client, proxy or server on the way finds anything to decode, fold or join.
_SAFE_IN_PATH = "/~"

# Most keys need no encoding, and seeing that is ten times as fast as encoding.
_ENCODED_ALREADY = re.compile(r"[A-Za-z0-9/._~-]*")


@dataclass(frozen=True, slots=True)
class Request:
    """One S3 request, not yet signed and without its host.

    Attributes:
        operation: the operation's name in the S3 API, such as ``CopyObject``.
        method: the HTTP method.
        key: the object's key, or None for a request to the bucket.
        query: parameters by name and value, not yet encoded.
        headers: headers beside those that the transport adds (host, date, signature, length).
        body: the body's bytes.
        expected: about how many bytes the answer's body has, where these are many; it may take the longer.
    """

    operation: str
    method: str
    key: str | None = None
    query: Pairs = ()
    headers: Pairs = ()
    body: bytes = b""
    expected: int = 0


@dataclass(frozen=True, slots=True)
class Response:
    """The whole answer to one request.

    Attributes:
        status: the HTTP status.
        headers: names and values as the server sent them.
        body: the body's bytes; empty for a HEAD request.
        sends: how often the request was sent.
    """

    status: int
    headers: Pairs
    body: bytes = b""
    sends: int = 1

    def header(self, name: str) -> str | None:
        """The value of the header of that name, in whatever case, or None."""
        wanted, length = name.lower(), len(name)
        for found, value in self.headers:
            # Lengths first: this runs several times for each object, and nearly all differ.
            if len(found) == length and found.lower() == wanted:
                return value
        return None


def encode_key(key: str) -> str:
    """Percent-encode a key for a path: all bytes but ``/`` and the unreserved characters."""
    return key if _ENCODED_ALREADY.fullmatch(key) else quote(key, safe=_SAFE_IN_PATH)


def encode_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Percent-encode parameters, spaces as ``%20``, in the order of their names as signing wants it."""
    return urlencode(sorted(pairs), quote_via=quote, safe="~")


def copy_source(bucket: str, key: str) -> str:
    """The value of ``x-amz-copy-source`` for an object."""
    return f"{bucket}/{encode_key(key)}"
