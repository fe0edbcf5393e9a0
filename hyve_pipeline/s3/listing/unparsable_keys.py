"""Keys that XML can't represent: found in the raw page, so that messages can name them.

Servers should percent-encode the keys of a listing, as requested. If one does not, a parser rejects the page because of
some keys, and misreads others: it must turn a raw carriage return into a newline.
https://www.w3.org/TR/xml/#sec-line-ends
"""

import re
from html import unescape

from hyve_pipeline.s3.wire.xml import fits_in_xml

_KEY = re.compile(rb"<(?:[\w.-]+:)?Key>(.*?)</(?:[\w.-]+:)?Key>", re.DOTALL)

# References to control characters, which `html.unescape` would replace.
_REFERENCE = re.compile("&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));")


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
            return unescape(written)
        key = unescape(_REFERENCE.sub(_character, written))
        if not fits_in_xml(key):
            return key
    return None


def _character(reference: re.Match[str]) -> str:
    number = int(reference[1], 16) if reference[1] else int(reference[2])
    return chr(number) if number <= 0x10FFFF else reference[0]
