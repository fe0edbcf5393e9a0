"""Local copies of the files of a state in a bucket."""

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from hyve_pipeline.state.storage.file_cache import FileCache

CONTENT = b"content"


class _Reads:
    """Reads a file, and counts how often."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.count = 0
        self._content = content

    def __call__(self) -> bytes:
        self.count += 1
        return self._content


def _content(file: pa.NativeFile) -> bytes:
    with file:
        return file.read()


def test_a_file_is_read_once(tmp_path: Path) -> None:
    cache, read = FileCache(tmp_path / "cache"), _Reads()
    for _ in range(3):
        assert _content(cache.open("a 1", len(CONTENT), read)) == CONTENT
    assert read.count == 1
    # Another process has another cache of the same folder.
    assert _content(FileCache(tmp_path / "cache").open("a 1", len(CONTENT), read)) == CONTENT
    assert read.count == 1


def test_another_version_is_another_file(tmp_path: Path) -> None:
    cache = FileCache(tmp_path)
    cache.open("a 1", len(CONTENT), _Reads())
    assert _content(cache.open("a 2", 5, _Reads(b"other"))) == b"other"


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(CONTENT[:3]), lambda path: path.write_bytes(b"")])
def test_a_copy_that_was_cut_short_is_replaced(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    cache, read = FileCache(tmp_path), _Reads()
    cache.open("a 1", len(CONTENT), read)
    for path in tmp_path.iterdir():
        damage(path)
    for _ in range(2):
        assert _content(cache.open("a 1", len(CONTENT), read)) == CONTENT
    assert read.count == 2


@pytest.mark.parametrize("folder", [Path("/proc/none"), Path("/dev/full"), None])
def test_without_a_folder_that_can_be_written_files_are_in_memory(folder: Path | None) -> None:
    cache, read = FileCache(folder), _Reads()
    for _ in range(2):
        assert _content(cache.open("a 1", len(CONTENT), read)) == CONTENT
    assert read.count == 2


def test_the_least_recently_used_copies_are_removed(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, most_bytes=2 * len(CONTENT))
    for age, name in ((3, "a"), (2, "b")):
        before = set(tmp_path.iterdir())
        cache.open(name, len(CONTENT), _Reads())
        (path,) = set(tmp_path.iterdir()) - before
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    # Now b is the least recently used.
    cache.open("a", len(CONTENT), _Reads())
    cache.open("c", len(CONTENT), _Reads())
    reads = {name: _Reads() for name in "abc"}
    for name in "acb":
        cache.open(name, len(CONTENT), reads[name])
    assert {name: read.count for name, read in reads.items()} == {"a": 0, "b": 1, "c": 0}


def test_a_user_without_a_home_directory_has_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYVE_CACHE", "~no-such-user/cache")
    cache = FileCache.from_environment()
    assert cache.folder is None
    assert _content(cache.open("a 1", len(CONTENT), _Reads())) == CONTENT
    # Not a folder named `~`, wherever the command is run.
    assert list(tmp_path.iterdir()) == []
