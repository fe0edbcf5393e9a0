"""Sorting more rows than memory holds: in files, merged range by range."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.operations.inventory.sorted_runs import SortedRuns

_SCHEMA = pa.schema([("key", pa.string()), ("number", pa.int64())])
_KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)


@given(
    tables=st.lists(st.lists(_KEYS, max_size=20), max_size=8),
    run_rows=st.integers(1, 30),
    batch_rows=st.integers(1, 9),
    range_rows=st.integers(1, 30),
)
def test_all_rows_come_in_the_order_of_their_bytes(
    tables: list[list[str]], run_rows: int, batch_rows: int, range_rows: int
) -> None:
    added: list[tuple[str, int]] = []
    with tempfile.TemporaryDirectory() as name:
        runs = SortedRuns(Path(name), run_rows=run_rows, batch_rows=batch_rows)
        for keys in tables:
            rows = [(key, len(added) + place) for place, key in enumerate(keys)]
            added += rows
            if rows:
                runs.add(pa.table({"key": keys, "number": [number for _, number in rows]}, _SCHEMA))
        found = [(row["key"], row["number"]) for table in runs.tables(range_rows) for row in table.to_pylist()]
        assert sorted(found) == sorted(added)
        keys_found = [key.encode() for key, _ in found]
        assert keys_found == sorted(keys_found)
        # Nothing is left that somebody must remove.
        assert not list(Path(name).iterdir())


def _open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_many_runs_take_one_open_file_and_the_memory_of_few_rows(tmp_path: Path) -> None:
    open_before = _open_files()
    runs = SortedRuns(tmp_path, run_rows=100, batch_rows=5)
    for first in range(500):
        runs.add(pa.table({"key": [f"{number:06d}" for number in range(first, 50_000, 500)]}))
    assert _open_files() == open_before + 1
    mapped = Path("/proc/self/maps")
    for table in runs.tables(1_000):
        assert table.num_rows <= 1_000 + 500 * 5
        assert not mapped.exists() or str(tmp_path) not in mapped.read_text()


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    runs = SortedRuns(tmp_path / "missing", run_rows=1)
    with pytest.raises(StateError, match="temporary data can't be written there"):
        runs.add(pa.table({"key": ["a"], "number": [1]}, _SCHEMA))
