"""The user's web browser."""

import os
import sys
import webbrowser
from pathlib import Path


def has_display() -> bool:
    """Whether there is a desktop: without one, a text browser might use the terminal."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def show_file(path: Path) -> str | None:
    """Show a file in the web browser, the one in the environment variable ``BROWSER`` first.

    Returns:
        Why it can't be shown; None if it is.
    """
    if not has_display() and not os.environ.get("BROWSER"):
        return "there is no display here"
    return None if webbrowser.open(path.absolute().as_uri()) else "no web browser was found"
