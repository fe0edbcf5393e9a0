"""Journals: every row reaches a file, despite slow disks, failures and interrupts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.journal import JournalRow, Outcome
from hyve_pipeline.state import journals
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.journals import AttemptBegun, AttemptWriter

_NOW = datetime(2024, 5, 6, tzinfo=UTC)


def _row(number: int) -> JournalRow:
    return JournalRow(key=f"{number:06d}", action="copy", outcome=Outcome.DONE, at=_NOW, bytes=number)


def _writer(path: Path, **bounds: Any) -> AttemptWriter:
    begun = AttemptBegun(attempt=1, run_id="a run", started=_NOW)
    return AttemptWriter(Folder.local(path), begun, batch_rows=10, most_rows=30, **bounds)


def _keys(path: Path) -> list[list[str]]:
    return [pq.read_table(file).column("key").to_pylist() for file in sorted(path.glob("*.parquet"))]


class _Disk:
    """Delays writes until they are allowed, and fails on request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_write = threading.Event()
        self.failures = 0
        real = journals.writing_parquet

        @contextmanager
        def writing(folder: Folder, path: str, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
            assert self.may_write.wait(10)
            if self.failures:
                self.failures -= 1
                raise StateError(f"{path}: can't be written: the disk is full")
            with real(folder, path, schema) as writer:
                yield writer

        monkeypatch.setattr(journals, "writing_parquet", writing)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> _Disk:
    return _Disk(monkeypatch)


def test_all_rows_are_on_the_disk_in_order(tmp_path: Path) -> None:
    with _writer(tmp_path) as writer:
        for number in range(95):
            writer.append(_row(number))
    files = _keys(tmp_path)
    assert [key for keys in files for key in keys] == [f"{number:06d}" for number in range(95)]
    assert 1 < len(files) <= 10


def test_a_slow_disk_blocks_only_when_too_many_rows_are_buffered(tmp_path: Path, disk: _Disk) -> None:
    with _writer(tmp_path) as writer:
        for number in range(39):
            writer.append(_row(number))
        assert _keys(tmp_path) == []
        full = threading.Event()

        def append() -> None:
            writer.append(_row(39))
            full.set()

        thread = threading.Thread(target=append)
        thread.start()
        assert not full.wait(0.1)
        disk.may_write.set()
        assert full.wait(10)
        thread.join()
    assert [len(keys) for keys in _keys(tmp_path)] == [10, 30]


def test_a_row_that_is_old_is_written_with_the_next(tmp_path: Path) -> None:
    with _writer(tmp_path, batch_seconds=0.0) as writer:
        writer.append(_row(0))
        writer.append(_row(1))
        writer._settle()
        assert sorted(key for keys in _keys(tmp_path) for key in keys) == ["000000", "000001"]


def test_a_failure_is_reported_and_the_rows_are_written_when_it_has_passed(tmp_path: Path, disk: _Disk) -> None:
    disk.failures = 1
    disk.may_write.set()
    with _writer(tmp_path) as writer:
        for number in range(9):
            writer.append(_row(number))
        with pytest.raises(StateError, match="the disk is full"):
            writer.flush()
        writer.append(_row(9))
    assert [key for keys in _keys(tmp_path) for key in keys] == [f"{number:06d}" for number in range(10)]


def test_a_failure_at_the_end_is_reported(tmp_path: Path, disk: _Disk) -> None:
    disk.failures = 2
    disk.may_write.set()
    with pytest.raises(StateError, match="the disk is full"), _writer(tmp_path) as writer:
        writer.append(_row(0))
    assert _keys(tmp_path) == []


def test_no_thread_is_left(tmp_path: Path) -> None:
    before = threading.active_count()
    with _writer(tmp_path) as writer:
        for number in range(25):
            writer.append(_row(number))
    assert threading.active_count() == before


@pytest.mark.parametrize("line", range(4))
def test_an_interrupt_while_a_batch_is_settled_loses_no_row(tmp_path: Path, line: int) -> None:
    class Interrupted(AttemptWriter):
        """Is interrupted before it sets its n-th attribute in `_settle`."""

        left = -1

        def __setattr__(self, name: str, value: object) -> None:
            if self.left == 0:
                Interrupted.left = -1
                raise KeyboardInterrupt
            if self.left > 0:
                Interrupted.left -= 1
            super().__setattr__(name, value)

    with Interrupted(Folder.local(tmp_path), AttemptBegun(attempt=1, run_id="a run", started=_NOW)) as writer:
        for number in range(10):
            writer.append(_row(number))
        Interrupted.left = line
        try:
            writer.flush()
        except KeyboardInterrupt:
            Interrupted.left = -1
        else:
            assert line == 3
            Interrupted.left = -1
        writer.append(_row(10))
    assert {key for keys in _keys(tmp_path) for key in keys} == {f"{number:06d}" for number in range(11)}


def test_a_failure_to_write_the_journal_means_that_changes_were_made(tmp_path: Path) -> None:
    """Exit code 4 would mean that nothing was changed."""
    folder = tmp_path / "attempt"
    writer = _writer(folder)
    writer.__enter__()
    (folder / "begun.json").unlink()
    folder.rmdir()
    folder.touch()
    writer.append(_row(1))
    with pytest.raises(StateError, match=r"000001.parquet: can't be written") as caught:
        writer.flush()
    assert caught.value.exit_code == 1
