"""Keys that a server's XML does not carry: found on the page as it is written, so that they can be named.

Asked for it, servers percent-encode the keys of a listing. One that does not writes some keys so that no parser takes
the page, and some so that a parser reads another key: it has to turn a raw carriage return into a newline.
https://www.w3.org/TR/xml/#sec-line-ends
"""

import re
from html import unescape

from hyve_pipeline.s3.wire.xml import fits_in_xml

_KEY = re.compile(rb"<(?:[\w.-]+:)?Key>(.*?)</(?:[\w.-]+:)?Key>", re.DOTALL)

# References to control characters, which `html.unescape` would replace.
_REFERENCE = re.compile("&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));")


def find_untellable_key(body: bytes) -> str | None:
    """The first key on a page that XML can't carry as it is written there; None where there is none."""
    for found in _KEY.finditer(body):
        written = found[1].decode(errors="replace")
        if "\r" in written:
            return unescape(written)
        key = unescape(_REFERENCE.sub(_character, written))
        if not fits_in_xml(key):
            return key
    return None


def untellable(key: str) -> str:
    """What a message says of such a key."""
    return f"XML can't carry the key {key!r}, and the server does not percent-encode keys (encoding-type=url)"


def _character(reference: re.Match[str]) -> str:
    number = int(reference[1], 16) if reference[1] else int(reference[2])
    return chr(number) if number <= 0x10FFFF else reference[0]
