"""Bounded ranges of the key space, and the database that processes the rows of one range at a time."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from hyve_pipeline.core.base.errors import spill_error, spilling_to
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.core.runtime.interruption import deferring_interrupts
from hyve_pipeline.core.runtime.startup import return_freed_memory

if TYPE_CHECKING:
    import duckdb

# The memory that DuckDB may use before it spills; a range requires far less.
_MEMORY = "512MB"


@dataclass(frozen=True)
class RelativeRange:
    """The keys from `first` up to but not including `end`, both without prefix; None means no bound."""

    first: str
    end: str | None


_ALL_KEYS = RelativeRange("", None)


def cut_ranges(
    chunks: Iterable[tuple[str, int]], most_rows: int, whole: RelativeRange = _ALL_KEYS
) -> Iterator[RelativeRange]:
    """Cut a range into ranges of about `most_rows` rows.

    Args:
        chunks: first key (without prefix) and number of rows of each row group of both inventories.
        most_rows: rows of a range; a single chunk is never split.
        whole: the range that is cut; by default all keys.
    """
    first, rows = whole.first, 0
    for key, count in sorted(chunks):
        if whole.end is not None and key >= whole.end:
            break
        if rows and rows + count > most_rows and key > first:
            yield RelativeRange(first, key)
            first, rows = key, 0
        # A chunk that begins before the whole may reach into it; how far is not known.
        rows += count if key >= whole.first else 0
    yield RelativeRange(first, whole.end)


class RangeDatabase(Closing):
    """DuckDB, in memory, for the rows of one range after another.

    What exceeds its memory goes into a folder of its own. Without one, DuckDB would make one in the working directory.

    Args:
        memory: the memory that it may use before, as DuckDB takes it.

    Attributes:
        folder: the folder.

    Raises:
        StateError: the folder can't be made.
    """

    def __init__(self, memory: str = _MEMORY) -> None:
        # Imported late: reading plans and copying require no database.
        import duckdb

        with spilling_to(tempfile.gettempdir()):
            self._temporary = tempfile.TemporaryDirectory(prefix="hyve-ranges-")
        self.folder = self._temporary.name
        self._connection = duckdb.connect()
        self._connection.execute(f"SET memory_limit = '{memory}'")
        # A range is smaller than what DuckDB assigns to one thread (122,880 rows): more threads would only
        # cost memory.
        self._connection.execute("SET threads = 1")
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET temp_directory = ?", [self.folder])

    @contextmanager
    def showing(self, tables: Mapping[str, pa.Table]) -> Iterator["duckdb.DuckDBPyConnection"]:
        """The database with some tables registered under their names, within the block.

        An interrupt counts at its end: DuckDB calls Python for the rows, and makes an error of its own of one there.

        Raises:
            StateError: memory and folder are full.
            KeyboardInterrupt: it was interrupted.
        """
        from duckdb import OperationalError

        for name, table in tables.items():
            self._connection.register(name, table)
        try:
            with deferring_interrupts():
                yield self._connection
        except OperationalError as error:
            raise spill_error(self.folder, error) from error
        finally:
            for name in tables:
                self._connection.unregister(name)
            return_freed_memory()

    def close(self) -> None:
        """Free the memory and the folder."""
        self._connection.close()
        self._temporary.cleanup()


def below(prefix: str) -> str:
    """The SQL for a row's key below `prefix`; without a prefix it copies no keys."""
    return f"key[{len(prefix) + 1}:]" if prefix else "key"
