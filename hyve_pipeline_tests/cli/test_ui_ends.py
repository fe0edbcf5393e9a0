"""How `hyve ui` begins and ends."""

import signal
import time
from pathlib import Path

import pytest

from hyve_pipeline_tests.pages import running_ui, write_home
from hyve_pipeline_tests.processes import descendants, living, living_after, start_hyve
from hyve_pipeline_tests.syncs import Hyve

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc"),
    pytest.mark.timeout(300),
]

_NO_SERVER = "http://127.0.0.1:9"
_PATIENCE = 60


def test_a_missing_configuration_is_one_line(tmp_path: Path, hyve: Hyve) -> None:
    result = hyve("ui", "--no-browser", "--home", str(tmp_path / "nowhere"))
    assert result.code == 2
    assert str(tmp_path / "nowhere" / "hyve.toml") in result.only_line
    assert not (tmp_path / "nowhere").exists()


def test_a_wrong_configuration_is_one_line(tmp_path: Path, hyve: Hyve) -> None:
    (tmp_path / "hyve.toml").write_text("[sync.images.source]\nbukket = 'in'\n")
    result = hyve("ui", "--no-browser", "--home", str(tmp_path))
    assert result.code == 2
    assert "bukket" in result.only_line


def test_a_browser_is_shown_a_file_that_leads_there_and_ctrl_c_is_the_normal_end(tmp_path: Path) -> None:
    """The arguments of a browser can be read by every user of the machine.

    Ctrl-C ends it also from a script's background, where SIGINT is ignored at first; and with `DAGSTER_HOME` of one's
    own.
    """
    home, shown = tmp_path / "home", tmp_path / "shown"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {shown}.new\nmv {shown}.new {shown}\n')
    browser.chmod(0o700)
    variables = write_home(home, _NO_SERVER) | {"BROWSER": str(browser), "DAGSTER_HOME": str(tmp_path / "dagster")}
    with running_ui(
        home, variables, "--browser", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    ) as page:
        deadline = time.monotonic() + _PATIENCE
        while not shown.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        file = home / "ui.html"
        assert shown.read_text().strip() == file.as_uri()
        assert file.stat().st_mode & 0o777 == 0o600
        assert page.opening_url in file.read_text()
        children = descendants(page.process.pid)
        assert len(living(children)) >= 3, "web server, daemon and code server"
        page.process.send_signal(signal.SIGINT)
        output, errors = page.process.communicate(timeout=_PATIENCE)
        assert page.process.returncode == 0
        assert output == ""
        assert "Traceback" not in errors
        assert not living_after(children, 10)
        assert not file.exists()
    assert (tmp_path / "dagster" / "history").is_dir()
    assert not (home / "dagster").exists()


def _is_dagster(pid: int) -> bool:
    try:
        return b"dagster" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_can_be_ended_while_it_starts(tmp_path: Path) -> None:
    variables = write_home(tmp_path / "home", _NO_SERVER)
    process = start_hyve("ui", "--port", "0", "--no-browser", variables=variables)
    deadline = time.monotonic() + _PATIENCE
    # Libraries have small children of their own while they are loaded.
    while not any(map(_is_dagster, children := descendants(process.pid))) and time.monotonic() < deadline:
        time.sleep(0.05)
    children |= descendants(process.pid)
    process.terminate()
    output, _ = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0
    assert output == ""
    assert children
    assert not living_after(children, 10)
