"""Reads the rows of a report of S3 Inventory: the current objects below a prefix, as a listing would give them."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from hyve_pipeline.core.base.arrow_columns import are_all_matched, has_empty
from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA
from hyve_pipeline.core.model.inventory_report import (
    IS_DELETE_MARKER,
    IS_LATEST,
    NEEDED,
    ReportFile,
    refuser,
    short_name,
)
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.operations.inventory.report_folder import FoundReport
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.key_encoding import AmbiguousPlusError, Plus, decode_keys
from hyve_pipeline.s3.listing.malformed import MalformedPageError
from hyve_pipeline.s3.listing.pages import is_usable_etag
from hyve_pipeline.s3.listing.plus_sign import settle_plus

# Columns that say of objects what no listing does: how many objects have which value is kept with the inventory.
_DETAILS = {
    short_name(name): name
    for name in (
        *("EncryptionStatus", "ChecksumAlgorithm", "ReplicationStatus", "IntelligentTieringAccessTier"),
        *("ObjectLockMode", "ObjectLockLegalHoldStatus"),
    )
}

# Rows in memory at a time; as many bytes of a CSV file.
_BATCH_ROWS = 65_536
_BLOCK_BYTES = 8 * 1024**2

_GZIP = b"\x1f\x8b"

_PLAIN_ETAG, _MOST_ETAG_BYTES = "[0-9A-Za-z-]+", 1024
_TIME = pa.timestamp("us", tz="UTC")


class ReportRows:
    """The current objects of a report below a prefix.

    Args:
        found: the report.
        side: the bucket that it is of, which may be asked for the keys that an encoding does not show.

    Attributes:
        rows: how many rows were read so far, those that are left out included.
        details: how many objects have which value, by column.
    """

    def __init__(self, found: FoundReport, side: Connection) -> None:
        self.rows = 0
        self.details: dict[str, Counter[str]] = {}
        self._manifest = found.manifest
        self._refuse = refuser(found.uri)
        self._side = side
        self._prefix = side.place.prefix
        # S3 writes a space as a plus; what other servers write is found out.
        self._plus: Plus | None = " " if side.place.server == AWS else None
        wanted = {*NEEDED, IS_LATEST, IS_DELETE_MARKER, *_DETAILS}
        self._columns = [name for name in found.manifest.columns if name in wanted]

    def read(self, file: ReportFile, path: Path) -> Iterator[pa.Table]:
        """The objects of one file in its order, columns as in `INVENTORY_SCHEMA`.

        Raises:
            IncompleteInventoryError: the file can't be read, or has a row that can't be one of this bucket.
            S3RequestError: the bucket was asked for a key, and the request failed.
        """
        try:
            for table in self._tables(file, path):
                self.rows += table.num_rows
                yield self._objects(table, file)
        except (pa.ArrowException, OSError, UnicodeError, MalformedPageError) as error:
            raise self._bad(file, " ".join(str(error).split())) from error

    def _bad(self, file: ReportFile, reason: str) -> IncompleteInventoryError:
        return self._refuse(f"its file {file.key!r} can't be read: {reason}")

    def _tables(self, file: ReportFile, path: Path) -> Iterator[pa.Table]:
        if self._manifest.format == "CSV":
            yield from self._csv_tables(path)
            return
        source, names, expected = _opened(self._manifest.format, path)
        by_short_name = {short_name(name): name for name in names}
        missing = [name for name in self._columns if name not in by_short_name]
        if missing:
            raise self._bad(file, f"it lacks the column {missing[0]!r} that the manifest's fileSchema has")
        rows = 0
        for table in source([by_short_name[name] for name in self._columns]):
            rows += table.num_rows
            yield table.rename_columns([short_name(name) for name in table.column_names])
        if rows != expected:
            raise self._bad(file, f"{rows:,} rows were read, and its footer says {expected:,}")

    def _csv_tables(self, path: Path) -> Iterator[pa.Table]:
        with path.open("rb") as file:
            compression = "gzip" if file.read(2) == _GZIP else None
        with pa.input_stream(str(path), compression=compression) as probed:
            if not probed.read(1):
                return
        with (
            pa.input_stream(str(path), compression=compression) as stream,
            csv.open_csv(
                stream,
                read_options=csv.ReadOptions(column_names=list(self._manifest.columns), block_size=_BLOCK_BYTES),
                convert_options=csv.ConvertOptions(
                    include_columns=self._columns,
                    column_types=dict.fromkeys(self._columns, pa.string()),
                    strings_can_be_null=False,
                ),
            ) as reader,
        ):
            for batch in reader:
                yield pa.Table.from_batches([batch])

    def _objects(self, table: pa.Table, file: ReportFile) -> pa.Table:
        buckets = pc.call_function("equal", [_text(table, "bucket"), self._manifest.source_bucket])
        if pc.call_function("all", [buckets]).as_py() is False:
            other = table.filter(pc.call_function("invert", [buckets])).column("bucket")[0].as_py()
            raise self._refuse(f"its file {file.key!r} has objects of bucket {other!r}")
        if self._manifest.has_versions:
            is_old = pc.call_function("invert", [_flag(table, IS_LATEST)])
            gone = pc.call_function("or", [is_old, _flag(table, IS_DELETE_MARKER)])
            table = table.filter(pc.call_function("invert", [gone]))
        keys = self._keys(table)
        if self._prefix:
            below = pc.call_function("starts_with", [keys], pc.MatchSubstringOptions(self._prefix))
            keys, table = keys.filter(below), table.filter(below)
        if not table.num_rows:
            return INVENTORY_SCHEMA.empty_table()
        if keys.null_count or has_empty(pa.chunked_array([keys])):
            raise self._bad(file, "a row has no key")
        sizes = table.column("size").cast(pa.int64())
        if sizes.null_count or pc.call_function("min", [sizes]).as_py() < 0:
            raise self._bad(file, "a row has no size")
        times = _times(table.column("lastmodifieddate"))
        if times.null_count:
            raise self._bad(file, "a row has no LastModifiedDate")
        self._count_details(table)
        columns = {
            "key": keys,
            "size": sizes,
            "last_modified": times,
            "etag": _etags(_text(table, "etag")),
            "storage_class": _or_else(_text(table, "storageclass"), "STANDARD"),
            "restored_until": pa.nulls(table.num_rows, _TIME),
        }
        return pa.table(columns, schema=INVENTORY_SCHEMA)

    def _keys(self, table: pa.Table) -> pa.StringArray:
        """The keys; those of CSV files are percent-encoded."""
        keys = _text(table, "key")
        if self._manifest.format != "CSV":
            return keys
        encoded = pc.call_function("match_substring_regex", [keys], pc.MatchSubstringOptions("[%+]"))
        if pc.call_function("any", [encoded]).as_py() is not True:
            return keys
        decoded = self._decoded(keys.filter(encoded).to_pylist())
        return pc.call_function("replace_with_mask", [keys, encoded, pa.array(decoded, pa.string())])

    def _decoded(self, written: list[str]) -> list[str]:
        try:
            return decode_keys(written, self._plus)
        except AmbiguousPlusError as error:
            self._plus = settle_plus(self._side, error.written)
            if self._plus is None:
                raise
            return decode_keys(written, self._plus)

    def _count_details(self, table: pa.Table) -> None:
        for short, name in _DETAILS.items():
            if short in self._columns:
                counts = pc.call_function("value_counts", [_text(table, short)]).to_pylist()
                of_column = self.details.setdefault(name, Counter())
                for entry in counts:
                    if entry["values"]:
                        of_column[entry["values"]] += entry["counts"]


_Source = Callable[[list[str]], Iterator[pa.Table]]


def _opened(report_format: str, path: Path) -> tuple[_Source, list[str], int]:
    """What reads some columns of a file, the names of all columns, and how many rows its footer says it has."""
    if report_format == "Parquet":
        file = pq.ParquetFile(str(path))

        def read_groups(columns: list[str]) -> Iterator[pa.Table]:
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
                yield pa.Table.from_batches([batch])

        return read_groups, file.schema_arrow.names, file.metadata.num_rows
    # Imported late: it is rarely needed.
    from pyarrow import orc

    stripes = orc.ORCFile(str(path))

    def read_stripes(columns: list[str]) -> Iterator[pa.Table]:
        for number in range(stripes.nstripes):
            stripe = pa.Table.from_batches([stripes.read_stripe(number, columns)]).select(columns)
            for start in range(0, stripe.num_rows, _BATCH_ROWS):
                yield stripe.slice(start, _BATCH_ROWS)

    return read_stripes, stripes.schema.names, stripes.nrows


def _text(table: pa.Table, column: str) -> pa.StringArray:
    """A column of strings, in one piece; Parquet files may have them as bytes."""
    return table.column(column).cast(pa.string()).combine_chunks()


def _flag(table: pa.Table, column: str) -> Any:
    """A column of booleans; what is missing counts as false."""
    values = table.column(column)
    if not pa.types.is_boolean(values.type):
        lower = pc.call_function("utf8_lower", [values.cast(pa.string())])
        return pc.call_function("equal", [lower, "true"])
    return pc.call_function("coalesce", [values, False])


def _times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times in UTC, in microseconds: text as in ISO 8601, or times with or without zone."""
    if pa.types.is_timestamp(column.type) and column.type.tz is None:
        column = pc.call_function("assume_timezone", [column], pc.AssumeTimezoneOptions("UTC"))
    if pa.types.is_integer(column.type):
        column = column.cast(pa.timestamp("ms", tz="UTC"))
    return column.cast(_TIME, safe=False)


def _etags(column: Any) -> Any:
    """ETags without quotes; empty where there is none that can be sent as a condition, as in a listing."""
    plain = pc.call_function("utf8_trim", [_or_else(column, "")], pc.TrimOptions('"'))
    if are_all_matched(pa.chunked_array([plain]), _PLAIN_ETAG, _MOST_ETAG_BYTES):
        return plain
    return pa.array([etag if is_usable_etag(etag) else "" for etag in plain.to_pylist()], pa.string())


def _or_else(column: Any, value: str) -> Any:
    """A column of strings with `value` for each that is missing or empty."""
    is_missing = pc.call_function("equal", [pc.call_function("coalesce", [column, ""]), ""])
    return pc.call_function("if_else", [is_missing, value, column])
