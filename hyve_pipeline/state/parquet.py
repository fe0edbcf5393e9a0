"""Parquet files below a folder, in which damage is detected when they are read.

Pages have checksums. The footer, which describes the columns and locates their pages, has none in Parquet: a
changed byte there can omit rows, and even crash the library that reads it. So its SHA-256 is written right before
it, where other readers of Parquet ignore it:

    PAR1, row groups, SHA-256 of the footer, footer, length of the footer (4 bytes), PAR1
"""

import hashlib
import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.state.files import Folder

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

# The end of a Parquet file: the length of the footer, and the magic number.
_TRAILER = struct.Struct("<I4s")

_DIGEST_SIZE = hashlib.sha256().digest_size
_SMALLEST = _TRAILER.size + _DIGEST_SIZE


@contextmanager
def writing_parquet(
    folder: Folder, path: str, schema: pa.Schema, *, repetitive: Sequence[str] | None = None
) -> Iterator[pq.ParquetWriter]:
    """A writer whose row groups become the file `path` when the block ends without an exception.

    Args:
        folder: the folder of the file.
        path: its name below the folder.
        schema: its columns.
        repetitive: the columns with a dictionary, whose values repeat; by default all. A dictionary for values
            that do not repeat doubles the time of writing.

    Raises:
        StateError: the file can't be written.
    """
    with (
        folder.writing(path) as stream,
        _FooterDigest(stream) as digesting,
        pq.ParquetWriter(
            digesting,
            schema,
            compression="zstd",
            write_page_checksum=True,
            use_dictionary=True if repetitive is None else list(repetitive),  # pyright: ignore[reportArgumentType]
        ) as writer,
    ):
        yield writer
        digesting.hold_back()


class _FooterDigest(io.RawIOBase):
    """Forwards what a Parquet writer writes, and inserts the digest before the footer."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._held: list[bytes] | None = None

    def hold_back(self) -> None:
        """Buffer what follows: it is the end of the file."""
        self._held = []

    def write(self, content: Any) -> int:
        if self._held is not None:
            self._held.append(bytes(content))
        else:
            self._stream.write(content)
        return len(content)

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        if self._held is not None:
            end = b"".join(self._held)
            self._held = None
            start = len(end) - _TRAILER.size - _TRAILER.unpack(end[-_TRAILER.size :])[0]
            self._stream.write(end[:start] + hashlib.sha256(end[start:]).digest() + end[start:])
        super().close()


@contextmanager
def _reporting_damage(uri: str) -> Iterator[None]:
    """Turn any error in the block into one that says that the file is damaged."""
    try:
        yield
    except StateError:
        raise  # of a storage that reads over the network
    except Exception as error:
        raise StateError(f"{uri}: damaged: {' '.join(str(error).split())}") from error


def _check_footer(file: pa.NativeFile) -> None:
    size = file.size()
    if size < _SMALLEST:
        raise ValueError(f"it has {size} bytes")
    (length,) = _TRAILER.unpack(file.read_at(_TRAILER.size, size - _TRAILER.size))[:1]
    start = size - _TRAILER.size - length
    if start < _DIGEST_SIZE:
        raise ValueError("its footer is larger than the file")
    found = file.read_at(size - start + _DIGEST_SIZE, start - _DIGEST_SIZE)
    if hashlib.sha256(found[_DIGEST_SIZE:]).digest() != found[:_DIGEST_SIZE]:
        raise ValueError("its footer does not have the checksum it was written with")


class ParquetReader(Closing):
    """Reads row groups of one Parquet file, verifying page checksums.

    Args:
        folder: a folder.
        name: the file below it.

    Raises:
        StateError: on opening or reading, when the file is missing or damaged; names it.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self.uri = folder.uri_of(name)
        file = folder.open(name)
        with _reporting_damage(self.uri):
            _check_footer(file)
            # One request for all columns of a row group, where the file is in a bucket.
            self._file = pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=folder.local_path is None)

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

    @property
    def filled_groups(self) -> list[int]:
        """The numbers of the row groups that have rows: a range without any may have left an empty one."""
        with _reporting_damage(self.uri):
            metadata = self._file.metadata
            return [number for number in range(metadata.num_row_groups) if metadata.row_group(number).num_rows]

    def first_keys(self) -> list[tuple[str, int]]:
        """The first key and the number of rows of each row group with rows, from the file's footer."""
        with _reporting_damage(self.uri):
            metadata = self._file.metadata
            index = metadata.schema.names.index("key")
            groups = map(metadata.row_group, self.filled_groups)
            return [(group.column(index).statistics.min, group.num_rows) for group in groups]

    def row_groups_with(self, column: str, value: str) -> list[int]:
        """The row groups that may have a value in a column of strings, by the bounds in the file's footer."""
        with _reporting_damage(self.uri):
            metadata = self._file.metadata
            index = metadata.schema.names.index(column)
            found: list[int] = []
            for number in range(metadata.num_row_groups):
                bounds = metadata.row_group(number).column(index).statistics
                if bounds is None or not bounds.has_min_max or bounds.min <= value <= bounds.max:
                    found.append(number)
            return found

    def batches(self, row_group: int, columns: list[str], rows: int) -> Iterator[pa.Table]:
        """Some columns of a row group, at most so many rows at once; what is not asked for is not read."""
        with _reporting_damage(self.uri):
            for batch in self._file.iter_batches(rows, [row_group], columns):
                yield pa.Table.from_batches([batch])

    def read(self, row_groups: list[int], columns: list[str] | None = None) -> pa.Table:
        """The rows of some row groups, in order; all columns, or some."""
        with _reporting_damage(self.uri):
            return self._file.read_row_groups(row_groups, columns)

    def tables(self) -> Iterator[pa.Table]:
        """The file's rows, a row group at a time."""
        for number in range(self.row_groups):
            yield self.read([number])

    def close(self) -> None:
        """Close the file."""
        self._file.close(force=True)


def open_dataset(folder: Folder, names: Sequence[str]) -> "Dataset":
    """Parquet files of equal columns as one dataset; those in a bucket are read into memory."""
    # Imported late: it imports pandas, which most commands never need.
    import pyarrow.dataset as ds

    path = folder.local_path
    if path is not None:
        return ds.dataset([str(path / name) for name in names], format="parquet")
    tables: list[pa.Table] = []
    for name in names:
        reader = ParquetReader(folder, name)
        tables += [reader.schema.empty_table(), *reader.tables()]
        reader.close()
    return ds.dataset(pa.concat_tables(tables))


def digest(folder: Folder, names: Iterable[str]) -> str:
    """The SHA-256 of the bytes of some files, one after the other, in hexadecimal."""
    result = hashlib.sha256()
    for name in names:
        with folder.open(name) as stream:
            while block := stream.read(1024 * 1024):
                result.update(block)
    return result.hexdigest()
