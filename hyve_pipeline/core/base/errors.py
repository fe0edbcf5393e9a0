"""Every failure that Hyve reports to the user, each with its exit code.

The exit codes are a contract: 1 some objects failed, 2 wrong usage or configuration, 3 refused by a
safety rule, 4 an inventory could not be completed or a bucket not reached, 130 interrupted.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hyve_pipeline.core.base.codes import in_words
from hyve_pipeline.core.base.keys import displayed

# The user lacks permission, or named an impossible path: the disk itself is in order.
_WRONG_PATH = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}
)


# In the order of the documentation.
EXIT_CODES = {
    0: "done, everything asked for holds",
    1: "some objects failed, or were skipped because they changed; the rest is done, a rerun continues",
    2: "wrong usage or configuration: one line says what and where",
    3: "refused by a safety rule: nothing was deleted",
    4: "an inventory could not be completed, or a bucket not reached: nothing was changed",
    130: "interrupted; what was done is in the journal",
}


class HyveError(Exception):
    """A failure whose message is one complete line: what, where, and what to do."""

    exit_code: int = 1


class ObjectsFailedError(HyveError):
    """Some objects could not be copied or deleted. The rest is done; a rerun resumes."""


class ConfigurationError(HyveError):
    """Wrong usage or configuration; the message names the file, table and key, or the option."""

    exit_code = 2


class RefusedError(HyveError):
    """A safety rule refused the action. Nothing was deleted."""

    exit_code = 3

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"refused by {in_words(rule)}: {detail}")
        self.rule = rule
        self.detail = detail

    def __reduce__(self) -> tuple[Any, ...]:
        # With the original arguments: errors are also pickled between processes.
        return type(self), (self.rule, self.detail), self.__dict__


class BucketError(HyveError):
    """A bucket could not be reached: it is missing, access is denied, or the server does not answer."""

    exit_code = 4


class IncompleteInventoryError(HyveError):
    """A listing could not be proved complete. No plan may be made from it."""

    exit_code = 4


class StateError(HyveError):
    """A file of the home is missing, truncated or altered; the message names it."""

    exit_code = 4


def error_of_system(error: OSError) -> HyveError:
    """The error for an `OSError` that nothing closer to its cause has handled; the message names the file."""
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    text = ": ".join([*map(displayed, names), error.strerror or str(error) or type(error).__name__])
    return ConfigurationError(text) if error.errno in _WRONG_PATH else StateError(text)


@contextmanager
def naming_file(path: Path | str, doing: str, kind: type[HyveError] = ConfigurationError) -> Iterator[None]:
    """A block that works on a file: an `OSError` of it becomes an error that says that it can't be ``written``, say."""
    try:
        yield
    except OSError as error:
        raise kind(f"{displayed(str(path))}: can't be {doing}: {error.strerror or error}") from error


def spill_error(folder: str, error: Exception) -> StateError:
    """The error for a folder of temporary files that takes no more of what exceeds the memory."""
    lines = str(error).splitlines() or [type(error).__name__]
    return StateError(
        f"{displayed(folder)}: temporary data can't be written there: {lines[0]}; "
        "free space there, or set TMPDIR to a folder that has it"
    )


@contextmanager
def spilling_to(folder: str) -> Iterator[None]:
    """A block that writes to a folder of temporary files: an `OSError` of it becomes the error of `spill_error`."""
    try:
        yield
    except OSError as error:
        raise spill_error(folder, error) from error


class InterruptedRunError(HyveError):
    """The user interrupted; what was done before is in the journal."""

    exit_code = 130
