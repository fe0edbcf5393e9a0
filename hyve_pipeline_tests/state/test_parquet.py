"""Parquet files appear complete, and damage is detected."""

from pathlib import Path

import pyarrow as pa
import pytest

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import ParquetReader, writing_parquet

SCHEMA = pa.schema([("key", pa.string()), ("size", pa.int64())])
ROWS = pa.table({"key": [f"key-{number:05d}" for number in range(1000)], "size": list(range(1000))}, SCHEMA)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with writing_parquet(Folder.local(tmp_path), "rows.parquet", SCHEMA) as writer:
        writer.write_table(ROWS.slice(0, 600))
        writer.write_table(ROWS.slice(600))
    return tmp_path / "rows.parquet"


def test_row_groups_are_read_back_with_their_first_keys(path: Path) -> None:
    reader = ParquetReader(Folder.local(path.parent), path.name)
    assert reader.rows == 1000
    assert reader.first_keys() == [("key-00000", 600), ("key-00600", 400)]
    assert reader.read([1]).to_pylist() == ROWS.slice(600).to_pylist()
    assert pa.concat_tables(reader.tables()).to_pylist() == ROWS.to_pylist()


def test_a_file_that_fails_while_it_is_written_never_appears(tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with writing_parquet(Folder.local(tmp_path), "rows.parquet", SCHEMA) as writer:
            writer.write_table(ROWS)
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"rows\.parquet: missing"):
        ParquetReader(Folder.local(tmp_path), "rows.parquet")


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, 0.99])
def test_a_truncated_file_is_detected(path: Path, kept: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(kept) if kept == int(kept) else int(len(content) * kept)])
    with pytest.raises(StateError, match=r"rows\.parquet: damaged"):
        list(ParquetReader(Folder.local(path.parent), path.name).tables())


def test_a_flipped_byte_of_a_page_is_detected(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"rows\.parquet: damaged"):
        list(ParquetReader(Folder.local(path.parent), path.name).tables())


def test_a_flipped_byte_never_ends_in_another_error_and_never_changes_a_row(path: Path) -> None:
    content = path.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x55
        path.write_bytes(damaged)
        try:
            rows = pa.concat_tables(ParquetReader(Folder.local(path.parent), path.name).tables())
        except StateError:
            continue
        assert rows.equals(ROWS)
