"""Files of the state that were damaged, and disks that take no more: noticed, named, and nothing done by them."""

import errno
import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path, PurePath

import pytest

from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.heeding import heed_permissions
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

Damage = Callable[[bytes], bytes]

# What a power cut and a bad disk leave; `state/test_parquet.py` has more.
_DAMAGES: dict[str, Damage] = {
    "emptied": lambda _: b"",
    "zeroed": lambda content: b"\0" * len(content),
    "another digit": lambda content: content[:-300] + re.sub(rb"[0-8]", b"9", content[-300:], count=1),
}

# A file of the state, and a command that relies on it.
_FILES = [
    ("plans/*/plan.json", "copy"),
    ("plans/*/copies.parquet", "copy"),
    ("plans/*/shards.parquet", "copy"),
    ("inventories/store/*.parquet", "verify"),
]
_LATER_FILES = [
    ("plans/*/deletes.parquet", "delete"),
    ("journals/*/0001/0001/summary.json", "delete"),
    ("journals/*/0001/0001/000001.parquet", "verify"),
]


@pytest.fixture
def planned(make_pair: MakePair, hyve: Hyve) -> Pair:
    """A sync with a plan."""
    pair = make_pair(max_deletes="100%")
    pair.source.put({f"new/{number:02d}": b"new" for number in range(20)})
    pair.store.put({"gone": b"1"})
    assert hyve("dryrun").code == 0
    return pair


def _check(pair: Pair, hyve: Hyve, pattern: str, command: str) -> None:
    """Damage a file in every way, and put it right again."""
    (path,) = (path for path in map(PurePath, pair.state_files()) if path.match(pattern))
    content, before = pair.read_state(str(path)), pair.store.listing()
    for damage in _DAMAGES.values():
        pair.write_state(str(path), damage(content))
        failed = hyve(command)
        assert failed.code == 4, failed.err
        assert path.name in failed.err.splitlines()[-1]
        assert "Traceback" not in failed.err
        assert pair.store.listing() == before
    pair.write_state(str(path), content)


def test_a_damaged_file_of_a_plan(planned: Pair, hyve: Hyve) -> None:
    for pattern, command in _FILES:
        _check(planned, hyve, pattern, command)
    assert hyve("copy").code == 0
    assert hyve("delete").code == 0
    assert planned.store.read() == planned.source.read()


@pytest.mark.parametrize(("pattern", "command"), _LATER_FILES)
def test_a_damaged_file_of_a_journal(pattern: str, command: str, planned: Pair, hyve: Hyve) -> None:
    assert hyve("copy").code == 0
    # The summary is only read where there is no marker, as after a crash.
    (plan,) = planned.state.names("journals")
    assert planned.state.remove(f"journals/{plan}/ended")[0] > 0
    _check(planned, hyve, pattern, command)
    assert hyve("delete").code == 0
    assert planned.store.read() == planned.source.read()


@pytest.fixture
def full_disk(planned: Pair, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Parts of paths; for files with one of them in their path the disk is full."""
    names: list[str] = []
    fsync = os.fsync

    def full(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if any(name in str(path) for name in names):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    return names


@pytest.mark.local_state
def test_a_full_disk(planned: Pair, hyve: Hyve, full_disk: list[str]) -> None:
    for folder, command in (("journals", "copy"), ("inventories", "dryrun"), ("plans", "dryrun"), ("diffs", "dryrun")):
        full_disk.append(f"/{folder}/")
        failed = hyve(command)
        assert failed.code == 4, failed.err
        last = failed.err.splitlines()[-1]
        assert f"/{folder}/" in last
        assert "No space left on device" in last
        full_disk.clear()
    assert hyve("sync").code == 0
    assert planned.store.read() == planned.source.read()


@pytest.mark.local_state
def test_a_disk_that_fills_up_after_some_copies(planned: Pair, hyve: Hyve, full_disk: list[str]) -> None:
    planned.configure(max_deletes="100%", shard_objects=8)
    plan = hyve("dryrun", "--json").document["plan"]
    full_disk.append(f"/journals/{plan}/0002/")
    copied = hyve("copy", "--json")
    assert (copied.code, copied.document["copied"], copied.document["copy_failed"]) == (1, 8, 0)
    last = copied.err.splitlines()[-1]
    assert f"/journals/{plan}/0002/" in last
    assert "No space left on device" in last
    assert last.endswith("what was done before is in the journal, run it again")
    full_disk.clear()
    assert hyve("retry", "--json").document["copied"] == 20
    assert hyve("delete").code == 0
    assert planned.store.read() == planned.source.read()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capabilities are Linux's")
@pytest.mark.local_state
def test_a_read_only_home(planned: Pair, hyve: Hyve) -> None:
    folders = [planned.home, *(path for path in planned.home.rglob("*") if path.is_dir())]
    _allow(folders, stat.S_IRUSR | stat.S_IXUSR)
    try:
        for command in ("dryrun", "copy"):
            with started([command], is_new_interpreter=True, preexec_fn=heed_permissions) as child:
                out, err = child.communicate(timeout=60)
            assert (child.returncode, out) == (4, ""), err
            (line,) = err.splitlines()
            assert "Permission denied" in line or "readonly" in line  # as the system and as SQLite say it
            assert str(planned.home) in line
    finally:
        _allow(folders, stat.S_IRWXU)
    assert hyve("sync").code == 0
    assert planned.store.read() == planned.source.read()


def _allow(folders: list[Path], mode: int) -> None:
    for folder in folders:
        folder.chmod(mode)
