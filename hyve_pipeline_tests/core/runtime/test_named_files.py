import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyve_pipeline.core.runtime.named_files import open_named, read_named


def test_a_file_is_read_by_its_name_or_by_a_link(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content\n")
    (tmp_path / "link").symlink_to(file)
    assert read_named(tmp_path / "link", 8) == b"content\n"
    with open_named(file) as opened:
        assert os.get_blocking(opened.fileno())
        assert list(opened) == [b"content\n"]


def test_what_is_no_file_is_neither_waited_for_nor_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    problems = {}
    for name in ("pipe", "device", ".", "dangling"):
        with pytest.raises(OSError, match=r"\w") as caught:
            read_named(tmp_path / name)
        assert caught.value.filename == str(tmp_path / name)
        problems[name] = caught.value.strerror
    assert problems == {
        "pipe": "is a named pipe, not a file",
        "device": "is a device, not a file",
        ".": "Is a directory",
        "dangling": "No such file or directory",
    }


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    os.truncate(file, 2**40)
    with pytest.raises(OSError, match="is larger than 16 MiB"):
        read_named(file)


def test_the_pipe_of_a_shell_is_read_when_its_writer_is_slow() -> None:
    script = "import sys; from pathlib import Path; from hyve_pipeline.core.runtime.named_files import read_named\n"
    script += "print(read_named(Path(sys.argv[1])))"
    command = 'exec "$0" -c "$1" <(sleep 0.3; echo key)'
    finished = subprocess.run(
        ["bash", "-c", command, sys.executable, script], capture_output=True, text=True, timeout=60, check=True
    )
    assert finished.stdout == "b'key\\n'\n"
