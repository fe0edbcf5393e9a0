"""What is wrong with AWS credentials, in one line: botocore says it in many ways, not always as an error of its own."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import Session

from hyve_pipeline.s3.connection.transport import RenewalError

# What botocore lets through when a program or a file does not give what it should; the last, when it gives temporary
# keys that have expired.
MALFORMED = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)

# A program that gives credentials may say anything on its standard error.
_MOST_CHARACTERS = 500


def cause_of(error: Exception) -> str:
    """Why credentials can't be used, from whatever was raised when they were asked for."""
    if isinstance(error, json.JSONDecodeError):
        text = f"the output of its credential_process is no JSON ({error})"
    elif isinstance(error, UnicodeDecodeError):
        text = "the output of its credential_process, or a file, is not UTF-8"
    elif isinstance(error, OSError) and error.filename is not None:
        text = f"{os.fsdecode(error.filename)}: {error.strerror}"
    elif isinstance(error, TypeError | AttributeError):
        text = "the output of its credential_process, or a cached token, is JSON of another form"
    elif isinstance(error, KeyError):
        text = f"{error} is missing"
    else:
        text = str(error) or type(error).__name__
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]}…"


def is_of_role(error: Exception) -> bool:
    """Whether STS refused to let a role be assumed."""
    cause = error.__cause__ if isinstance(error, RenewalError) else error
    return isinstance(cause, ClientError) and cause.operation_name == "AssumeRole"


def missing_terminal(session: Session) -> str | None:
    """The profile whose role asks for an MFA code, where there is no terminal to ask for it; else None.

    botocore would ask standard input, and write several lines about that.
    """
    profiles: Mapping[str, Mapping[str, Any]] = session.full_config.get("profiles", {})
    name: str = session.profile or "default"
    seen: set[str] = set()
    while name in profiles and name not in seen:
        seen.add(name)
        if "role_arn" in profiles[name] and "mfa_serial" in profiles[name]:
            return None if _has_terminal() else name
        name = str(profiles[name].get("source_profile"))
    return None


def unreadable_file(session: Session) -> str | None:
    """The first of the user's AWS files that is there and can't be read, as botocore silently passes it over."""
    for variable in ("credentials_file", "config_file"):
        named = str(session.get_config_variable(variable))
        path = Path(os.path.expanduser(os.path.expandvars(named)))  # noqa: PTH111 - which raises without a home
        try:
            if path.is_file():
                path.open("rb").close()
        except OSError as error:
            return f"{path}: can't be read: {error.strerror}"
    return None


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return sys.stdin is not None and sys.stdin.isatty()
    return True
