"""The standard streams of a command: there, whatever started it, and no failure when nobody reads them any more."""

import io
import os
import sys
from typing import Any

from hyve_pipeline.core.base.errors import HyveError

# Whether the command ends when nobody reads its output; set by `end_with_reader`.
_ends_with_reader = False


class ReaderGoneError(Exception):
    """Nobody reads standard output any more, and the command is only there to print."""


class _Pipe(io.FileIO):
    """A standard stream that drops what is written once its reader has gone, as that of ``hyve sync | head`` does.

    What a command does to a bucket must neither stop nor fail for that reason.
    """

    def __init__(self, descriptor: int, *, is_output: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._is_output = is_output

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            self._drop_the_rest()
            if self._is_output and _ends_with_reader:
                raise ReaderGoneError from None
        except OSError as error:
            self._drop_the_rest()
            if self._is_output:
                # Not an exit code that means that nothing was changed: the work may be done.
                raise HyveError(f"standard output can't be written: {error.strerror}") from None
        return len(memoryview(data))

    def _drop_the_rest(self) -> None:
        """Let what is still buffered, and Python's flush at the end, not fail again."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def open_streams() -> None:
    """Set up the standard streams of this process for a command."""
    _open_missing()
    sys.stdout = _forgiving(1, is_output=True)
    sys.stderr = _forgiving(2, is_output=False)


def end_with_reader(*, ends: bool) -> None:
    """Set whether this command ends as soon as nobody reads its standard output, instead of working on."""
    global _ends_with_reader
    _ends_with_reader = ends


def _forgiving(descriptor: int, *, is_output: bool) -> io.TextIOWrapper:
    pipe = _Pipe(descriptor, is_output=is_output)
    return io.TextIOWrapper(
        io.BufferedWriter(pipe),
        encoding=(sys.stdout if is_output else sys.stderr).encoding,
        # Bad names in messages are shown as they are, escaped by Python's own rule, rather than crash the print.
        errors="backslashreplace",
        line_buffering=not is_output or pipe.isatty(),
    )


def _open_missing() -> None:
    """Open the standard streams that are closed: some schedulers start processes without them.

    Otherwise the next opened file would get the number of standard output or error, and messages would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
