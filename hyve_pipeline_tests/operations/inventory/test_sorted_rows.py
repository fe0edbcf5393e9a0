"""Rows by key range, of files that are whole and of files that are not."""

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.operations.inventory.sorted_rows import SortedRows
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import writing_parquet

_SCHEMA = pa.schema([("key", pa.string()), ("size", pa.int64())])
_ROWS = pa.table({"key": [f"below/{number:05d}" for number in range(100)], "size": list(range(100))}, _SCHEMA)

# Ranges that tile the key space, some with bounds within row groups.
_BOUNDS = ["", "00020", "00037", "00080", "00099", None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with writing_parquet(Folder.local(tmp_path), "rows.parquet", _SCHEMA) as writer:
        for first in range(0, 100, 20):
            writer.write_table(_ROWS.slice(first, 20))
            # As a range of a comparison leaves it that has nothing to list.
            writer.write_table(_ROWS.slice(0, 0))
    return tmp_path / "rows.parquet"


def _read(path: Path) -> list[int]:
    """The sizes of all rows, read range by range."""
    found = []
    with SortedRows(Folder.local(path.parent), [path.name], "below/") as rows:
        for first, end in pairwise(_BOUNDS):
            for row in rows.read(RelativeRange(first or "", end)).to_pylist():
                key = row["key"].removeprefix("below/")
                if key >= (first or "") and (end is None or key < end):
                    found.append(row["size"])
    return found


def test_ranges_that_tile_have_all_rows(path: Path) -> None:
    assert _read(path) == list(range(100))


def test_a_range_reads_only_the_row_groups_it_touches(path: Path) -> None:
    with SortedRows(Folder.local(path.parent), [path.name], "below/") as rows:
        assert rows.read(RelativeRange("00041", "00042")).num_rows == 20
        assert rows.read(RelativeRange("00039", "00041")).num_rows == 40


@pytest.mark.parametrize("change", [0x01, 0x80])
def test_a_changed_byte_of_the_footer_leaves_nothing_out(change: int, path: Path) -> None:
    """What it says of first keys decides which row groups are read; and some changes crash Arrow."""
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for position in range(footer, len(content)):
        damaged = bytearray(content)
        damaged[position] ^= change
        path.write_bytes(damaged)
        with pytest.raises(StateError, match=r"rows\.parquet: damaged"):
            _read(path)
