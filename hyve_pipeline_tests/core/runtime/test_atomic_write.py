import os
import stat
from pathlib import Path

import pytest

from hyve_pipeline.core.runtime.atomic_write import replace_file


def test_readers_of_the_old_file_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        replace_file(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("umask", [0, 0o077])
def test_the_mode_is_the_given_the_existing_or_the_default(tmp_path: Path, umask: int) -> None:
    existing = tmp_path / "existing"
    existing.touch()
    existing.chmod(0o754)
    old_umask = os.umask(umask)
    try:
        replace_file(existing, b"")
        replace_file(tmp_path / "given", b"", 0o600)
        replace_file(tmp_path / "default", b"")
    finally:
        os.umask(old_umask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"existing": 0o754, "given": 0o600, "default": 0o666 & ~umask}


def test_a_failure_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        replace_file(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["folder", "fifo", "device"])
def test_what_is_no_regular_file_is_never_replaced(tmp_path: Path, kind: str) -> None:
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
