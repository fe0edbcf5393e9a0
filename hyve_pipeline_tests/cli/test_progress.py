"""Bars and lines of progress, without any run."""

import os
import pty
import re
import sys
import termios
import threading
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path

import pytest

from hyve_pipeline.cli.progress import showing_progress
from hyve_pipeline.core.runtime.progress import expect, report
from hyve_pipeline_tests.children import blocks_of


def _work() -> None:
    report("list source", 1000, 5_000_000)
    report("list source", 500, 2_500_000)
    expect("copy", 30, 3000)
    expect("copy", 10, 1000)
    for _ in range(40):
        report("copy", 1, 100)


def _shown(monkeypatch: pytest.MonkeyPatch, descriptor: int) -> None:
    """Do the work with a standard error of that descriptor."""
    with TextIOWrapper(os.fdopen(os.dup(descriptor), "wb", buffering=0), write_through=True) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with showing_progress("images"):
            _work()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What a terminal is shown, 100 columns wide."""

    def show() -> str:
        master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 100))
        written: list[bytes] = []
        # A terminal buffers only a limited amount until it is read.
        reader = threading.Thread(target=lambda: written.extend(blocks_of(master)))
        reader.start()
        try:
            _shown(monkeypatch, slave)
        finally:
            os.close(slave)
            reader.join()
            os.close(master)
        return b"".join(written).decode()

    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    return show


def _without_controls(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def _has_colours(text: str) -> bool:
    return re.search(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|9[0-7])", text) is not None


def test_a_bar_has_objects_bytes_rate_and_time(terminal: Callable[[], str]) -> None:
    written = terminal()
    assert _has_colours(written)
    lines = _without_controls(written).replace("\r", "\n").splitlines()
    listing = [line for line in lines if line.startswith("list source")][-1]
    copy = [line for line in lines if line.startswith("copy")][-1]
    assert "1500" in listing
    assert "7.5 MB" in listing
    assert "40/40" in copy
    assert "4.0 kB" in copy
    assert "/s" in copy
    assert re.search(r"\d:\d\d", copy)


def test_a_bar_fits_into_a_narrow_terminal(terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = _without_controls(terminal()).replace("\r", "\n").splitlines()
    assert max(map(len, lines)) <= 60


def test_no_colours_where_they_are_not_wanted(terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    written = terminal()
    assert "40/40" in _without_controls(written)
    assert not _has_colours(written)


def test_a_dumb_terminal_gets_lines(terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    written = terminal()
    assert "\x1b" not in written
    assert "images: copy: 40 of 40 objects, 4.0 kB" in written


def test_a_file_gets_a_line_for_each_activity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "err").open("w+") as file:
        _shown(monkeypatch, file.fileno())
        file.seek(0)
        assert file.read().splitlines() == [
            "images: list source: 1,500 objects, 7.5 MB",
            "images: copy: 40 of 40 objects, 4.0 kB",
        ]


def test_progress_ends_with_its_block(terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal()
    # The reader has gone: nothing may fail, and nothing may be written to a closed stream.
    _work()
