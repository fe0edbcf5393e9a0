"""Keeps the CRT from writing to standard error what it can't read: headers that are not UTF-8.

It ends the request, which the other transport then sends; Python would print the exception besides, in several lines.
"""

import sys
from typing import Any

_others = sys.unraisablehook


def hide_unreadable_headers() -> None:
    """Let Python pass over such exceptions from now on; whatever else is unraisable is reported as before."""
    global _others
    if sys.unraisablehook is not _report:
        _others, sys.unraisablehook = sys.unraisablehook, _report


def _report(unraisable: Any) -> None:
    is_of_request = type(unraisable.object).__module__ == "awscrt.s3"
    if not (is_of_request and isinstance(unraisable.exc_value, UnicodeDecodeError)):
        _others(unraisable)
