"""Keys that are legal in S3 and that careless clients change, drop or refuse."""

import re

from hypothesis import strategies as st

# Keys that XML 1.0 can carry, if only as character references.
XML_KEYS = (
    "data++1",
    "☃☃👪",
    "a//b",
    "/lead",
    "//two",
    "slash///",
    "dir/",
    "dir2/",
    "no\u00a0break",
    "direction\u200emark",
    "narrow\u202fspace",
    "tab\there",
    "new\nline",
    "carriage\rreturn",
    "both\r\nends",
    " leading and trailing ",
    "../up",
    "x/../y",
    "..",
    ".",
    "./z",
    "a/./b",
    "trail/.",
    "a%20b",
    "%2F",
    "%",
    "a b",
    "a+b",
    "u\u0308",
    "\u00fc",
    "\U0001f600",
    "query?x=1&y",
    "#hash",
    "a=b;c,d:e@f",
    "back\\slash",
    "<&>\"'",
    "]]>",
    "~tilde",
    "*star",
    "\x7fdelete",
    "\u0085next\u2028line",
    "'single' `back`",
    "a|b",
    "dir/with content",
    "\ufeffmark",
    "\uff5e before \U0001f600 by bytes, after it by UTF-16",
    "\U0010fffd",
    "%0D%0A",
    "a%2Fb",
    "&#13;&amp;",
)

# Keys that XML 1.0 can't carry in any form.
CONTROL_KEYS = ("control\x01", "\x1besc", "not a character \uffff", "nul\x00", "\x0b\x0c", "\x1f", "nor this \ufffe")

ODD_KEYS = XML_KEYS + CONTROL_KEYS

# The most UTF-8 bytes that S3 allows a key.
MOST_BYTES = 1024

_ANY_CHARACTER = st.characters(exclude_categories=["Cs"])

# Where clients, proxies, file systems, parsers and terminals go wrong.
_TROUBLE = st.sampled_from(
    [
        *("/", "//", ".", "..", "/./", "/../", "%", "%2F", "%00", "+", " ", "&", "?", "#", "=", ";", "\\", '"', "'"),
        *("<", ">", "]]>", "&amp;", "&#13;", "\t", "\n", "\r", "\r\n", "\x00", "\x01", "\x0b", "\x1b[2J", "\x7f"),
        *("\x85", "\xa0", "\u0308", "\u00fc", "u\u0308", "\u200e", "\u2028", "\u202e", "\ufeff", "\ufffd", "\ufffe"),
        *("\uffff", "\uff5e", "\U0001f600", "\U0010ffff", "a", "k" * 255, "\u6f22" * 100),
    ]
)


def _cut(key: str) -> str:
    """The key's beginning that fits into 1,024 bytes."""
    return key.encode()[:MOST_BYTES].decode(errors="ignore")


# Any key that S3 allows: Unicode without surrogates, 1 to 1,024 bytes in UTF-8.
LEGAL_KEYS = (
    st.text(_ANY_CHARACTER, min_size=1, max_size=40)
    | st.lists(_TROUBLE | st.text(_ANY_CHARACTER, min_size=1, max_size=5), min_size=1, max_size=12)
    .map("".join)
    .map(_cut)
    | st.text(_ANY_CHARACTER, min_size=1, max_size=3).map(lambda text: _cut(text * MOST_BYTES))
    | st.sampled_from(ODD_KEYS)
)

# Those that XML 1.0 can carry. https://www.w3.org/TR/xml/#charsets
XML_LEGAL_KEYS = LEGAL_KEYS.filter(lambda key: re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", key) is None)
