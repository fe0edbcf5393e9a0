import os
import stat
from pathlib import Path

import pytest

from hyve_pipeline.core.runtime.atomic_write import make_folder, open_private, replace_file


def test_readers_of_the_old_file_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        replace_file(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("umask", [0, 0o022, 0o277])
def test_the_mode_is_the_given_one_the_existing_one_or_private(tmp_path: Path, umask: int) -> None:
    existing = tmp_path / "existing"
    existing.touch()
    existing.chmod(0o754)
    old_umask = os.umask(umask)
    try:
        replace_file(existing, b"")
        replace_file(tmp_path / "given", b"", 0o640)
        replace_file(tmp_path / "default", b"")
        make_folder(tmp_path / "outer" / "inner")
        make_folder(tmp_path / "outer" / "inner")
    finally:
        os.umask(old_umask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"existing": 0o754, "given": 0o640, "default": 0o600, "outer": 0o700}
    assert stat.S_IMODE((tmp_path / "outer" / "inner").stat().st_mode) == 0o700


def test_a_file_that_is_appended_to_is_private(tmp_path: Path) -> None:
    old_umask = os.umask(0)
    try:
        for line in ("one\n", "two\n"):
            with open_private(tmp_path / "log", "a") as file:
                file.write(line)
    finally:
        os.umask(old_umask)
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="file"):
        make_folder(tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        make_folder(tmp_path / "file" / "below")


def test_a_failure_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        replace_file(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["folder", "fifo", "device"])
def test_only_regular_files_are_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(os.devnull)
    with pytest.raises(OSError, match="is not a regular file"):
        replace_file(path, b"new")
    assert not path.is_file()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_stays_when_root_writes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    os.chown(path, 12345, 23456)
    replace_file(path, b"new", 0o600)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)
