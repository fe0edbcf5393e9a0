"""The token that opens the UI. It gives all rights that the owner of the home has there."""

import os
import re
import secrets
import stat
from pathlib import Path
from urllib.parse import urlencode

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, replace_file

TOKEN_PARAMETER = "token"  # noqa: S105 - a name

_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_FILE = "ui.token"


def token_file(home: Path) -> Path:
    """Where a home's token is."""
    return home / _FILE


def access_token(home: Path) -> str:
    """The home's token, created if there is none yet.

    It is saved, so that open pages continue to work after a restart of the UI. A damaged token, or one that other users
    could have read, is replaced.

    Raises:
        StateError: it can't be saved.
    """
    path = token_file(home)
    try:
        found = _read(path)
        if found is None:
            found = secrets.token_urlsafe(_BYTES)
            replace_file(path, found.encode(), FILE_MODE)
    except OSError as error:
        raise StateError(f"{path}: can't hold the UI's token: {error.strerror}") from error
    return found


def _read(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.getuid():
            return None
        text = file.read(100)
    return text if _TOKEN.fullmatch(text) else None


def opening_url(url: str, token: str) -> str:
    """The URL that opens the UI in a browser, from the UI's own URL."""
    return f"{url}/?{urlencode({TOKEN_PARAMETER: token})}"


def bearer(token: str) -> dict[str, str]:
    """The header with which a program sends the token."""
    return {"Authorization": f"Bearer {token}"}
