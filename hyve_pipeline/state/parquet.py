"""Parquet files below a folder, with page checksums so that a damaged page is noticed when it is read."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from hyve_pipeline.core.errors import StateError
from hyve_pipeline.state.files import Folder

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset


@contextmanager
def writing_parquet(
    folder: Folder, path: str, schema: pa.Schema, *, repetitive: Sequence[str] | None = None
) -> Iterator[pq.ParquetWriter]:
    """A writer whose row groups become the file `path` when the block ends without an exception.

    Args:
        folder: where the file is to be.
        path: its name below the folder.
        schema: its columns.
        repetitive: the columns whose values repeat; by default any may. To look for repetitions where there
            are none doubles the time of writing.

    Raises:
        StateError: the file can't be written.
    """
    with (
        folder.writing(path) as stream,
        pq.ParquetWriter(
            stream,
            schema,
            compression="zstd",
            write_page_checksum=True,
            use_dictionary=True if repetitive is None else list(repetitive),  # pyright: ignore[reportArgumentType]
        ) as writer,
    ):
        yield writer


@contextmanager
def _noticing_damage(uri: str) -> Iterator[None]:
    """Say of whatever goes wrong in the block that the file is missing or damaged."""
    try:
        yield
    except FileNotFoundError as error:
        raise StateError(f"{uri}: missing") from error
    except Exception as error:
        # Checksums cover the pages, not the footer, and a footer that makes no sense fails in many ways.
        raise StateError(f"{uri}: damaged: {' '.join(str(error).split())}") from error


class ParquetReader:
    """Reads row groups of one Parquet file, verifying page checksums.

    Raises:
        StateError: on opening or reading, when the file is missing or damaged; names it.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        parent, _, name = uri.rpartition("/")
        folder = Folder(parent)
        with _noticing_damage(uri):
            self._file = pq.ParquetFile(
                folder.filesystem.open_input_file(folder.path_of(name)), page_checksum_verification=True
            )

    @property
    def rows(self) -> int:
        """How many rows the file has."""
        return self._file.metadata.num_rows

    @property
    def schema(self) -> pa.Schema:
        """The file's columns."""
        return self._file.schema_arrow

    @property
    def row_groups(self) -> int:
        """How many row groups the file has."""
        return self._file.num_row_groups

    def first_keys(self) -> list[tuple[str, int]]:
        """The first key and the number of rows of each row group, from the file's footer."""
        with _noticing_damage(self.uri):
            metadata = self._file.metadata
            index = metadata.schema.names.index("key")
            groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
            return [(group.column(index).statistics.min, group.num_rows) for group in groups if group.num_rows]

    def read(self, row_groups: list[int], columns: list[str] | None = None) -> pa.Table:
        """The rows of some row groups, in order; of all columns, or of some."""
        with _noticing_damage(self.uri):
            return self._file.read_row_groups(row_groups, columns)

    def tables(self) -> Iterator[pa.Table]:
        """The file's rows, a row group at a time."""
        for number in range(self.row_groups):
            yield self.read([number])

    def close(self) -> None:
        """Close the file."""
        self._file.close(force=True)


def open_dataset(uris: Sequence[str]) -> "Dataset":
    """Parquet files of equal columns, all in one filesystem, as one dataset."""
    # Imported late: it imports pandas, which most commands never need.
    import pyarrow.dataset as ds

    folders = [(Folder(uri.rpartition("/")[0]), uri.rpartition("/")[2]) for uri in uris]
    paths = [folder.path_of(name) for folder, name in folders]
    return ds.dataset(paths, filesystem=folders[0][0].filesystem, format="parquet")


def digest(folder: Folder, path: str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    result = hashlib.sha256()
    with folder.filesystem.open_input_stream(folder.path_of(path)) as stream:
        while block := stream.read(1024 * 1024):
            result.update(block)
    return result.hexdigest()
