"""When two ETags are equal.

An ETag is opaque, with one exception: an MD5, or the ETag of a multipart upload that is derived from MD5s, is
hexadecimal. Some servers write it in upper case, others in lower case. Such ETags are compared case-insensitively, and
sent as received.
"""

import re

# The regular expression of the ETags that say what the content is.
HEX_ETAG_PATTERN = "[0-9a-fA-F]{32}(-[0-9]+)?"
_MD5 = re.compile(HEX_ETAG_PATTERN)


def same_etag(left: str | None, right: str | None) -> bool:
    """Whether two ETags, without quotes, are equal; None, for no object, equals only None."""
    if left == right:
        return True
    if left is None or right is None or left.lower() != right.lower():
        return False
    return _MD5.fullmatch(left) is not None


def differing_etags(left: str, right: str) -> str:
    """The SQL condition that two ETags differ, by the rule of `same_etag`; null where one of them is null.

    Args:
        left: the SQL expression of one ETag.
        right: that of the other.
    """
    is_opaque = f"NOT regexp_full_match({left}, '{HEX_ETAG_PATTERN}')"
    return f"({left} <> {right} AND (lower({left}) <> lower({right}) OR {is_opaque}))"
