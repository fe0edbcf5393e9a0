"""Requests and responses, the same for both transports, and how keys are encoded in them."""

import string
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, urlencode

Pairs = tuple[tuple[str, str], ...]

# The signature covers the path as it is sent. Everything but these and the unreserved characters is percent-encoded,
# so that no client, proxy or server on the way normalises anything.
_SAFE_IN_PATH = "/~"

# The bytes that need no encoding. Most keys have no others, and that is checked ten times as fast as they are encoded.
_PLAIN = (string.ascii_letters + string.digits + "/._~-").encode()


class Request(NamedTuple):
    """One S3 request, unsigned and without host.

    Attributes:
        operation: the operation's name in the S3 API, such as ``CopyObject``.
        method: the HTTP method.
        key: the object's key, or None for a request to the bucket.
        query: parameters by name and value, not yet encoded.
        headers: headers, without those that the transport adds (host, date, signature, length).
        body: the body.
        expected: the approximate size of a large answer's body in bytes, so that it gets more time.
    """

    operation: str
    method: str
    key: str | None = None
    query: Pairs = ()
    headers: Pairs = ()
    body: bytes = b""
    expected: int = 0


class Response(NamedTuple):
    """The complete answer to one request.

    Attributes:
        status: the HTTP status.
        headers: names and values as the server sent them.
        body: the body; empty for a HEAD request.
        sends: how often the request was sent.
    """

    status: int
    headers: Pairs
    body: bytes = b""
    sends: int = 1

    def header(self, name: str) -> str | None:
        """The value of a header, whose name is not case-sensitive, or None."""
        wanted, length = name.lower(), len(name)
        for found, value in self.headers:
            # Lengths first: this runs several times for each object, and nearly all lengths differ.
            if len(found) == length and found.lower() == wanted:
                return value
        return None


def encode_key(key: str) -> str:
    """Percent-encode a key for a path: all bytes but ``/`` and the unreserved characters."""
    return quote(key, safe=_SAFE_IN_PATH) if key.encode().translate(None, _PLAIN) else key


def encode_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Percent-encode parameters, spaces as ``%20``, sorted by name as signing requires."""
    return urlencode(sorted(pairs), quote_via=quote, safe="~")


def copy_source(bucket: str, key: str, version_id: str | None = None) -> str:
    """The value of ``x-amz-copy-source`` for an object, or for one version of it."""
    source = f"{bucket}/{encode_key(key)}"
    return source if version_id is None else f"{source}?versionId={quote(version_id, safe='')}"
