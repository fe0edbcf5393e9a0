"""Ranges of keys tile all keys; what exceeds the memory of their database goes into a folder, and nowhere else."""

import itertools
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.ranges import RangeDatabase, cut_ranges
from hyve_pipeline.core.runtime.interruption import interrupt

_KEYS = st.text("ab/\n\x00é😀", min_size=1, max_size=4) | st.text(min_size=1, max_size=6)


@pytest.fixture(autouse=True)
def hasty_database() -> None:
    """Each of these tests has a database of its own, and fills its memory."""


@cache
def _rows() -> pa.Table:
    return pa.table({"key": [f"{number * 7919 % 300_007:040}" for number in range(300_000)]})


def _sorted(database: RangeDatabase) -> int:
    with database.showing({"rows": _rows()}) as connection:
        return connection.sql("SELECT * FROM rows ORDER BY key").to_arrow_table().num_rows


def test_what_exceeds_the_memory_goes_into_a_folder_that_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with RangeDatabase(memory="20MB") as database:
        folder = Path(database.folder)
        assert folder.parent == Path(tempfile.gettempdir())
        assert _sorted(database) == _rows().num_rows
        assert list(folder.iterdir()) != []
    assert not folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_counts_when_a_range_is_done() -> None:
    """It would come out of DuckDB as an error of its own, and so as one that nobody expects."""
    found: list[int] = []

    def count(connection: Any) -> None:
        interrupt()  # as the handler of a signal does
        found.append(connection.sql("SELECT * FROM rows").to_arrow_table().num_rows)

    with (
        RangeDatabase() as database,
        pytest.raises(KeyboardInterrupt),
        database.showing({"rows": _rows()}) as connection,
    ):
        count(connection)
    assert found == [_rows().num_rows]


def test_a_folder_that_takes_no_more_is_named() -> None:
    with RangeDatabase(memory="20MB") as database:
        # As a full disk, only that no test fills one.
        shutil.rmtree(database.folder)
        Path(database.folder).touch()
        with pytest.raises(StateError, match="set TMPDIR to a folder that has it") as caught:
            _sorted(database)
        assert str(caught.value).startswith(f"{database.folder}: temporary data can't be written there: ")
        assert "\n" not in str(caught.value)
        Path(database.folder).unlink()


def test_no_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(StateError, match=f"^{tmp_path / 'gone'}: temporary data can't be written there: .*TMPDIR"):
        RangeDatabase()


@given(st.lists(st.tuples(_KEYS, st.integers(1, 50)), max_size=20), st.integers(1, 100))
def test_ranges_tile_the_key_space(chunks: list[tuple[str, int]], most_rows: int) -> None:
    ranges = list(cut_ranges(chunks, most_rows))
    assert ranges[0].first == ""
    assert ranges[-1].end is None
    assert all(left.end == right.first for left, right in itertools.pairwise(ranges))
    assert all(key_range.end is None or key_range.first < key_range.end for key_range in ranges)
