"""The token that opens the UI: whoever has it can do there what the owner of the home can."""

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


def access_token(home: Path) -> str:
    """The home's token, made when there is none yet.

    It is kept, so that a page that is open goes on after the UI was started again. One that others could have read, or
    that is damaged, is replaced.

    Raises:
        StateError: it can't be kept.
    """
    path = home / _FILE
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
    """The URL that opens the UI in a browser: `url` is that of the UI."""
    return f"{url}/?{urlencode({TOKEN_PARAMETER: token})}"


def bearer(token: str) -> dict[str, str]:
    """The header by which a program shows the token."""
    return {"Authorization": f"Bearer {token}"}
