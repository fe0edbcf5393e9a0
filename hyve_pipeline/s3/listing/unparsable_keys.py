"""Keys that XML can't represent: found in the raw page, so that messages can name them.

Servers should percent-encode the keys of a listing, as requested. If one does not, a parser rejects the page because of
some keys, and misreads others: it must turn a raw carriage return into a newline.
https://www.w3.org/TR/xml/#sec-line-ends
"""

import re

from hyve_pipeline.s3.wire.xml import fits_in_xml, unescape_text

_KEY = re.compile(rb"<(?:[\w.-]+:)?Key>(.*?)</(?:[\w.-]+:)?Key>", re.DOTALL)


def unparsable_key_problem(body: bytes) -> str | None:
    """The message about the first key of a page that XML can't represent; None if there is none."""
    key = _find(body)
    if key is None:
        return None
    return f"XML can't represent the key {key!r}, and the server does not percent-encode keys (encoding-type=url)"


def _find(body: bytes) -> str | None:
    for found in _KEY.finditer(body):
        written = found[1].decode(errors="replace")
        if "\r" in written:
            return unescape_text(written)
        key = unescape_text(written)
        if not fits_in_xml(key):
            return key
    return None
