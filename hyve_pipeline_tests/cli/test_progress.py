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

from hyve_pipeline.cli.output import warn
from hyve_pipeline.cli.progress import showing_progress
from hyve_pipeline.core.runtime.progress import end, estimate, expect, report
from hyve_pipeline_tests.children import blocks_of


def _work() -> None:
    estimate("list source", 1600)
    report("list source", 1000, 5_000_000)
    report("list source", 500, 2_500_000)
    end("list source", 1502, 7_510_000)
    report("compare", 42, 0)
    end("compare")
    expect("copy", 30, 3000)
    expect("copy", 10, 1000)
    for _ in range(40):
        report("copy", 1, 100)
    end("copy", failed=2)
    expect("delete", 5, 50)
    report("delete", 2, 20)


_ENCODING = "utf-8"


def _shown(monkeypatch: pytest.MonkeyPatch, descriptor: int) -> None:
    """Do the work with a standard error of that descriptor."""
    with TextIOWrapper(os.fdopen(os.dup(descriptor), "wb", buffering=0), _ENCODING, write_through=True) as stream:
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


def _last_frame(written: str) -> list[str]:
    """The lines that a terminal shows at last."""
    lines = _without_controls(written).replace("\r", "\n").splitlines()
    return [next(line for line in reversed(lines) if name in line) for name in _NAMES]


_NAMES = ("list source", "compare", "copy", "delete")


def test_what_is_done_has_a_mark_and_its_last_figures(terminal: Callable[[], str]) -> None:
    written = terminal()
    assert _has_colours(written)
    listing, compare, copy, delete = _last_frame(written)
    assert re.fullmatch(r"✓ list source ━+ +1,502 +7\.5 MB 0:00 *", listing)
    assert re.fullmatch(r"✓ compare +━+ +42 keys +0:00 *", compare)
    assert re.fullmatch(r"! copy +━+ +40/40 +4\.0 kB 0:00 2 failed *", copy)
    # Cut short, with the command.
    assert re.fullmatch(r"■ delete +[━╸╺]+ +2/5 20 B/50 B 0:00 *", delete)


@pytest.mark.parametrize("columns", [200, 120, 80, 62, 40, 22, 12])
def test_bars_fit_into_the_terminal(columns: int, terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    written = terminal()
    # A terminal shows "^C" behind the last line.
    assert max(map(len, _without_controls(written).replace("\r", "\n").splitlines())) <= columns - 2
    copy = _last_frame(written)[2] if columns >= 22 else ""
    assert ("40/40" in copy) == (columns >= 22)
    assert ("━" in copy) == (columns >= 62)


def test_a_terminal_without_unicode_gets_other_marks(
    terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}._ENCODING", "ascii")
    written = terminal()
    assert written.isascii()
    assert [line[0] for line in _last_frame(written)] == ["+", "+", "!", "-"]


def test_a_warning_gets_a_line_of_its_own_above_the_bars(
    terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}._work", lambda: warn("warning: 2 overwrites can't be undone"))
    lines = _without_controls(terminal()).replace("\r", "\n").splitlines()
    assert "warning: 2 overwrites can't be undone" in [line.strip() for line in lines]


@pytest.mark.parametrize(("keys", "shown"), [(1, "1 key"), (2, "2 keys")])
def test_one_key_is_no_keys(
    keys: int, shown: str, terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}._work", lambda: (report("compare", keys, 0), end("compare")))
    assert f" {shown} " in _without_controls(terminal())


def test_no_colours_where_they_are_not_wanted(terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    written = terminal()
    assert "40/40" in _without_controls(written)
    assert not _has_colours(written)


def test_a_dumb_terminal_gets_lines(terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    written = terminal()
    assert "\x1b" not in written
    assert "images: copy: 40 of 40 objects, 4.0 kB, 2 failed" in written


def test_a_file_gets_a_line_for_each_activity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "err").open("w+") as file:
        _shown(monkeypatch, file.fileno())
        file.seek(0)
        assert file.read().splitlines() == [
            "images: list source: 1,502 objects, 7.5 MB",
            "images: compare: 42 keys",
            "images: copy: 40 of 40 objects, 4.0 kB, 2 failed",
            "images: delete: 2 of 5 objects, 20 B of 50 B",
        ]


def test_what_did_nothing_before_it_was_cut_short_gets_no_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "err").open("w+") as file:
        monkeypatch.setattr(sys, "stderr", file)
        with showing_progress("images"):
            report("list source", 0, 0)
            report("list store", 0, 0)
            end("list store", 0, 0)
        file.seek(0)
        assert file.read().splitlines() == ["images: list store: 0 objects"]


def _list_in_vain() -> None:
    with showing_progress("images"):
        report("list source", 0, 0)
        end("list store", 0, 0)
        raise ValueError("the source can't be listed")


def test_an_empty_bucket_is_no_progress_where_the_command_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "err").open("w+") as file:
        monkeypatch.setattr(sys, "stderr", file)
        with pytest.raises(ValueError, match="the source"):
            _list_in_vain()
        with showing_progress("films"):
            end("list store", 0, 0)
            end("list source", 3, 0)
        file.seek(0)
        assert file.read().splitlines() == ["films: list store: 0 objects", "films: list source: 3 objects"]


def test_progress_ends_with_its_block(terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal()
    # The reader has gone: nothing may fail, and nothing may be written to a closed stream.
    _work()
