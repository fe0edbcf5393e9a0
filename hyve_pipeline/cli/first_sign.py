"""Shows at once, on a terminal, that a command has begun: what it needs takes a moment to load."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from hyve_pipeline.cli.modes import is_quiet

# Ends at the beginning of its line, so that whatever is printed next takes its place.
_SIGN = "hyve …"
_ERASE_LINE = "\r\x1b[K"

_is_shown = False


def with_sign(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with a sign on the terminal from its first moment until it prints something."""

    @wraps(command)
    def shown(*arguments: Any, **options: Any) -> Any:
        _show_sign()
        try:
            return command(*arguments, **options)
        finally:
            hide_sign()

    return shown


def _show_sign() -> None:
    global _is_shown
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not is_quiet():
        can_encode = (sys.stderr.encoding or "").lower().startswith("utf")
        sys.stderr.write((_SIGN if can_encode else "hyve ...") + "\r")
        sys.stderr.flush()
        _is_shown = True


def hide_sign() -> None:
    """Take the sign away, before anything else is printed; do nothing where there is none."""
    global _is_shown
    if _is_shown:
        _is_shown = False
        sys.stderr.write(_ERASE_LINE)
        sys.stderr.flush()
