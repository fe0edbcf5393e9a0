"""A `hyve ui` that does not come to run. How one ends that did is checked wherever one runs, see `running_ui`."""

import time
from pathlib import Path

import pytest

from hyve_pipeline_tests.pages import write_home
from hyve_pipeline_tests.processes import descendants, living_after, start_hyve
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
