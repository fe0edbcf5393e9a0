"""What cuts a command short is one line, and no code that means that nothing was changed."""

import errno
import os

import pytest

from hyve_pipeline.cli.exit_code import changed_error
from hyve_pipeline.cli.failures import known_error, say_failure
from hyve_pipeline.core.base.errors import (
    BucketError,
    ConfigurationError,
    HyveError,
    InterruptedRunError,
    RefusedError,
    StateError,
)

_FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/spill")


@pytest.mark.parametrize(
    ("error", "unchanged", "changed"),
    [
        (BucketError("x"), 4, 1),
        (StateError("x"), 4, 1),
        (ConfigurationError("x"), 2, 1),
        (_FULL, 4, 1),
        (ValueError("x"), 1, 1),
        (HyveError("x"), 1, 1),
        (RefusedError("rule", "x"), 3, 3),
        (InterruptedRunError("x"), 130, 130),
        (KeyboardInterrupt(), 130, 130),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_the_code_of_a_failure_after_changes(
    error: Exception | KeyboardInterrupt, unchanged: int, changed: int
) -> None:
    assert changed_error(error, lambda: False).exit_code == unchanged
    told = changed_error(error, lambda: True)
    assert told.exit_code == changed
    assert ("what was done before is in the journal" in str(told)) == (unchanged in (2, 4))


def test_a_failure_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say_failure("a server's\nown words \x1b[2J" + "!" * 9_000)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("hyve: a server's own words \\x1b[2J!!!")
    assert len(line) < 8_100


@pytest.mark.parametrize("reason", ["", "malloc of size 64 failed"])
def test_too_little_memory_is_said_in_words(reason: str) -> None:
    told = str(known_error(MemoryError(reason)))
    assert told.startswith("not enough memory: ")
    assert reason in told
