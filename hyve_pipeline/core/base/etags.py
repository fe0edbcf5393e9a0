"""When two ETags say the same.

An ETag is opaque, with one exception: an MD5, or the MD5 of an upload in parts, is a number in hexadecimal digits,
which some servers write in upper case and others in lower case. ETags are compared without case then, and sent as they
came.
"""

import re

_PATTERN = "[0-9a-fA-F]{32}(-[0-9]+)?"
_MD5 = re.compile(_PATTERN)


def same_etag(left: str | None, right: str | None) -> bool:
    """Whether two ETags, without quotes, are the same; None, for no object, is the same as None alone."""
    if left == right:
        return True
    if left is None or right is None or left.lower() != right.lower():
        return False
    return _MD5.fullmatch(left) is not None


def differing_etags(left: str, right: str) -> str:
    """The SQL condition that two ETags are not the same, as `same_etag` says; null where one of them is null.

    Args:
        left: the SQL expression of one ETag.
        right: that of the other.
    """
    is_opaque = f"NOT regexp_full_match({left}, '{_PATTERN}')"
    return f"({left} <> {right} AND (lower({left}) <> lower({right}) OR {is_opaque}))"
